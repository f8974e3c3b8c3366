//! Subscriptions as Part 4, 5.14 has them. A value that is put is a sample: sampling intervals are granted and not looked at.
use super::{Heard, World, answers::good, line::Line, line::fault};
use opcua::{
    core::{RequestMessage, ResponseMessage},
    types::{
        CreateMonitoredItemsRequest, CreateMonitoredItemsResponse, CreateSubscriptionRequest,
        CreateSubscriptionResponse, DataChangeFilter, DataChangeTrigger, DataValue, DeleteMonitoredItemsResponse,
        DeleteSubscriptionsResponse, MonitoredItemCreateRequest, MonitoredItemCreateResult, MonitoredItemNotification,
        NodeId, NotificationMessage, PublishRequest, PublishResponse, ReadValueId, RepublishResponse, ResponseHeader,
        StatusCode, TimestampsToReturn, TransferResult, TransferSubscriptionsResponse,
    },
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// Bit of a status code: values were lost in front of this one (Part 4, 7.39.1).
const OVERFLOW: u32 = 0x480;
const PERCENT: u32 = 2;

#[derive(Default)]
pub(crate) struct Subscriptions {
    by_id: BTreeMap<u32, Subscription>,
    last_id: u32,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    heard: Heard,
    line: Arc<Line>,
    session: NodeId,
    results: Vec<StatusCode>,
}

struct Subscription {
    session: NodeId,
    interval: Duration,
    due: Instant,
    keep_alive: u32,
    /// Intervals without a message.
    silent: u32,
    next: u32,
    items: BTreeMap<u32, Item>,
    last_item: u32,
    kept: VecDeque<NotificationMessage>,
}

struct Item {
    client_handle: u32,
    node: ReadValueId,
    size: usize,
    queue: VecDeque<DataValue>,
    trigger: DataChangeTrigger,
    last: Option<DataValue>,
}

impl Item {
    /// As its trigger has it (Part 4, 7.22.2).
    fn is_change(&self, value: &DataValue) -> bool {
        let Some(last) = &self.last else { return true };
        let status = last.status.unwrap_or_default() != value.status.unwrap_or_default();
        let (other, later) = (last.value != value.value, last.source_timestamp != value.source_timestamp);
        match self.trigger {
            DataChangeTrigger::Status => status,
            DataChangeTrigger::StatusValue => status || other,
            DataChangeTrigger::StatusValueTimestamp => status || other || later,
        }
    }
    fn push(&mut self, value: DataValue) {
        if !self.is_change(&value) {
            return;
        }
        self.last = Some(value.clone());
        self.queue.push_back(value);
        if self.queue.len() > self.size {
            self.queue.pop_front();
            if let Some(first) = self.queue.front_mut() {
                let code = first.status.unwrap_or_default();
                first.status = Some(StatusCode::from(code.bits() | OVERFLOW));
            }
        }
    }
}

impl Subscriptions {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }
    pub(super) fn items(&self) -> usize {
        self.by_id.values().map(|one| one.items.len()).sum()
    }
    pub(super) fn kept(&self) -> usize {
        self.by_id.values().map(|one| one.kept.len()).sum()
    }
    pub(super) fn clear(&mut self) {
        self.by_id.clear();
    }
    pub(super) fn number_anew(&mut self) {
        self.by_id.values_mut().for_each(|one| one.next = 1);
    }
    pub(super) fn forget_messages(&mut self) {
        self.by_id.values_mut().for_each(|one| one.kept.clear());
    }
    pub(super) fn changed(&mut self, node: &NodeId, value: &DataValue) {
        for item in self.by_id.values_mut().flat_map(|one| one.items.values_mut()) {
            if item.node.node_id == *node {
                item.push(value.clone());
            }
        }
    }
    /// A session was closed.
    pub(super) fn left(&mut self, session: &NodeId, delete: bool) {
        if delete {
            self.by_id.retain(|_, one| one.session != *session);
        }
        self.waiting.retain(|waiting| waiting.session != *session);
    }
}

