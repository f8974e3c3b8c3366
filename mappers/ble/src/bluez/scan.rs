//! Scanning. BlueZ scans for each of its clients by a filter of its own, and tells all of them what it hears for any.
use super::{Adapter, adapter::CALL, bus, names};
use crate::error::{Error, Result};
use pollux_mapper::Instant;
use std::collections::HashMap;
use tokio::time::timeout_at;
use zbus::Variant;

/// Whether we scan.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Connections that are being made. The kernel makes none before a scan ends, ten seconds later.
    connecting: usize,
    /// We asked for it, and were not refused.
    ours: bool,
}

impl Adapter {
    /// Until `resume_scan`. It is not waited for longer than there is time to connect.
    pub(super) async fn pause_scan(&self, until: Instant) -> Result<()> {
        let Ok(mut scan) = timeout_at(until, self.scan.lock()).await else {
            return Err(Error::Silent("StopDiscovery"));
        };
        scan.connecting += 1;
        scan.ours = false;
        if scan.connecting > 1 {
            return Ok(());
        }
        match self.ask_adapter("StopDiscovery", &(), until).await {
            Err(bus::Failure::Late) => {
                scan.connecting -= 1;
                self.look.notify_one(); // to be started again, if it ended after all
                Err(Error::Silent("StopDiscovery")) // of this device, for there may have been no time left; the pulse tells the rest
            }
            _ => Ok(()), // refused: there was none
        }
    }
    pub(super) async fn resume_scan(&self) -> Result<()> {
        let mut scan = self.scan.lock().await; // each who holds it waits for one call
        scan.connecting = scan.connecting.saturating_sub(1);
        if scan.connecting == 0 { self.start_scan(&mut scan).await } else { Ok(()) }
    }
    /// Starts it where it should run, and perhaps does not.
    pub(super) async fn keep_scanning(&self) -> Result<()> {
        let mut scan = self.scan.lock().await;
        let runs = scan.ours && self.state().scans; // another's may end at any time, and hears by another filter
        if scan.connecting == 0 && !runs { self.start_scan(&mut scan).await } else { Ok(()) }
    }
    async fn start_scan(&self, scan: &mut Scan) -> Result<()> {
        let until = Instant::now() + CALL;
        let filter = HashMap::from([("Transport", Variant::from("le")), ("DuplicateData", Variant::from(true))]);
        let asked = match self.ask_adapter("SetDiscoveryFilter", &(filter,), until).await {
            Ok(()) => self.ask_adapter("StartDiscovery", &(), until).await,
            refused => refused,
        };
        scan.ours = asked.is_ok();
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
