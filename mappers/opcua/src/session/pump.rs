//! What a server pushes (Part 4, 5.14.5): Publish requests that wait there, the messages that answer them, taken in the order of their
//! numbers, and whether it is still there.
use super::{Session, Sink, book::Sorted, is_of_session, refusal::is_for_good, sequence::Step};
use crate::{
    error::{Code, Error, Result},
    wire::{Published, Sample, Wire, publish, published, republish},
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use opcua::types::{NodeId, ReadRequest, ReadValueId, StatusCode, SubStatusCode, TimestampsToReturn, VariableId};
use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Default of `subscription.publishRequests`.
const PUBLISHES: usize = 3;
/// How often it is looked after what does not come.
const LOOK: Duration = Duration::from_secs(1);
/// Patience with an answer that is not a Publish's.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much longer a Publish may wait than the server says it keeps it.
const SLACK: Duration = Duration::from_mins(1);
/// Refusals of Publish in a row, until the connection is made anew; where it may be over soon, rounds of all that wait, one a second.
const REFUSALS: u32 = 10;
const ROUNDS: u32 = 4;
/// Answers in a row that brought nothing, until no more are asked for than once a second.
const NOTHING: u32 = 3;
/// How often at most a subscription is made anew for what was lost of it.
const RENEW: Duration = Duration::from_secs(10);

/// What one connection's pump knows.
#[derive(Debug)]
struct Pump {
    /// Most Publish requests that the server takes at once.
    most: usize,
    publish: u64,
    refused: u32,
    /// Answers in a row that brought nothing and are no refusal.
    nothing: u32,
    /// None is sent before.
    resume: Option<Instant>,
    /// When the server spoke last.
    heard: Instant,
    renewed: Option<Instant>,
}

impl Pump {
    /// Some in a row may; who answers so for ever is not asked as fast as the line goes.
    fn brought_nothing(&mut self) {
        self.nothing += 1;
        if self.nothing > NOTHING {
            self.resume = Some(Instant::now() + LOOK);
        }
    }
}

impl Session {
    /// Until the connection is of no use any more.
    pub(super) async fn pump(&self, wire: &Wire) -> Error {
        let now = Instant::now();
        let mut pump = Pump { most: 64, publish: 0, refused: 0, nothing: 0, resume: None, heard: now, renewed: None };
        self.book().begin(); // nothing was asked for on this connection
        let why = self.pumped(wire, &mut pump).await;
        self.book().all_lost();
        why
    }
    async fn pumped(&self, wire: &Wire, pump: &mut Pump) -> Error {
        let mut asked = FuturesUnordered::new();
        let mut ended = pin!(wire.ended());
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while asked.len() < self.wanted(pump) {
                pump.publish += 1;
                asked.push(self.ask(wire, pump.publish));
            }
            let news = tokio::select! {
                why = &mut ended => return why,
                Some((publish, answer)) = asked.next(), if !asked.is_empty() => self.answered(wire, pump, publish, answer).await,
                () = self.changed.notified() => Ok(()),
                _ = look.tick() => self.look(wire, pump).await,
            };
            if let Err(error) = news {
                return error;
            }
        }
    }
    /// Publish requests that shall wait at the server.
    fn wanted(&self, pump: &mut Pump) -> usize {
        if pump.resume.is_some_and(|resume| Instant::now() < resume) {
            return 0;
        }
        pump.resume = None;
        match self.book().subscriptions.len() {
            0 => 0,
            subscriptions => {
                let set = self.settings.subscription.publish_requests.and_then(|most| usize::try_from(most).ok());
                set.unwrap_or(PUBLISHES).max(subscriptions + 1).min(pump.most)
            }
        }
    }
    /// One of them: when there is room for what it brings, for what is not asked for the server keeps.
    async fn ask(&self, wire: &Wire, number: u64) -> (u64, Result<bytes::Bytes>) {
        let sinks = self.book().sinks();
        for sink in sinks {
            sink.room().await;
        }
        let (acks, wait) = {
            let mut book = self.book();
            let slowest = book.subscriptions.values().map(|one| one.keep_alive).max().unwrap_or_default();
            let requests = u32::try_from(book.flying() + 2).unwrap_or(u32::MAX);
            (book.take_acks(number), slowest.saturating_mul(requests).saturating_add(SLACK))
        };
        (number, publish(wire, &acks, Instant::now() + wait).await)
    }

    async fn answered(&self, wire: &Wire, pump: &mut Pump, number: u64, answer: Result<bytes::Bytes>) -> Result<()> {
        let mut samples = vec![];
        let told = answer.and_then(|answer| published(&answer, wire, |sample| samples.push(sample)));
        // What cannot be decoded was answered too.
        self.book().landed(number, matches!(told, Ok(_) | Err(Error::Decode { .. })));
        match told {
            Ok(told) => {
                (pump.heard, pump.refused, pump.nothing) = (Instant::now(), 0, 0);
                self.refusal().answered();
                self.message(wire, told, samples).await
            }
            Err(error) => self.refused(wire, pump, error).await,
        }
    }
    /// A Publish that brought nothing.
    async fn refused(&self, wire: &Wire, pump: &mut Pump, error: Error) -> Result<()> {
        use SubStatusCode as S;
        let code = match error {
            Error::Refused { code, .. } if !is_of_session(code) => code,
            Error::TooLarge(_) => {
                // Fewer values fit into the next; the one that is missing is noticed by its number, and the subscription made anew.
                self.notifications.fetch_update(Relaxed, Relaxed, |most| Some((most / 2).max(1))).ok();
                self.book().begin();
                pump.brought_nothing();
                return Ok(());
            }
            // A message that is no use: the next one shows that it is missing.
            Error::Decode { .. } | Error::Silent(_) => {
                self.book().begin();
                pump.brought_nothing();
                return Ok(());
            }
            error => return Err(error),
        };
        match S::from_value(code.0 & 0xFFFF_0000) {
            Some(S::BadTimeout) => pump.brought_nothing(), // it waited as long as it was to
            Some(S::BadTooManyPublishRequests) => {
                let most = self.book().flying().max(1);
                if most < pump.most {
                    pump.most = most;
                } else {
                    pump.brought_nothing(); // as few as can be, and it takes none
                }
            }
            other => {
                if other == Some(S::BadNoSubscription) {
                    self.book().subscriptions.values_mut().for_each(|one| one.broken = true);
                }
                return self.denied(wire, pump, code).await;
            }
        }
        Ok(())
    }
    /// The service itself is refused. Not for the connection's sake, if it is so on the next one too: then all is read, and it is tried
    /// again after a while, where it may be over by then.
    async fn denied(&self, wire: &Wire, pump: &mut Pump, code: Code) -> Result<()> {
        let now = Instant::now();
        if !is_for_good(code) && pump.resume.is_some_and(|resume| now < resume) {
            return Ok(()); // all that wait at the server are refused together: that is once
        }
        pump.refused += 1;
        pump.resume = Some(now + LOOK);
        if pump.refused < if is_for_good(code) { REFUSALS } else { ROUNDS } {
            return Ok(());
        }
        if !self.refusal().refused(code, now) {
            return Err(error_of(code));
        }
        tracing::info!(endpoint = %self.settings, %code, "the server refuses to publish; its nodes are read");
        pump.refused = 0;
        // What is being subscribed at this moment too.
        let _turn = self.turn.lock().await;
        let all = self.book().handles();
        self.give_up(wire, &all, code).await;
        Ok(())
    }

    async fn message(&self, wire: &Wire, told: Published, samples: Vec<Sample>) -> Result<()> {
        let heard = self.book().heard(&told, Instant::now());
        let Some((number, step)) = heard else {
            // Of one that was given up, or that another took the place of: then it is somebody's, and never comes. One that is being made
            // at this moment is not known yet.
            if self.book().was(told.subscription) {
                self.lost.fetch_add(samples.len() as u64, Relaxed);
            }
            if let Ok(_turn) = self.turn.try_lock() {
                self.delete(wire, vec![told.subscription], Instant::now() + PATIENCE).await;
            }
            return Ok(());
        };
        match step {
            Step::Known => return Ok(()),
            Step::Alive | Step::Take => {}
            Step::Fetch { missing, lost } => {
                self.count_lost(number, u64::from(lost));
                self.fetch(wire, number, missing).await?;
                self.book().with(number, |one| one.sequence.skip_to(told.sequence));
            }
        }
        if told.data {
            self.take(wire, number, &told, samples).await;
        }
        if let Some(code) = told.status_change {
            tracing::info!(subscription = told.subscription, %code, "the server ended a subscription; it is made anew");
            self.book().with(number, |one| one.broken = true);
        }
        Ok(())
    }
    /// Hands on what a message holds.
    async fn take(&self, wire: &Wire, number: u32, told: &Published, samples: Vec<Sample>) {
        let Sorted { batches, absent, lost } = {
            let mut book = self.book();
            book.with(number, |one| one.sequence.taken(told.sequence));
            book.sort(samples)
        };
        self.lost.fetch_add(lost, Relaxed);
        for (sink, batch) in batches {
            sink.samples(&mut batch.into_iter());
        }
        if let Some((handle, left)) = told.broken {
            self.undecodable(wire, number, handle, left).await;
        }
        if !absent.is_empty() {
            self.give_up(wire, &absent, StatusCode::BadNodeIdUnknown.into()).await;
        }
    }
    /// An item whose value cannot be decoded, and with it nothing behind it in the message.
    async fn undecodable(&self, wire: &Wire, number: u32, handle: u32, left: u32) {
        for (sink, key) in self.given_up(wire, &[handle]).await {
            sink.undecodable(key);
        }
        self.count_lost(number, u64::from(left));
    }
    /// Items that are watched no longer, and whom they were for.
    pub(super) async fn give_up(&self, wire: &Wire, handles: &[u32], why: Code) {
        for (sink, key) in self.given_up(wire, handles).await {
            sink.gone(key, why);
        }
    }
    async fn given_up(&self, wire: &Wire, handles: &[u32]) -> impl Iterator<Item = (Arc<dyn Sink>, u64)> + use<> {
        let told = self.book().told(handles);
        self.take_away(wire, handles, Instant::now() + PATIENCE).await;
        told.into_iter().map(|(_, sink, key)| (sink, key))
    }
    /// Something that the server had never came. The values of now are had by making the subscription anew.
    fn count_lost(&self, number: u32, lost: u64) {
        if lost > 0 {
            self.lost.fetch_add(lost, Relaxed);
            self.book().with(number, |one| one.broken = true);
        }
    }
    /// Messages that were missed, oldest first.
    pub(super) async fn fetch(&self, wire: &Wire, number: u32, missing: Vec<u32>) -> Result<()> {
        let until = Instant::now() + PATIENCE.saturating_mul(2);
        let mut missing = missing.into_iter();
        while let Some(message) = missing.next() {
            if Instant::now() > until {
                self.count_lost(number, missing.len() as u64 + 1);
                break;
            }
            let id = self.book().subscriptions.get(&number).map(|one| one.id);
            let Some(id) = id else { return Ok(()) };
            if !self.fetch_one(wire, number, id, message).await? {
                self.count_lost(number, 1);
            }
        }
        Ok(())
    }
    /// One of them. False: the server does not have it.
    pub(super) async fn fetch_one(&self, wire: &Wire, number: u32, id: u32, message: u32) -> Result<bool> {
        let mut samples = vec![];
        match republish(wire, id, message, Instant::now() + PATIENCE, |sample| samples.push(sample)).await {
            Ok(told) => {
                self.book().with(number, |one| one.heard = Instant::now());
                self.take(wire, number, &told, samples).await;
                Ok(true)
            }
            Err(Error::Refused { code, .. }) if !is_of_session(code) => {
                if code == Code::from(StatusCode::BadSubscriptionIdInvalid) {
                    self.book().with(number, |one| one.broken = true);
                }
                Ok(false)
            }
            Err(Error::Decode { .. } | Error::TooLarge(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What does not come by itself: keep-alives, subscriptions that fell silent, and a server of which nothing is heard.
    async fn look(&self, wire: &Wire, pump: &mut Pump) -> Result<()> {
        let now = Instant::now();
        let numbers: Vec<u32> = self.book().subscriptions.keys().copied().collect();
        let mut silent = false;
        for number in numbers {
            silent |= self.look_at(number, now);
        }
        let quiet = self.intervals.keep_alive.min(Duration::from_millis(self.kept_for.load(Relaxed)) / 3);
        if silent || now.saturating_duration_since(pump.heard) >= quiet {
            self.probe(wire).await?;
            pump.heard = Instant::now();
        }
        if pump.renewed.is_none_or(|renewed| now.saturating_duration_since(renewed) >= RENEW)
            && self.renew_broken(wire, None).await?
        {
            pump.renewed = Some(now);
        }
        Ok(())
    }
    /// Tells those who are told that it is there. True: it is silent.
    fn look_at(&self, number: u32, now: Instant) -> bool {
        let mut book = self.book();
        let asks = book.flying() > 0;
        let Some(one) = book.subscriptions.get_mut(&number) else { return false };
        if !asks {
            one.heard = now; // it cannot speak
        }
        let bound = one.keep_alive.saturating_mul(if one.carried { 2 } else { 3 });
        if now.saturating_duration_since(one.heard) > bound {
            one.broken = true;
            return true;
        }
        let keys = book.keys(number);
        drop(book);
        for (sink, keys) in keys.iter() {
            sink.alive(keys);
        }
        false
    }
    /// Whether the server is there, and knows the session.
    async fn probe(&self, wire: &Wire) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        let state = NodeId::from(VariableId::Server_ServerStatus_State);
        let request = ReadRequest {
            request_header: wire.header(until),
            max_age: 0.0,
            timestamps_to_return: TimestampsToReturn::Neither,
            nodes_to_read: Some(vec![ReadValueId::new_value(state)]),
        };
        match wire.call(request, until).await {
            Err(Error::Refused { code, .. }) if !is_of_session(code) => Ok(()), // an answer too
            Err(Error::Decode { .. }) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn error_of(code: Code) -> Error {
    Error::Refused { service: "Publish", code }
}
