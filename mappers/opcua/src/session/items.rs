//! Making the items of a subscription at the server (Part 4, 5.13.2): in requests as large as it takes, those refused for their filter
//! without it.
use super::{Item, Session, interval::queue, subscribe::refused};
use crate::{
    error::{Code, Result},
    limits::{Operation, in_parts},
    wire::Wire,
};
use opcua::types::{
    AttributeId, CreateMonitoredItemsRequest, DataChangeFilter, DataChangeTrigger, ExtensionObject,
    MonitoredItemCreateRequest, MonitoredItemCreateResult, MonitoringMode, MonitoringParameters, QualifiedName,
    ReadValueId, StatusCode, SubStatusCode, TimestampsToReturn,
};
use pollux_crds::OpcUaDeadband;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// Items that the server does not watch, and why.
pub(super) type Refusals = BTreeMap<u32, Code>;

/// Kinds of dead-bands (Part 4, 7.22.2).
const NONE: u32 = 0;
const ABSOLUTE: u32 = 1;
const PERCENT: u32 = 2;

impl Session {
    /// Makes items of a subscription at the server, those refused for their filter without it. What is refused then is forgotten, and why
    /// is told.
    pub(super) async fn make_items(
        &self,
        wire: &Wire,
        number: u32,
        handles: &[u32],
        until: Instant,
    ) -> Result<Refusals> {
        let mut refusals = self.create_items(wire, number, handles, true, until).await?;
        let bare: Vec<u32> =
            refusals.iter().filter(|(_, code)| is_of_filter(**code)).map(|(handle, _)| *handle).collect();
        if !bare.is_empty() {
            refusals.retain(|_, code| !is_of_filter(*code));
            refusals.extend(self.create_items(wire, number, &bare, false, until).await?);
        }
        let mut book = self.book();
        for handle in refusals.keys() {
            book.remove(*handle);
        }
        Ok(refusals)
    }
    async fn create_items(
        &self,
        wire: &Wire,
        number: u32,
        handles: &[u32],
        filters: bool,
        until: Instant,
    ) -> Result<Refusals> {
        let (mut rest, mut refusals) = (handles, Refusals::new());
        while !rest.is_empty() {
            let (part, after) = rest.split_at(self.limits.cap(Operation::Items).min(rest.len()));
            let Some((id, asked, requests)) = self.requests(number, part, filters) else {
                refusals.extend(rest.iter().map(|handle| (*handle, StatusCode::BadSubscriptionIdInvalid.into())));
                break;
            };
            let made = in_parts(&self.limits, Operation::Items, &requests, |items| async move {
                let request = CreateMonitoredItemsRequest {
                    request_header: wire.header(until),
                    subscription_id: id,
                    timestamps_to_return: TimestampsToReturn::Source,
                    items_to_create: Some(items),
                };
                Ok(wire.call(request, until).await?.results.unwrap_or_default())
            });
            match made.await {
                Ok(made) => {
                    let each = asked.iter().zip(made);
                    refusals
                        .extend(each.filter_map(|(handle, made)| Some((*handle, self.made(*handle, &made, filters)?))));
                }
                Err(error) => {
                    let code = refused(error)?;
                    refusals.extend(asked.iter().map(|handle| (*handle, code)));
                }
            }
            rest = after;
        }
        Ok(refusals)
    }
    /// The server's number of the subscription, and the items that are still wanted. None: there is no such subscription.
    fn requests(
        &self,
        number: u32,
        handles: &[u32],
        filters: bool,
    ) -> Option<(u32, Vec<u32>, Vec<MonitoredItemCreateRequest>)> {
        let book = self.book();
        let one = book.subscriptions.get(&number)?;
        let item =
            |handle: &u32| Some((*handle, request(*handle, &book.watch(*handle)?.item, one.publishing, filters)));
        let (asked, requests) = handles.iter().filter_map(item).unzip();
        Some((one.id, asked, requests))
    }
    fn made(&self, handle: u32, made: &MonitoredItemCreateResult, filters: bool) -> Option<Code> {
        if made.status_code.is_bad() {
            return Some(made.status_code.into());
        }
        self.book().taken(handle, Some(made.monitored_item_id), filters);
        None
    }
}

fn request(handle: u32, item: &Item, publishing: Duration, filters: bool) -> MonitoredItemCreateRequest {
    let filter = if filters { filter(item) } else { None };
    MonitoredItemCreateRequest {
        item_to_monitor: ReadValueId {
            node_id: item.node.clone(),
            attribute_id: AttributeId::Value as u32,
            index_range: item.range.clone(),
            data_encoding: QualifiedName::null(),
        },
        monitoring_mode: MonitoringMode::Reporting,
        requested_parameters: MonitoringParameters {
            client_handle: handle,
            sampling_interval: item.interval.as_secs_f64() * 1e3,
            filter: filter.map_or_else(ExtensionObject::null, ExtensionObject::from_message),
            queue_size: queue(item, publishing),
            discard_oldest: true,
        },
    }
}
/// None: all changes of status and value, which is what a server sends by itself.
fn filter(item: &Item) -> Option<DataChangeFilter> {
    let of = |trigger, deadband_type, deadband_value| DataChangeFilter { trigger, deadband_type, deadband_value };
    if item.each {
        return Some(of(DataChangeTrigger::StatusValueTimestamp, NONE, 0.0));
    }
    let OpcUaDeadband { absolute, percent } = item.deadband.as_ref()?;
    let (kind, value) = absolute.map(|most| (ABSOLUTE, most)).or(percent.map(|most| (PERCENT, most)))?;
    Some(of(DataChangeTrigger::StatusValue, kind, value))
}

/// Refused for its filter, so that it may pass without.
fn is_of_filter(code: Code) -> bool {
    use SubStatusCode as S;
    matches!(
        SubStatusCode::from_value(code.0 & 0xFFFF_0000),
        Some(
            S::BadMonitoredItemFilterInvalid
                | S::BadMonitoredItemFilterUnsupported
                | S::BadFilterNotAllowed
                | S::BadDeadbandFilterInvalid
        )
    )
}