impl Subscription {
    /// What is to be sent at this moment.
    fn message(&mut self, world_now: opcua::types::DateTime, keep: usize) -> Option<NotificationMessage> {
        let mut values = vec![];
        for item in self.items.values_mut() {
            let handle = item.client_handle;
            let all = item.queue.drain(..);
            values.extend(all.map(|value| MonitoredItemNotification { client_handle: handle, value }));
        }
        if values.is_empty() {
            self.silent += 1;
            if self.silent < self.keep_alive && self.next > 1 {
                return None;
            }
            self.silent = 0;
            return Some(NotificationMessage::keep_alive(self.next, world_now));
        }
        self.silent = 0;
        let message = NotificationMessage::data_change(self.next, world_now, values, vec![]);
        self.next = self.next.checked_add(1).unwrap_or(1);
        self.kept.push_back(message.clone());
        if self.kept.len() > keep {
            self.kept.pop_front();
        }
        Some(message)
    }
    fn available(&self) -> Vec<u32> {
        self.kept.iter().map(|message| message.sequence_number).collect()
    }
}

impl World {
    /// The oldest Publish that waits.
    pub(super) fn next_publish(&mut self) -> Option<(Heard, Arc<Line>)> {
        let waiting = &mut self.subscriptions.waiting;
        waiting.retain(|waiting| waiting.line.is_open());
        waiting.pop_front().map(|waiting| (waiting.heard, waiting.line))
    }
    /// How many Publish requests wait.
    pub(crate) fn waiting_publishes(&self) -> usize {
        self.subscriptions.waiting.iter().filter(|waiting| waiting.line.is_open()).count()
    }
    /// Keeps it until there is something to say, or refuses it.
    pub(super) fn publish(&mut self, heard: &Heard, line: &Arc<Line>) -> Option<ResponseMessage> {
        let RequestMessage::Publish(publish) = &heard.request else { return None };
        if let Some(code) = self.refused(heard, line) {
            return Some(fault(heard, code));
        }
        let session = self.session_of(heard);
        let results = self.acknowledged(publish);
        let subscriptions = &mut self.subscriptions;
        if !subscriptions.by_id.values().any(|one| one.session == session) {
            return Some(fault(heard, StatusCode::BadNoSubscription));
        }
        if subscriptions.waiting.iter().filter(|waiting| waiting.session == session).count() >= self.most_publishes {
            return Some(fault(heard, StatusCode::BadTooManyPublishRequests));
        }
        subscriptions.waiting.push_back(Waiting { heard: heard.clone(), line: line.clone(), session, results });
        None
    }
    fn acknowledged(&mut self, publish: &PublishRequest) -> Vec<StatusCode> {
        let acks = publish.subscription_acknowledgements.iter().flatten();
        let by_id = &mut self.subscriptions.by_id;
        let one = |ack: &opcua::types::SubscriptionAcknowledgement| {
            let Some(of) = by_id.get_mut(&ack.subscription_id) else {
                return StatusCode::BadSubscriptionIdInvalid;
            };
            let before = of.kept.len();
            of.kept.retain(|message| message.sequence_number != ack.sequence_number);
            if of.kept.len() == before { StatusCode::BadSequenceNumberUnknown } else { StatusCode::Good }
        };
        acks.map(one).collect()
    }
    /// Which answers to Publish go out now.
    pub(super) fn due(&mut self) -> Vec<(Arc<Line>, u32, ResponseMessage)> {
        let (now, time, keep) = (Instant::now(), self.now(), self.kept_messages);
        let mut out = vec![];
        let Subscriptions { by_id, waiting, .. } = &mut self.subscriptions;
        waiting.retain(|waiting| waiting.line.is_open());
        let mut said = vec![];
        for (id, one) in by_id.iter_mut().filter(|(_, one)| one.due <= now) {
            let Some(at) = waiting.iter().position(|waiting| waiting.session == one.session) else { continue };
            one.due = now + one.interval;
            if let Some(message) = one.message(time, keep) {
                said.extend(waiting.remove(at).map(|waiting| (*id, waiting, one.available(), message)));
            }
        }
        for (subscription_id, Waiting { heard, line, results, .. }, available, notification_message) in said {
            let answer = PublishResponse {
                response_header: good(self, heard.request.request_header()),
                subscription_id,
                available_sequence_numbers: Some(available),
                more_notifications: false,
                notification_message,
                results: Some(results),
                diagnostic_infos: None,
            };
            out.push((line, heard.id, answer.into()));
        }
        out
    }
    /// None: not a service that this server has.
    pub(super) fn subscription(&mut self, heard: &Heard, response_header: ResponseHeader) -> Option<ResponseMessage> {
        let header = response_header;
        Some(match &heard.request {
            RequestMessage::CreateSubscription(create) => self.subscribed(heard, create, header).into(),
            RequestMessage::CreateMonitoredItems(create) => match self.monitored(create) {
                Some(results) => CreateMonitoredItemsResponse {
                    response_header: header,
                    results: Some(results),
                    diagnostic_infos: None,
                }
                .into(),
                None => fault(heard, StatusCode::BadSubscriptionIdInvalid),
            },
            RequestMessage::DeleteMonitoredItems(delete) => {
                let Some(one) = self.subscriptions.by_id.get_mut(&delete.subscription_id) else {
                    return Some(fault(heard, StatusCode::BadSubscriptionIdInvalid));
                };
                let gone = |id: &u32| match one.items.remove(id) {
                    Some(_) => StatusCode::Good,
                    None => StatusCode::BadMonitoredItemIdInvalid,
                };
                let results = delete.monitored_item_ids.iter().flatten().map(gone).collect();
                DeleteMonitoredItemsResponse { response_header: header, results: Some(results), diagnostic_infos: None }
                    .into()
            }
            RequestMessage::DeleteSubscriptions(delete) => {
                let gone = |id: &u32| match self.subscriptions.by_id.remove(id) {
                    Some(_) => StatusCode::Good,
                    None => StatusCode::BadSubscriptionIdInvalid,
                };
                let results = delete.subscription_ids.iter().flatten().map(gone).collect();
                DeleteSubscriptionsResponse { response_header: header, results: Some(results), diagnostic_infos: None }
                    .into()
            }
            RequestMessage::TransferSubscriptions(transfer) => {
                let session = self.session_of(heard);
                let ids = transfer.subscription_ids.iter().flatten();
                let results = ids.map(|id| self.transferred(*id, &session, transfer.send_initial_values)).collect();
                TransferSubscriptionsResponse {
                    response_header: header,
                    results: Some(results),
                    diagnostic_infos: None,
                }
                .into()
            }
            RequestMessage::Republish(again) => match self.subscriptions.by_id.get(&again.subscription_id) {
                None => fault(heard, StatusCode::BadSubscriptionIdInvalid),
                Some(one) => {
                    let number = again.retransmit_sequence_number;
                    match one.kept.iter().find(|message| message.sequence_number == number) {
                        None => fault(heard, StatusCode::BadMessageNotAvailable),
                        Some(message) => {
                            let notification_message = message.clone();
                            RepublishResponse { response_header: header, notification_message }.into()
                        }
                    }
                }
            },
            _ => return None,
        })
    }
    fn subscribed(
        &mut self,
        heard: &Heard,
        create: &CreateSubscriptionRequest,
        response_header: ResponseHeader,
    ) -> CreateSubscriptionResponse {
        let session = self.session_of(heard);
        let interval = Duration::from_secs_f64(create.requested_publishing_interval.clamp(10.0, 1e7) / 1e3);
        let subscriptions = &mut self.subscriptions;
        let free = || (1..1000).find(|id| !subscriptions.by_id.contains_key(id));
        let id = if self.numbers_again { free().expect("few are taken") } else { subscriptions.last_id + 1 };
        subscriptions.last_id = id;
        let one = Subscription {
            session,
            interval,
            due: Instant::now() + interval,
            keep_alive: create.requested_max_keep_alive_count.max(1),
            silent: 0,
            next: 1,
            items: BTreeMap::new(),
            last_item: 0,
            kept: VecDeque::new(),
        };
        subscriptions.by_id.insert(id, one);
        CreateSubscriptionResponse {
            response_header,
            subscription_id: id,
            revised_publishing_interval: interval.as_secs_f64() * 1e3,
            revised_lifetime_count: create.requested_lifetime_count,
            revised_max_keep_alive_count: create.requested_max_keep_alive_count.max(1),
        }
    }
    fn monitored(&mut self, create: &CreateMonitoredItemsRequest) -> Option<Vec<MonitoredItemCreateResult>> {
        if !self.subscriptions.by_id.contains_key(&create.subscription_id) {
            return None;
        }
        let items = create.items_to_create.iter().flatten();
        Some(items.map(|item| self.monitor(create.subscription_id, item, create.timestamps_to_return)).collect())
    }
    fn monitor(
        &mut self,
        id: u32,
        create: &MonitoredItemCreateRequest,
        times: TimestampsToReturn,
    ) -> MonitoredItemCreateResult {
        let refused = |status_code| MonitoredItemCreateResult { status_code, ..MonitoredItemCreateResult::default() };
        let now = self.read(&create.item_to_monitor, times);
        if !self.nodes.contains_key(&create.item_to_monitor.node_id) {
            return refused(StatusCode::BadNodeIdUnknown);
        }
        let asked = &create.requested_parameters;
        let filter = asked.filter.inner_as::<DataChangeFilter>();
        if filter.is_some_and(|filter| filter.deadband_type == PERCENT) {
            return refused(StatusCode::BadMonitoredItemFilterUnsupported); // nothing here has an EURange
        }
        let Some(one) = self.subscriptions.by_id.get_mut(&id) else {
            return refused(StatusCode::BadSubscriptionIdInvalid);
        };
        one.last_item += 1;
        let size = asked.queue_size.clamp(1, 10_000);
        let mut item = Item {
            client_handle: asked.client_handle,
            node: create.item_to_monitor.clone(),
            size: usize::try_from(size).expect("64 bits"),
            queue: VecDeque::new(),
            trigger: filter.map_or(DataChangeTrigger::StatusValue, |filter| filter.trigger),
            last: None,
        };
        item.push(now);
        one.items.insert(one.last_item, item);
        MonitoredItemCreateResult {
            status_code: StatusCode::Good,
            monitored_item_id: one.last_item,
            revised_sampling_interval: asked.sampling_interval.max(0.0),
            revised_queue_size: size,
            ..MonitoredItemCreateResult::default()
        }
    }
    fn transferred(&mut self, id: u32, session: &NodeId, initial: bool) -> TransferResult {
        let Some(one) = self.subscriptions.by_id.get_mut(&id) else {
            return TransferResult {
                status_code: StatusCode::BadSubscriptionIdInvalid,
                available_sequence_numbers: None,
            };
        };
        one.session = session.clone();
        let available = Some(one.available());
        let nodes: Vec<(u32, ReadValueId)> =
            one.items.iter().filter(|_| initial).map(|(id, item)| (*id, item.node.clone())).collect();
        for (item, node) in nodes {
            let now = self.read(&node, TimestampsToReturn::Source);
            let one = self.subscriptions.by_id.get_mut(&id).and_then(|one| one.items.get_mut(&item));
            if let Some(item) = one {
                item.push(now);
            }
        }
        TransferResult { status_code: StatusCode::Good, available_sequence_numbers: available }
    }
}
