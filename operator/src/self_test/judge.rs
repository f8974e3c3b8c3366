//! Whether what was seen is in order. Pure.
use crate::{POLICIES, cli::DeviceName, conditions::cut, world::views::BindingViewSpec};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use pollux_crds::{Device, MapperClass, READY, condition};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

pub(super) const KINDS: [&str; 6] =
    ["channels", "devicemodelrevisions", "devicemodels", "devices", "deviceslices", "mapperclasses"];
const VERSION: &str = "v1alpha1";

/// What is judged.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) kinds: BTreeMap<String, Kind>,
    pub(super) policies: BTreeSet<String>,
    pub(super) bindings: BTreeMap<String, BindingViewSpec>,
    pub(super) classes: Vec<MapperClass>,
    pub(super) device: Option<Device>,
}
impl Seen {
    pub(super) fn is_served(&self, plural: &str) -> bool {
        self.kinds.get(plural).is_some_and(|kind| kind.wrong().is_none())
    }
}

/// How a kind stands.
#[derive(Debug, Default)]
pub(super) struct Kind {
    established: bool,
    versions: Vec<String>,
}
impl Kind {
    pub(super) fn of(crd: &CustomResourceDefinition) -> Self {
        let conditions = crd.status.iter().flat_map(|s| s.conditions.iter().flatten());
        let served = crd.spec.versions.iter().filter(|v| v.served);
        Self {
            established: conditions.into_iter().any(|c| c.type_ == "Established" && c.status == "True"),
            versions: served.map(|v| v.name.clone()).collect(),
        }
    }
    fn wrong(&self) -> Option<&'static str> {
        match (self.established, self.versions.iter().any(|v| v == VERSION)) {
            (true, true) => None,
            (false, _) => Some("not established"),
            (true, false) => Some("v1alpha1 is not served"),
        }
    }
}

/// One line for people: what was looked at, and why it is not in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) what: String,
    pub(super) wrong: Option<String>,
}
impl Check {
    pub(super) fn new(what: impl Into<String>, wrong: Option<String>) -> Self {
        Self { what: what.into(), wrong }
    }
    fn all(what: &str, wrong: impl Iterator<Item = String>) -> Self {
        let wrong = wrong.collect::<Vec<_>>().join(", ");
        Self::new(what, (!wrong.is_empty()).then_some(wrong))
    }
}
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wrong {
            None => write!(f, "ok   {}", self.what),
            Some(wrong) => write!(f, "FAIL {}: {wrong}", self.what),
        }
    }
}

pub(super) fn judge(seen: &Seen, device: Option<&DeviceName>) -> Vec<Check> {
    let kind = |plural: &&str| match seen.kinds.get(*plural).map(Kind::wrong) {
        None => Some(format!("{plural} (missing)")),
        Some(wrong) => wrong.map(|why| format!("{plural} ({why})")),
    };
    let policy = |name: &&str| (!seen.policies.contains(*name)).then(|| format!("{name} (missing)"));
    let mut checks = vec![
        Check::all("the kinds of pollux.rs are served", KINDS.iter().filter_map(kind)),
        Check::all("the admission policies are there", POLICIES.iter().filter_map(policy)),
        Check::all("their bindings are in force", POLICIES.iter().filter_map(|name| binding(seen, name))),
    ];
    if seen.classes.is_empty() {
        checks.push(Check::new("there is a MapperClass", Some("there is none".into())));
    }
    checks.extend(seen.classes.iter().map(class));
    checks.extend(device_checks(seen.device.as_ref(), device));
    checks
}

fn binding(seen: &Seen, name: &str) -> Option<String> {
    let why = match seen.bindings.get(name) {
        None => "missing",
        Some(binding) if binding.policy_name != name => "of another policy",
        Some(binding) if !binding.validation_actions.iter().any(|action| action == "Deny") => "does not deny",
        Some(_) => return None,
    };
    Some(format!("{name} ({why})"))
}

