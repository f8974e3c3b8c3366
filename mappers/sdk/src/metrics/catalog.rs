//! Every metric of a mapper, stated once.

/// What kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows, from 0 at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
}

impl MetricKind {
    /// As Prometheus names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// What is to be known of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricDoc {
    /// As Prometheus shows it, ending included. Names of durations end in `_seconds`, of sizes in `_bytes`.
    pub name: &'static str,
    /// Counter or gauge.
    pub kind: MetricKind,
    /// One sentence.
    pub help: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
}

/// Every metric, as documentation lists them.
pub fn catalog() -> Vec<MetricDoc> {
    CATALOG.iter().map(|doc| **doc).collect()
}

macro_rules! metrics {
    ($($id:ident $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $id: &MetricDoc =
                &MetricDoc { name: $name, kind: MetricKind::$kind, help: $help, labels: &[$($label),*] };
        )*
        /// Every metric of a mapper.
        pub const CATALOG: &[&MetricDoc] = &[$($id),*];
    };
}

metrics! {
    BUILD Gauge "pollux_mapper_build_info" ["version"] "Always 1; the version of the mapper.";
    UPTIME Gauge "pollux_mapper_uptime_seconds" [] "Time since the process started.";
    RSS Gauge "process_resident_memory_bytes" [] "Resident memory of the process.";

    DEVICES Gauge "pollux_devices" [] "Devices that this mapper drives.";
    DEVICE_CONNECTED Gauge "pollux_device_connected" ["namespace", "device"] "1: the device answers; 0: it does not, or that is not known.";
    DEVICE_HEALTHY Gauge "pollux_device_healthy" ["namespace", "device"] "1: every property is Good; 0: some is not, or that is not known.";
    DEVICE_IN_SYNC Gauge "pollux_device_in_sync" ["namespace", "device"] "1: every desired value is confirmed; 0: some is not, or that is not known.";
    DEVICE_PENDING Gauge "pollux_device_pending" ["namespace", "device"] "Desired values that are not confirmed yet.";
    DEVICE_NOT_GOOD Gauge "pollux_device_properties_not_good" ["namespace", "device"] "Properties whose quality is Uncertain or Bad.";
    CHANNEL_CONNECTED Gauge "pollux_channel_connected" ["namespace", "channel"] "1: the link of the Channel is open on this node.";

    DEVICE_ANSWERED Counter "pollux_device_exchanges_answered_total" ["endpoint", "namespace", "device"] "Requests that the device answered, with yes or no.";
    DEVICE_REFUSED Counter "pollux_device_exchanges_refused_total" ["endpoint", "namespace", "device"] "Requests that the device answered with no.";
    DEVICE_FAILED Counter "pollux_device_exchanges_failed_total" ["endpoint", "namespace", "device", "kind"] "Requests that the device did not answer, by kind of failure: Config, Unreachable, Timeout, Protocol, Denied, NoAdapter, Other.";
    DEVICE_MISSED Counter "pollux_device_cycles_missed_total" ["endpoint", "namespace", "device"] "Poll cycles skipped because the one before was not done.";
    DEVICE_WRITES Counter "pollux_device_writes_total" ["endpoint", "namespace", "device", "result"] "Values written, by result: done, refused, not_sent, unknown.";

    DEVICE_TURNS Counter "pollux_device_slot_turns_total" ["endpoint", "namespace", "device"] "Times that the device was given a slot of its link (a connection of a radio); absent on links that have none.";
    DEVICE_WAITED Counter "pollux_device_slot_wait_seconds_total" ["endpoint", "namespace", "device"] "Time that the device waited for these slots.";

    ENDPOINT_CONNECTS Counter "pollux_endpoint_connects_total" ["endpoint"] "Links opened.";
    ENDPOINT_CONNECT_FAILURES Counter "pollux_endpoint_connect_failures_total" ["endpoint"] "Attempts to open a link that failed.";
    ENDPOINT_LOST Counter "pollux_endpoint_links_lost_total" ["endpoint"] "Links lost.";
    ENDPOINT_ANSWERED Counter "pollux_endpoint_exchanges_answered_total" ["endpoint"] "Requests answered, of all devices, removed ones too.";
    ENDPOINT_REFUSED Counter "pollux_endpoint_exchanges_refused_total" ["endpoint"] "Of these, the ones answered with no.";
    ENDPOINT_FAILED Counter "pollux_endpoint_exchanges_failed_total" ["endpoint", "kind"] "Requests not answered, of all devices, by kind of failure; Timeout: nothing came in time.";
    ENDPOINT_HEALED Counter "pollux_endpoint_healed_total" ["endpoint"] "Connections that were mended with their session and subscriptions.";
    ENDPOINT_SAMPLES_LOST Counter "pollux_endpoint_samples_lost_total" ["endpoint"] "Samples that the server had and that never came: gaps in its numbering, and full queues there.";
    ENDPOINT_LATE Counter "pollux_endpoint_late_answers_total" ["endpoint"] "Answers that came after their request was given up: a timeout is too short.";
    ENDPOINT_MISSED Counter "pollux_endpoint_cycles_missed_total" ["endpoint"] "Poll cycles skipped, of all devices, because the one before was not done.";
    ENDPOINT_UTILISATION Gauge "pollux_endpoint_utilisation" ["endpoint"] "Part of the link's time that its polled devices ask for, as their requests are timed; over 0.8 is too much, over 1 cannot be done.";
    ENDPOINT_BUSY Counter "pollux_endpoint_busy_seconds_total" ["endpoint"] "Time with a request under way: its rate is the part of the time that the link is really used.";
    ENDPOINT_PUSHES Counter "pollux_endpoint_pushes_total" ["endpoint"] "Values that came without being polled and were taken in: notifications, samples of subscriptions, what was read of advertisements.";
    ENDPOINT_LOST_PUSHES Counter "pollux_endpoint_pushes_lost_total" ["endpoint"] "Pushed values that were not taken because the mapper was behind; events too that were not told for that, or because their property was edited meanwhile.";
    ENDPOINT_WAITING Gauge "pollux_endpoint_writes_waiting" ["endpoint"] "Writes and commands that wait for their turn.";
    ENDPOINT_IN_FLIGHT Gauge "pollux_endpoint_exchanges_in_flight" ["endpoint"] "Requests under way.";
    ENDPOINT_SLOTS Gauge "pollux_endpoint_slots" ["endpoint"] "Devices that the link connects to at once, as configured or learned; where connections are few.";
    ENDPOINT_SLOTS_USED Gauge "pollux_endpoint_slots_used" ["endpoint"] "Of these, the ones in use, those that are being made or ended too.";
    ENDPOINT_TURNS Counter "pollux_endpoint_slot_turns_total" ["endpoint"] "Times that a device was given one of them.";
    ENDPOINT_WAITED Counter "pollux_endpoint_slot_wait_seconds_total" ["endpoint"] "Time that devices waited for them: its rate by that of the turns is the mean wait.";
    ENDPOINT_POINTS Gauge "pollux_endpoint_points" ["endpoint"] "Rows of points held, in use or free.";

    STATUS_WRITES Counter "pollux_status_writes_total" ["result"] "Writes of Device status to the API server, by result: ok, busy, unreachable, forbidden, not_found, invalid.";
    STATUS_WAITING Gauge "pollux_status_waiting" [] "Devices whose newest state is not on the API server yet.";
    STATUS_WAITING_AGE Gauge "pollux_status_waiting_age_seconds" [] "How long the oldest of them waits.";

    SOURCE_CONTACT_AGE Gauge "pollux_source_contact_age_seconds" [] "Time since the API server last told about a slice; absent before it first did.";
    SOURCE_CONFIG_AGE Gauge "pollux_source_config_age_seconds" [] "Time since the configuration last changed; absent while there is none.";
    SOURCE_RESTARTS Counter "pollux_source_watch_restarts_total" [] "Watches of slices that ended, in order or not; one in five minutes and chunk is in order.";
    SOURCE_TOKENS Counter "pollux_source_tokens_total" [] "Tokens obtained for reading slices.";
    SOURCE_REFUSED Gauge "pollux_source_entries_refused" [] "Entries of the slices that cannot be driven as they stand; the ones before them stay in force.";
    SOURCE_MISSING Gauge "pollux_source_revisions_missing" [] "Revisions that the slices name and the API server has not given yet.";
}
