use super::*;
use crate::{Hub, report::testing};
use std::collections::BTreeSet;

#[test]
fn names_are_unique_end_in_what_they_measure_and_are_explained() {
    let names: BTreeSet<_> = catalog().iter().map(|doc| doc.name).collect();
    assert_eq!(names.len(), catalog().len());
    for doc in catalog() {
        assert_eq!(doc.name.ends_with("_total"), doc.kind == MetricKind::Counter, "{}", doc.name);
        assert!(doc.help.ends_with('.') && doc.help.len() > 10, "{}", doc.name);
        assert!(doc.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{}", doc.name);
    }
}

#[test]
fn a_scrape_shows_each_device_as_it_stands_and_nothing_of_one_that_is_gone() {
    let hub = Arc::new(Hub::default());
    hub.publish(&testing::device("a", 1), testing::status(1.0, "True").into());
    hub.publish(&testing::device("b", 1), testing::status(1.0, "False").into());
    let metrics = Metrics::new(vec![hub.clone()]);
    let text = metrics.encode().unwrap();
    assert!(text.contains("# TYPE pollux_devices gauge\npollux_devices 2.0\n"), "{text}");
    assert!(text.contains(r#"pollux_device_connected{namespace="plant",device="device-a"} 1.0"#), "{text}");
    assert!(text.contains(r#"pollux_device_connected{namespace="plant",device="device-b"} 0.0"#), "{text}");
    hub.release("b");
    assert!(!metrics.encode().unwrap().contains("device-b"));
}

#[test]
fn a_device_made_anew_is_shown_once_as_the_newer_stands() {
    let hub = Arc::new(Hub::default());
    for (uid, connected) in [("z", "False"), ("a", "True")] {
        let device = pollux_crds::EffectiveDevice { name: "same".into(), ..(*testing::device(uid, 1)).clone() };
        hub.publish(&Arc::new(device), testing::status(1.0, connected).into());
    }
    let text = Metrics::new(vec![hub.clone()]).encode().unwrap();
    let series: Vec<_> = text.lines().filter(|line| line.starts_with("pollux_device_connected{")).collect();
    assert_eq!(series, [r#"pollux_device_connected{namespace="plant",device="same"} 1.0"#]);
    assert_eq!(hub.device("plant", "same").unwrap().device.uid, "a", "the newer one");
}

#[derive(Debug)]
struct One;
impl MetricsSource for One {
    fn collect(&self, sheet: &mut Sheet) {
        sheet.count(catalog::ENDPOINT_CONNECTS, &["a\"b\\c\nd"], 1);
    }
}

#[test]
fn what_a_label_may_hold_cannot_break_the_text() {
    let text = Metrics::new(vec![Arc::new(One)]).encode().unwrap();
    assert!(text.contains("pollux_endpoint_connects_total{endpoint=\"a\\\"b\\\\c\\nd\"} 1.0\n"), "{text}");
}