/// One without devices need not have been looked at yet.
fn class(class: &MapperClass) -> Check {
    let status = class.status.clone().unwrap_or_default();
    let wrong = match condition(&status.conditions, READY) {
        Some(ready) if ready.status == "False" => Some(format!("{}: {}", ready.reason, ready.message)),
        Some(ready) if ready.status == "True" => None,
        _ if status.devices == 0 => None,
        _ => Some("it has devices, and is not Ready".into()),
    };
    let what = format!("MapperClass {}: {} of {} mappers are ready", class.name_any(), status.ready, status.nodes);
    Check::new(what, wrong)
}

fn device_checks(device: Option<&Device>, wanted: Option<&DeviceName>) -> Vec<Check> {
    let Some(device) = device else {
        return vec![match wanted {
            Some(wanted) => Check::new(format!("Device {wanted}"), Some("there is none of that name".into())),
            None => Check::new("there is no Device yet: kubectl apply -f examples/boiler", None),
        }];
    };
    let name = format!("{}/{}", device.namespace().unwrap_or_default(), device.name_any());
    if !is_ready(device) {
        let what = if wanted.is_some() { format!("Device {name} is Ready") } else { "a Device is Ready".into() };
        return vec![Check::new(what, Some(why_not(device, &name)))];
    }
    let status = device.status.clone().unwrap_or_default();
    let reported = status.reported.iter().map(|(name, value)| format!("{name}={}", value.0)).collect::<Vec<_>>();
    let reported = (!reported.is_empty()).then(|| cut(&reported.join(" "), 2_000));
    let summary = status.summary.filter(|summary| !summary.is_empty());
    let nothing = reported.is_none().then(|| "it has reported no value".to_owned());
    let mut checks = vec![Check::new(
        summary.map_or_else(|| format!("{name} is Ready"), |summary| format!("{name} is Ready: {summary}")),
        nothing,
    )];
    checks.extend(reported.map(|reported| Check::new(format!("{name} reports: {reported}"), None)));
    checks
}

pub(super) fn is_ready(device: &Device) -> bool {
    let conditions = device.status.as_ref().map_or(&[][..], |status| &status.conditions);
    condition(conditions, READY).is_some_and(|ready| ready.status == "True")
}

