//! Scanning. BlueZ scans for each of its clients by a filter of its own, and tells all of them what it hears for any.
use super::{
    Adapter,
    adapter::CALL,
    bus, names,
    run::{PULSE, SOON},
};
use crate::error::{Error, Result};
use pollux_mapper::Instant;
use std::{collections::HashMap, sync::atomic::Ordering::Relaxed, time::Duration};
use tokio::time::{sleep, timeout_at};
use zbus::Variant;

/// So soon it is tried again where BlueZ is busy, and for so long.
const EAGER: Duration = Duration::from_millis(100);
const BUSY: Duration = Duration::from_secs(15);
/// So often it is asked to end a scan before a connection is made all the same.
const PATIENCE: u32 = 5;

/// Who is waited for for so long is listened for anew, once in each scan.
pub(super) const EARLY: Duration = Duration::from_millis(1500);

/// Whether BlueZ scans for us, by what it answered.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Ours {
    #[default]
    No,
    /// It was asked for, and refused that or did not answer; or its end was asked for, and it did not answer.
    Perhaps,
    Yes,
}

/// How BlueZ took it that a scan was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Begun,
    /// It does something else, or it runs already.
    Busy,
    Other,
}

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Do {
    Nothing,
    Begin,
    End,
    /// It runs, as far as BlueZ knows, and nobody is heard.
    Anew,
}

/// What it depends on beside.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is seen by itself")]
struct Sight {
    /// Somebody is to be heard.
    listens: bool,
    /// A connection is being made.
    connects: bool,
    /// BlueZ says that it scans, for whomever.
    scans: bool,
    /// Nothing is heard, and somebody is waited for.
    deaf: bool,
}

/// What is known of our scan, and what is to be done about it. Pure.
#[derive(Debug, Default)]
pub(super) struct Scan {
    ours: Ours,
    /// When it was begun last.
    begun: Option<Instant>,
    /// This one was begun because somebody may have been overheard.
    again: bool,
    /// Since when BlueZ refuses, for it is busy.
    busy: Option<Instant>,
}

impl Scan {
    fn what(&self, sight: Sight, now: Instant) -> Do {
        // That it scans is told a little after it was asked to.
        let told = sight.scans || self.begun.is_some_and(|begun| now.saturating_duration_since(begun) < SOON);
        match self.ours {
            // It takes the radio's time from the connections, and the kernel would go on with it for ten seconds if bluetoothd were killed.
            Ours::Perhaps | Ours::Yes if !sight.listens => Do::End,
            // Refused for so long because it runs, perhaps: then it is begun anew.
            Ours::Perhaps if sight.scans && !sight.connects && self.is_busy_for_long(now) => Do::End,
            _ if !sight.listens || sight.connects => Do::Nothing,
            Ours::Yes if told && sight.deaf => Do::Anew,
            Ours::Yes if told => Do::Nothing,
            // Another's may end at any time, and hears by another filter.
            _ => Do::Begin,
        }
    }
    /// Somebody is waited for, and was perhaps overheard while this scan was being begun.
    fn may_begin_again(&self, connects: bool, now: Instant) -> bool {
        let age = self.begun.map_or(Duration::ZERO, |begun| now.saturating_duration_since(begun));
        self.ours == Ours::Yes && !self.again && !connects && age >= EARLY
    }
    /// Its beginning was asked for.
    fn answered(&mut self, answer: Answer, now: Instant) {
        let ran = self.ours == Ours::Yes;
        self.ours = match answer {
            Answer::Begun => Ours::Yes,
            Answer::Busy if ran => Ours::Yes, // refused because it runs
            Answer::Busy | Answer::Other => Ours::Perhaps,
        };
        self.again &= !(ran && answer == Answer::Begun); // it had ended by itself: this one is another
        self.begun = Some(now);
        self.busy = (answer == Answer::Busy && !ran).then(|| self.busy.unwrap_or(now));
    }
    /// There is none any more.
    fn ended(&mut self) {
        (self.ours, self.again, self.busy) = (Ours::No, false, None);
    }
    fn is_busy_for_long(&self, now: Instant) -> bool {
        self.busy.is_some_and(|since| now.saturating_duration_since(since) >= BUSY)
    }
    /// How long until it is looked at again. After bluetoothd was killed the kernel goes on with the scan of the dead one, for ten seconds
    /// from its beginning, and refuses another: whoever asks often has it at once. `random`: from 0 to 1.
    fn pause(&self, as_it_should: bool, now: Instant, random: f64) -> Duration {
        let busy = self.busy.is_some() && !self.is_busy_for_long(now);
        match (as_it_should, busy) {
            (true, _) => PULSE,
            (false, true) => EAGER.mul_f64(0.75 + 0.5 * random),
            (false, false) => SOON,
        }
    }
}

