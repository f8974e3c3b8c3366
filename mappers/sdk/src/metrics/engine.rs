//! Endpoints and devices, as the engines count them.
use super::{MetricsSource, Sheet, catalog};
use crate::{
    Counter, Counters, ErrorKind,
    runtime::{EngineStats, Engines},
};

impl MetricsSource for Engines {
    fn collect(&self, sheet: &mut Sheet) {
        for (endpoint, engine) in self.all() {
            of_endpoint(sheet, &endpoint, &engine);
            for (key, counters) in engine.stats.devices() {
                if let Some((namespace, name)) = engine.devices.get(&key).and_then(|device| device.split_once('/')) {
                    let labels = [&*endpoint, namespace, name];
                    of_device(sheet, labels, &counters);
                }
            }
        }
    }
}

fn of_endpoint(sheet: &mut Sheet, endpoint: &str, engine: &EngineStats) {
    let stats = &engine.stats;
    for (doc, counter) in [
        (catalog::ENDPOINT_CONNECTS, &stats.connects),
        (catalog::ENDPOINT_CONNECT_FAILURES, &stats.connect_failures),
        (catalog::ENDPOINT_LOST, &stats.links_lost),
        (catalog::ENDPOINT_ANSWERED, &stats.total.answered),
        (catalog::ENDPOINT_REFUSED, &stats.total.refused),
        (catalog::ENDPOINT_MISSED, &stats.total.missed),
        (catalog::ENDPOINT_LATE, &stats.late_answers),
        (catalog::ENDPOINT_HEALED, &stats.healed),
        (catalog::ENDPOINT_SAMPLES_LOST, &stats.samples_lost),
        (catalog::ENDPOINT_PUSHES, &stats.pushes),
        (catalog::ENDPOINT_LOST_PUSHES, &stats.lost_pushes),
        (catalog::ENDPOINT_WAITING, &stats.waiting_writes),
        (catalog::ENDPOINT_IN_FLIGHT, &stats.in_flight),
        (catalog::ENDPOINT_POINTS, &stats.rows),
    ] {
        sheet.count(doc, &[endpoint], counter.get());
    }
    for kind in ErrorKind::ALL {
        let failed = stats.total.failed(kind);
        if failed > 0 {
            sheet.count(catalog::ENDPOINT_FAILED, &[endpoint, kind.as_str()], failed);
        }
    }
    if stats.slots.get() > 0 {
        sheet.count(catalog::ENDPOINT_SLOTS, &[endpoint], stats.slots.get());
        sheet.count(catalog::ENDPOINT_SLOTS_USED, &[endpoint], stats.slots_used.get());
        sheet.count(catalog::ENDPOINT_TURNS, &[endpoint], stats.turns.get());
        sheet.add(catalog::ENDPOINT_WAITED, &[endpoint], millionths(&stats.waited));
    }
    sheet.add(catalog::ENDPOINT_UTILISATION, &[endpoint], millionths(&stats.utilisation));
    sheet.add(catalog::ENDPOINT_BUSY, &[endpoint], millionths(&stats.busy));
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn millionths(counter: &Counter) -> f64 {
    counter.get() as f64 / 1e6
}

fn of_device(sheet: &mut Sheet, labels: [&str; 3], counters: &Counters) {
    let [endpoint, namespace, name] = labels;
    sheet.count(catalog::DEVICE_ANSWERED, &labels, counters.answered.get());
    sheet.count(catalog::DEVICE_REFUSED, &labels, counters.refused.get());
    sheet.count(catalog::DEVICE_MISSED, &labels, counters.missed.get());
    for kind in ErrorKind::ALL {
        let failed = counters.failed(kind);
        if failed > 0 {
            sheet.count(catalog::DEVICE_FAILED, &[endpoint, namespace, name, kind.as_str()], failed);
        }
    }
    if counters.turns.get() > 0 {
        sheet.count(catalog::DEVICE_TURNS, &labels, counters.turns.get());
        sheet.add(catalog::DEVICE_WAITED, &labels, millionths(&counters.waited));
    }
    for (result, counter) in [
        ("done", &counters.writes_done),
        ("refused", &counters.writes_refused),
        ("not_sent", &counters.writes_not_sent),
        ("unknown", &counters.writes_unknown),
    ] {
        sheet.count(catalog::DEVICE_WRITES, &[endpoint, namespace, name, result], counter.get());
    }
}
