//! Mending a broken connection: the steps that `recover` decides on.
use super::{
    About, FAREWELL, Line, Session,
    book::same,
    create::close,
    is_of_session, millis,
    recover::{Event, Recovery, Step},
};
use crate::{
    error::{Error, Result},
    wire::Wire,
};
use opcua::types::TransferSubscriptionsRequest;
use std::sync::{
    Arc,
    atomic::Ordering::{Relaxed, Release},
};
use tokio::time::{Instant, sleep};

/// Messages that are fetched of one subscription after a break: what a server keeps is far less.
const MOST: u32 = 10_000;

/// Where a mending stands.
struct Mending {
    recovery: Recovery,
    /// The channel that broke, whose types the next one takes over.
    old: Option<Arc<Wire>>,
    /// The one that is there by now.
    wire: Option<Arc<Wire>>,
    /// Why it is not mended yet.
    why: Error,
}

impl Session {
    /// Until it is mended, or cannot be within `healWithin`.
    pub(super) async fn heal(&self, why: Error) -> Result<()> {
        tracing::info!(endpoint = %self.settings, %why, "the connection broke; it is mended");
        let now = Instant::now();
        let alive = !matches!(&why, Error::Refused { code, .. } if is_of_session(*code));
        let recovery = Recovery::new(now, self.intervals.heal, alive);
        let mut step = recovery.first(now);
        let mut mending = Mending { recovery, old: self.down(&why), wire: None, why };
        let mut told = self.book().sinks();
        for sink in &told {
            sink.healing(&mending.why.to_string());
        }
        loop {
            let event = match step {
                Step::GiveUp => return Err(mending.why),
                Step::Done { kept } => {
                    self.healed.fetch_add(1, Relaxed);
                    tracing::info!(endpoint = %self.settings, kept, "the connection is mended");
                    for sink in &told {
                        sink.healed(kept);
                    }
                    return Ok(());
                }
                Step::Forget => {
                    // Whoever lost his last item meanwhile waits for a word too.
                    for sink in self.book().clear() {
                        if !told.iter().any(|known| same(known, &sink)) {
                            told.push(sink);
                        }
                    }
                    Event::Forgotten
                }
                step => self.step(&mut mending, step).await,
            };
            if let Event::Failed(error) | Event::NotFound(error) = &event {
                tracing::debug!(endpoint = %self.settings, %error, "not mended yet");
                mending.why = error.clone();
                mending.wire = None;
                self.down(error);
            }
            if let Event::Refused(code) = &event {
                tracing::debug!(endpoint = %self.settings, %code, "the server does not know it any more");
            }
            step = mending.recovery.next(&event, Instant::now(), fastrand::f64());
        }
    }
    /// Nobody uses it any more; who waits for an answer on it waits no longer.
    fn down(&self, why: &Error) -> Option<Arc<Wire>> {
        match self.line.send_replace(Line::Down(why.clone())) {
            Line::Up(wire) => {
                wire.end();
                self.late.fetch_add(wire.late(), Relaxed);
                Some(wire)
            }
            Line::Down(_) => None,
        }
    }
    async fn step(&self, mending: &mut Mending, step: Step) -> Event {
        if let Step::Dial(pause) | Step::Search(pause) = step {
            sleep(pause).await;
        }
        let until = mending.recovery.until(Instant::now() + self.settings.connect_timeout.duration());
        match step {
            Step::Search(_) => self.door.find(until).await.map_or_else(Event::NotFound, |()| Event::Found),
            Step::Dial(_) => match self.door.channel(until).await {
                Ok(wire) => {
                    mending.wire = Some(Arc::new(wire));
                    Event::Opened
                }
                Err(error) => Event::Failed(self.said(error)),
            },
            step => {
                let Some(wire) = mending.wire.clone() else {
                    return Event::Failed(Error::Closed("no channel".to_owned()));
                };
                match step {
                    Step::Catch => self.catch(&wire, mending.recovery.end()).await,
                    Step::Renew => self.renew_broken(&wire, Some(mending.recovery.end())).await.map(|_| Event::Renewed),
                    step => self.step_on(mending.old.as_deref(), &wire, step, until).await,
                }
                .unwrap_or_else(Event::Failed)
            }
        }
    }
    async fn step_on(&self, old: Option<&Wire>, wire: &Arc<Wire>, step: Step, until: Instant) -> Result<Event> {
        match step {
            Step::Activate => match self.door.activate(wire, &mut *self.created.lock().await, until).await {
                Ok(()) => {
                    let map = self.about.read().namespaces.map();
                    *wire.context().write().namespaces_mut() = map;
                    self.up(old, wire);
                    Ok(Event::Activated)
                }
                Err(Error::Refused { code, .. }) => Ok(Event::Refused(code)),
                Err(error) => Err(error),
            },
            Step::Create => self.create(old, wire, until).await,
            _ => self.carry(wire, until).await,
        }
    }
    /// From here on it is used. `old`: whose types are still so.
    fn up(&self, old: Option<&Wire>, wire: &Arc<Wire>) {
        if let Some(old) = old {
            let loaders = old.context().write().loaders_mut().clone();
            *wire.context().write().loaders_mut() = loaders;
        }
        self.line.send_replace(Line::Up(wire.clone()));
    }
    /// In words, where the server says that it is a matter of trust. One that hangs up is a server that is just starting, or what stands in
    /// front of it: it took us before.
    fn said(&self, error: Error) -> Error {
        if matches!(error, Error::Closed(_)) { error } else { self.door.in_words(error) }
    }
    /// Another session, and whether the server is the same as before.
    async fn create(&self, old: Option<&Wire>, wire: &Arc<Wire>, until: Instant) -> Result<Event> {
        let created = self.door.session(wire, until).await.map_err(|error| self.said(error))?;
        self.kept_for.store(millis(created.timeout), Relaxed);
        *self.created.lock().await = created;
        let about = match About::ask(wire, &self.limits, until).await {
            Ok(about) => about,
            Err(error) => {
                // The next try creates another, and a server has few.
                close(wire, false, Instant::now() + FAREWELL).await;
                return Err(error);
            }
        };
        *wire.context().write().namespaces_mut() = about.namespaces.map();
        let same = {
            let mut known = self.about.write();
            let same =
                about.started.is_some() && about.started == known.started && about.namespaces == known.namespaces;
            *known = about;
            same
        };
        let [session, server] = &self.epochs;
        session.fetch_add(1, Release);
        if !same {
            self.refusal().another();
            server.fetch_add(1, Release);
        }
        self.up(old.filter(|_| same), wire);
        Ok(Event::Created { same })
    }
    /// Subscriptions of the session before, for the one that is there now. What the server does not give is made anew.
    async fn carry(&self, wire: &Wire, until: Instant) -> Result<Event> {
        let all: Vec<(u32, u32)> = self.book().subscriptions.iter().map(|(number, one)| (*number, one.id)).collect();
        if all.is_empty() {
            return Ok(Event::Carried);
        }
        let request = TransferSubscriptionsRequest {
            request_header: wire.header(until),
            subscription_ids: Some(all.iter().map(|(_, id)| *id).collect()),
            send_initial_values: false, // what was missed is fetched
        };
        let results = match wire.call(request, until).await {
            Ok(answer) => answer.results.unwrap_or_default(),
            Err(Error::Refused { code, .. }) if !is_of_session(code) => vec![],
            Err(Error::Decode { .. }) => vec![],
            Err(error) => return Err(error),
        };
        let (mut book, now) = (self.book(), Instant::now());
        for (at, (number, _)) in all.iter().enumerate() {
            let given = results.get(at).is_some_and(|result| result.status_code.is_good());
            book.with(*number, |one| (one.carried, one.broken, one.heard) = (given, one.broken || !given, now));
        }
        Ok(Event::Carried)
    }
    /// What the server sent into the broken channel, before anything newer comes. What does not come by then is had by making the
    /// subscription anew.
    async fn catch(&self, wire: &Wire, end: Instant) -> Result<Event> {
        let numbers: Vec<u32> = self.book().subscriptions.keys().copied().collect();
        for number in numbers {
            for _ in 0..MOST {
                if Instant::now() >= end {
                    self.book().with(number, |one| one.broken = true);
                    break;
                }
                let next = self
                    .book()
                    .subscriptions
                    .get(&number)
                    .filter(|one| !one.broken)
                    .map(|one| (one.id, one.sequence.next()));
                let Some((id, next)) = next else { break };
                if !self.fetch_one(wire, number, id, next).await? {
                    break;
                }
            }
            self.book().with(number, |one| one.heard = Instant::now());
        }
        Ok(Event::Caught)
    }
}