/// We do not scan for as long as there is one of it.
#[derive(Debug)]
pub(super) struct Paused<'a>(&'a Adapter);

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        if self.0.connecting.fetch_sub(1, Relaxed) == 1 {
            self.0.look.notify_one(); // it is begun again there
        }
    }
}

impl Adapter {
    /// As long as what it gives is kept. It is not waited for longer than there is time to connect.
    pub(super) async fn pause_scan(&self, until: Instant) -> Result<Paused<'_>> {
        self.connecting.fetch_add(1, Relaxed);
        let paused = Paused(self);
        let silent = || Error::Silent("StopDiscovery"); // of this device, for there may have been no time left; the pulse tells the rest
        let mut scan = timeout_at(until, self.scan.lock()).await.map_err(|_| silent())?;
        for _ in 0..PATIENCE {
            if scan.ours == Ours::No || self.stop_scan(&mut scan, until).await.map_err(|_| silent())? {
                break;
            }
            sleep(EAGER).await; // it is about to begin or to end one; or it has lost it, and does not scan
        }
        Ok(paused)
    }
    fn sight(&self) -> Sight {
        let state = self.state();
        Sight {
            listens: state.tree.listens(),
            connects: self.connecting.load(Relaxed) > 0,
            scans: state.scans,
            deaf: state.silence.is_long(Instant::now()) && state.tree.waits(),
        }
    }
    /// Starts it where it should run and perhaps does not, and ends it where there is nobody to be heard. When it is to be looked at again.
    pub(super) async fn keep_scanning(&self) -> Result<Duration> {
        let mut scan = self.scan.lock().await;
        let sight = self.sight();
        match scan.what(sight, Instant::now()) {
            Do::Nothing => {}
            Do::Begin => self.start_scan(&mut scan).await?,
            Do::End => drop(self.stop_scan(&mut scan, Instant::now() + CALL).await?),
            Do::Anew => self.scan_anew(&mut scan).await?,
        }
        let as_it_should = if sight.listens { self.state().scans } else { scan.ours == Ours::No };
        Ok(scan.pause(as_it_should, Instant::now(), fastrand::f64()))
    }
    /// Somebody is waited for, and was perhaps overheard. What goes wrong with it is found out where it is looked after.
    pub(super) async fn scan_again(&self, until: Instant) {
        let Ok(mut scan) = timeout_at(until, self.scan.lock()).await else { return };
        let may = scan.may_begin_again(self.sight().connects, Instant::now());
        if may && self.stop_scan(&mut scan, until.min(Instant::now() + CALL)).await.is_ok_and(|ended| ended) {
            scan.again = true;
            self.look.notify_one(); // it is begun there: that takes its time, and has to be known how it ended
        }
    }
    async fn scan_anew(&self, scan: &mut Scan) -> Result<()> {
        let times = self.state().silence.broken(Instant::now(), fastrand::f64());
        if times == 1 {
            tracing::info!(adapter = %self.name, "nothing is heard any more: scanning is begun anew, now and from time to time");
        }
        // BlueZ is asked a second time, for it may have been about to begin another scan.
        for _ in 0..2 {
            let ended = self.stop_scan(scan, Instant::now() + CALL).await?;
            self.start_scan(scan).await?;
            if ended {
                return Ok(());
            }
            sleep(SOON).await;
        }
        self.is_lost();
        Ok(())
    }
    /// What the kernel tells bluetoothd waits in a socket, and is dropped where that is full: that its scan has ended, too. Then it begins
    /// none any more, for nobody, whoever asks and whatever becomes of the adapter's power, until it is started again: that can only be said.
    fn is_lost(&self) {
        let known = std::mem::replace(&mut self.state().tree.deaf, true);
        if !known {
            tracing::warn!(adapter = %self.name,
                "bluetoothd believes that it scans, and does not: nobody is heard until it is started again (systemctl restart bluetooth)");
        }
    }
    /// Whether there is none any more, as far as BlueZ knows.
    async fn stop_scan(&self, scan: &mut Scan, until: Instant) -> Result<bool> {
        let before = std::mem::replace(&mut scan.ours, Ours::Perhaps); // whether or not its answer is waited for
        match self.ask_adapter("StopDiscovery", &(), until).await {
            Err(bus::Failure::Late) => return Err(Error::Hung("StopDiscovery")),
            Err(failure) if failure.is("InProgress") => {
                tracing::debug!("scanning does not stop: BlueZ is busy");
                scan.ours = before;
                return Ok(false);
            }
            Err(failure) => tracing::debug!(failure = failure.words(), "there was no scan to be stopped"),
            Ok(()) => {}
        }
        scan.ended();
        Ok(true)
    }
    /// Only where it is looked after: one that was asked for and has not answered would be taken for another's.
    async fn start_scan(&self, scan: &mut Scan) -> Result<()> {
        let until = Instant::now() + CALL;
        if scan.ours == Ours::No {
            scan.ours = Ours::Perhaps; // whether or not its answer is waited for
        }
        let filter = HashMap::from([("Transport", Variant::from("le")), ("DuplicateData", Variant::from(true))]);
        let asked = match self.ask_adapter("SetDiscoveryFilter", &(filter,), until).await {
            Ok(()) => self.ask_adapter("StartDiscovery", &(), until).await,
            refused => refused,
        };
        let answer = match &asked {
            Ok(()) => Answer::Begun,
            Err(failure) if failure.is("InProgress") => Answer::Busy,
            Err(_) => Answer::Other,
        };
        scan.answered(answer, Instant::now());
        if scan.ours == Ours::Yes {
            self.state().silence.begins(Instant::now());
        }
        match asked {
            Ok(()) => Ok(()),
            Err(failure) if failure.is("InProgress") => Ok(()), // ours runs, or BlueZ is busy: that it scans is told by itself
            Err(bus::Failure::Late) => Err(Error::Hung("StartDiscovery")),
            Err(failure) if failure.is("NotReady") => {
                Err(Error::NoAdapter(format!("adapter {} is powered off", self.name)))
            }
            Err(failure) => Err(Error::Stack(format!("cannot scan: {}", failure.words()))),
        }
    }
    async fn ask_adapter<B>(&self, member: &str, body: &B, until: Instant) -> std::result::Result<(), bus::Failure>
    where
        B: serde::Serialize + zbus::DynamicType + Sync,
    {
        let whom = (names::BLUEZ, &*names::adapter(&self.name), names::ADAPTER, member);
        bus::ask(&self.bus, whom, body, until).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Sight = Sight { listens: true, connects: false, scans: true, deaf: false };

    fn scan(ours: Ours) -> Scan {
        Scan { ours, ..Scan::default() }
    }

    #[test]
    fn it_is_scanned_while_somebody_is_to_be_heard_and_no_connection_is_made() {
        use Do::{Anew, Begin, End, Nothing};
        let now = Instant::now();
        let silent = Sight { scans: false, ..ALL };
        let alone = Sight { listens: false, ..ALL };
        let connects = Sight { connects: true, ..ALL };
        let deaf = Sight { deaf: true, ..ALL };
        // By whether it is ours: no, perhaps, yes.
        for (sight, what) in [
            (ALL, [Begin, Begin, Nothing]), // scanned for somebody else may be what is told
            (silent, [Begin, Begin, Begin]),
            (alone, [Nothing, End, End]),
            (connects, [Nothing, Nothing, Nothing]),
            (Sight { scans: false, ..connects }, [Nothing, Nothing, Nothing]),
            (Sight { connects: true, ..alone }, [Nothing, End, End]),
            (deaf, [Begin, Begin, Anew]),
            (Sight { connects: true, ..deaf }, [Nothing, Nothing, Nothing]),
        ] {
            let found = [Ours::No, Ours::Perhaps, Ours::Yes].map(|ours| scan(ours).what(sight, now));
            assert_eq!(found, what, "{sight:?}");
        }
        let just = Scan { begun: Some(now), ..scan(Ours::Yes) };
        assert_eq!(just.what(silent, now), Nothing, "that it scans is told a little later");
        assert_eq!(just.what(silent, now + SOON), Begin);
        let refused = Scan { busy: Some(now), ..scan(Ours::Perhaps) };
        let whats =
            [ALL, silent, connects].map(|sight| [0, 15].map(|s| refused.what(sight, now + Duration::from_secs(s))));
        assert_eq!(whats, [[Begin, End], [Begin, Begin], [Nothing, Nothing]], "it may be ours that runs");
    }

    #[test]
    fn what_bluez_answers_tells_whose_scan_it_is() {
        let now = Instant::now();
        for (before, answer, after) in [
            (Ours::No, Answer::Begun, Ours::Yes),
            (Ours::Perhaps, Answer::Begun, Ours::Yes),
            (Ours::No, Answer::Busy, Ours::Perhaps),
            (Ours::Perhaps, Answer::Busy, Ours::Perhaps),
            (Ours::Yes, Answer::Busy, Ours::Yes), // refused because it runs: it is not another's for that
            (Ours::Yes, Answer::Other, Ours::Perhaps),
        ] {
            let mut scan = scan(before);
            scan.answered(answer, now);
            assert_eq!(scan.ours, after, "{before:?} {answer:?}");
            assert_eq!(scan.busy.is_some(), answer == Answer::Busy && after != Ours::Yes, "{before:?} {answer:?}");
        }
    }

    #[test]
    fn who_was_overheard_is_listened_for_anew_once_in_each_scan() {
        let (now, mut scan) = (Instant::now(), scan(Ours::No));
        let may = |scan: &Scan, after| scan.may_begin_again(false, now + after);
        assert!(!may(&scan, EARLY), "there is none");
        scan.answered(Answer::Begun, now);
        assert!(!may(&scan, EARLY / 2), "it was begun just now");
        assert!(may(&scan, EARLY) && !scan.may_begin_again(true, now + EARLY));
        // As it is done then, and refused at first.
        scan.ended();
        scan.again = true;
        scan.answered(Answer::Busy, now);
        assert!(!may(&scan, EARLY), "it does not run");
        scan.answered(Answer::Begun, now);
        assert!(!may(&scan, 10 * EARLY), "once");
        scan.answered(Answer::Busy, now);
        assert!(!may(&scan, 10 * EARLY), "it is the same one");
        scan.answered(Answer::Begun, now);
        assert!(may(&scan, EARLY), "the one before had ended by itself");
        scan.again = true;
        scan.ended();
        scan.answered(Answer::Begun, now);
        assert!(may(&scan, EARLY), "another one");
    }

    #[test]
    fn a_bluez_that_is_busy_is_asked_often_and_not_for_ever() {
        let (now, mut scan) = (Instant::now(), Scan::default());
        let after = |scan: &Scan, seconds| scan.pause(false, now + Duration::from_secs(seconds), 0.5);
        assert_eq!(after(&scan, 0), SOON);
        scan.busy = Some(now);
        assert_eq!((after(&scan, 0), after(&scan, 14), after(&scan, 15)), (EAGER, EAGER, SOON));
        assert_eq!(scan.pause(true, now, 0.5), PULSE);
        let all = [0.0, 1.0].map(|random| scan.pause(false, now, random));
        assert_eq!(all, [EAGER * 3 / 4, EAGER * 5 / 4], "not all adapters of a plant in step");
    }
}