fn why_not(device: &Device, name: &str) -> String {
    let conditions = device.status.as_ref().map_or(&[][..], |status| &status.conditions);
    condition(conditions, READY).map_or_else(
        || format!("{name}: no operator has looked at it yet"),
        |ready| format!("{name} is {}: {}", ready.status, ready.message),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn typed<T: serde::de::DeserializeOwned>(json: Json) -> T {
        serde_json::from_value(json).unwrap()
    }
    fn ready(status: &str) -> Json {
        json!([{"type": "Ready", "status": status, "reason": "R", "message": "no answer", "observedGeneration": 1,
            "lastTransitionTime": ""}])
    }
    fn mapper_class(devices: i64, conditions: &Json) -> MapperClass {
        typed(json!({"metadata": {"name": "modbus"}, "spec": {"image": "a"},
            "status": {"devices": devices, "nodes": 2, "ready": 1, "conditions": conditions}}))
    }
    fn device(is: &str, reported: &Json) -> Device {
        typed(json!({"metadata": {"name": "boiler-1", "namespace": "default"}, "spec": {"protocol": {}},
            "status": {"reported": reported, "summary": "temperature=58.4 °C setpoint=60", "conditions": ready(is)}}))
    }
    fn denies(policy: &str) -> BindingViewSpec {
        BindingViewSpec { policy_name: policy.into(), validation_actions: vec!["Audit".into(), "Deny".into()] }
    }
    fn kind() -> Kind {
        Kind { established: true, versions: vec![VERSION.into()] }
    }
    fn seen() -> Seen {
        Seen {
            kinds: KINDS.map(|plural| (plural.into(), kind())).into(),
            policies: POLICIES.map(String::from).into(),
            bindings: POLICIES.map(|name| (name.into(), denies(name))).into(),
            classes: vec![mapper_class(1, &ready("True"))],
            device: Some(device("True", &json!({"temperature": 58.4, "setpoint": 60}))),
        }
    }
    fn wrong(seen: &Seen, device: Option<&str>) -> Vec<String> {
        let device = device.map(|name| name.parse().unwrap());
        let checks = judge(seen, device.as_ref());
        checks.iter().filter(|c| c.wrong.is_some()).map(ToString::to_string).collect()
    }

    #[test]
    fn a_ready_device_shows_its_live_values() {
        let lines: Vec<_> = judge(&seen(), None).iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "ok   the kinds of pollux.rs are served",
                "ok   the admission policies are there",
                "ok   their bindings are in force",
                "ok   MapperClass modbus: 1 of 2 mappers are ready",
                "ok   default/boiler-1 is Ready: temperature=58.4 °C setpoint=60",
                "ok   default/boiler-1 reports: setpoint=60 temperature=58.4",
            ]
        );
    }

    #[test]
    fn each_thing_that_is_not_in_order_is_named() {
        type Break = fn(&mut Seen);
        let cases: [(Break, &str); 11] = [
            (|s| drop(s.kinds.remove("channels")), "FAIL the kinds of pollux.rs are served: channels (missing)"),
            (
                |s| s.kinds.get_mut("channels").unwrap().established = false,
                "FAIL the kinds of pollux.rs are served: channels (not established)",
            ),
            (
                |s| s.kinds.get_mut("channels").unwrap().versions = vec!["v1".into()],
                "FAIL the kinds of pollux.rs are served: channels (v1alpha1 is not served)",
            ),
            (
                |s| s.policies.retain(|p| p != "pollux-placement"),
                "FAIL the admission policies are there: pollux-placement (missing)",
            ),
            (
                |s| drop(s.bindings.remove("pollux-placement")),
                "FAIL their bindings are in force: pollux-placement (missing)",
            ),
            (
                |s| s.bindings.get_mut("pollux-placement").unwrap().validation_actions = vec!["Warn".into()],
                "FAIL their bindings are in force: pollux-placement (does not deny)",
            ),
            (
                |s| s.bindings.get_mut("pollux-placement").unwrap().policy_name = "x".into(),
                "FAIL their bindings are in force: pollux-placement (of another policy)",
            ),
            (|s| s.classes.clear(), "FAIL there is a MapperClass: there is none"),
            (
                |s| s.classes = vec![mapper_class(0, &ready("False"))],
                "FAIL MapperClass modbus: 1 of 2 mappers are ready: R: no answer",
            ),
            (
                |s| s.classes = vec![mapper_class(1, &json!([]))],
                "FAIL MapperClass modbus: 1 of 2 mappers are ready: it has devices, and is not Ready",
            ),
            (
                |s| s.device = Some(device("Unknown", &json!({}))),
                "FAIL a Device is Ready: default/boiler-1 is Unknown: no answer",
            ),
        ];
        for (break_it, line) in cases {
            let mut seen = seen();
            break_it(&mut seen);
            assert_eq!(wrong(&seen, None), [line]);
        }
    }

    #[test]
    fn what_nobody_uses_yet_is_no_fault() {
        let unused = Seen { classes: vec![mapper_class(0, &json!([]))], device: None, ..seen() };
        assert_eq!(wrong(&unused, None), Vec::<String>::new());
        assert_eq!(wrong(&unused, Some("n/c")), ["FAIL Device n/c: there is none of that name"]);
    }

    #[test]
    fn a_device_that_says_nothing_is_not_alive() {
        let silent = Seen { device: Some(device("True", &json!({}))), ..seen() };
        assert_eq!(wrong(&silent, None).len(), 1);
    }
}
