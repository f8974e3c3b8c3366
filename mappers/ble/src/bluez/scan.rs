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

/// Who is waited for for so long is listened for anew, once in each scan.
pub(super) const EARLY: Duration = Duration::from_millis(1500);

/// Whether we scan.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// We asked for it, and were not refused.
    ours: bool,
    /// We asked for its end since, and nothing else.
    ended: bool,
    /// When it was begun last, and whether because somebody was overheard.
    begun: Option<Instant>,
    again: bool,
    /// Since when BlueZ refuses, for it is busy.
    busy: Option<Instant>,
}

impl Scan {
    /// How long until it is looked at again. After bluetoothd was killed the kernel goes on with the scan of the dead one, for ten seconds
    /// from its beginning, and refuses another: whoever asks often has it at once. `random`: from 0 to 1.
    fn pause(&self, as_it_should: bool, now: Instant, random: f64) -> Duration {
        let busy = self.busy.is_some_and(|since| now.saturating_duration_since(since) < BUSY);
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
        if !scan.ended {
            scan.ours = false;
            if let Err(bus::Failure::Late) = self.ask_adapter("StopDiscovery", &(), until).await {
                return Err(silent());
            }
            scan.ended = true; // where it was refused there was none
        }
        Ok(paused)
    }
    fn listens(&self) -> bool {
        self.state().tree.listens()
    }
    /// Starts it where it should run and perhaps does not, and ends it where there is nobody to be heard: it takes the radio's time from the
    /// connections, and the kernel would go on with it for ten seconds if bluetoothd were killed. When it is to be looked at again.
    pub(super) async fn keep_scanning(&self) -> Result<Duration> {
        let mut scan = self.scan.lock().await;
        if !self.listens() {
            scan.busy = None;
            if scan.ours && self.stop_scan().await? {
                (scan.ours, scan.ended) = (false, true);
            }
            return Ok(scan.pause(true, Instant::now(), fastrand::f64()));
        }
        if self.connecting.load(Relaxed) == 0 {
            // Another's may end at any time, and hears by another filter. That it scans is told a little after it was asked to.
            let told = self.state().scans || scan.begun.is_some_and(|begun| begun.elapsed() < SOON);
            let runs = scan.ours && told;
            if !runs {
                self.start_scan(&mut scan).await?;
            } else if self.is_deaf() {
                self.scan_anew(&mut scan).await?;
            }
        }
        let scans = self.state().scans;
        Ok(scan.pause(scans, Instant::now(), fastrand::f64()))
    }
    /// Somebody is waited for, and was perhaps overheard. What goes wrong with it is found out where it is looked after.
    pub(super) async fn scan_again(&self, until: Instant) {
        let Ok(mut scan) = timeout_at(until, self.scan.lock()).await else { return };
        let is_first = !scan.again && scan.begun.is_some_and(|begun| begun.elapsed() >= EARLY);
        if is_first
            && scan.ours
            && self.connecting.load(Relaxed) == 0
            && self.stop_scan().await.is_ok_and(|ended| ended)
        {
            scan.ours = false;
            self.start_scan(&mut scan).await.ok();
            scan.again = true;
            self.look.notify_one(); // to be begun where it was refused
        }
    }
    /// Nothing is heard, and somebody is waited for.
    fn is_deaf(&self) -> bool {
        let state = self.state();
        state.silence.is_long(Instant::now()) && state.tree.waits()
    }
    async fn scan_anew(&self, scan: &mut Scan) -> Result<()> {
        let times = self.state().silence.broken(Instant::now(), fastrand::f64());
        if times == 1 {
            tracing::info!(adapter = %self.name, "nothing is heard any more: scanning is begun anew, now and from time to time");
        }
        // BlueZ is asked a second time, for it may have been about to begin another scan.
        for _ in 0..2 {
            if self.stop_scan().await? {
                return self.start_scan(scan).await;
            }
            self.start_scan(scan).await?;
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
    /// Whether there was one, as far as the kernel knows.
    async fn stop_scan(&self) -> Result<bool> {
        match self.ask_adapter("StopDiscovery", &(), Instant::now() + CALL).await {
            Ok(()) => Ok(true),
            Err(bus::Failure::Late) => Err(Error::Hung("StopDiscovery")),
            Err(failure) => {
                tracing::debug!(failure = failure.words(), "scanning does not stop");
                Ok(!failure.is("InProgress"))
            }
        }
    }
    async fn start_scan(&self, scan: &mut Scan) -> Result<()> {
        let until = Instant::now() + CALL;
        scan.ended = false;
        let filter = HashMap::from([("Transport", Variant::from("le")), ("DuplicateData", Variant::from(true))]);
        let asked = match self.ask_adapter("SetDiscoveryFilter", &(filter,), until).await {
            Ok(()) => self.ask_adapter("StartDiscovery", &(), until).await,
            refused => refused,
        };
        let busy = asked.as_ref().is_err_and(|failure| failure.is("InProgress"));
        scan.ours = asked.is_ok() || (scan.ours && busy); // refused where it runs already
        (scan.begun, scan.again) = (Some(Instant::now()), false);
        scan.busy = (busy && !scan.ours).then(|| scan.busy.unwrap_or_else(Instant::now));
        if scan.ours {
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
