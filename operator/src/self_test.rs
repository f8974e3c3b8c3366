//! `pollux-operator self-test`: are the kinds served, the policies in force, the classes ready, and what does a device say right
//! now? What is judged is read first; the judging is pure.
use crate::{POLICIES, cli::SelfTest};
use k8s_openapi::{
    api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, Client, Resource, ResourceExt, api::ListParams};
use pollux_crds::{Device, GROUP, MapperClass, READY, condition};
use serde::de::DeserializeOwned;
use std::{fmt::Debug, io::Write as _, process::ExitCode, time::Duration};
use tokio::time::{Instant, sleep};

/// Between two looks.
const PACE: Duration = Duration::from_secs(1);
/// One request.
const REQUEST: Duration = Duration::from_secs(10);
const KINDS: [&str; 6] =
    ["channels", "devicemodelrevisions", "devicemodels", "devices", "deviceslices", "mapperclasses"];

/// What is judged.
#[derive(Debug, Default)]
struct Seen {
    kinds: Vec<String>,
    policies: Vec<String>,
    bindings: Vec<String>,
    classes: Vec<MapperClass>,
    devices: Vec<Device>,
}

/// One line for people: what was looked at, and why it is not in order.
#[derive(Debug, PartialEq, Eq)]
struct Check {
    what: String,
    wrong: Option<String>,
}
impl Check {
    fn new(what: impl Into<String>, wrong: Option<String>) -> Self {
        Self { what: what.into(), wrong }
    }
    fn all(what: &str, wanted: &[&str], there: &[String]) -> Self {
        let missing: Vec<&str> = wanted.iter().copied().filter(|name| !there.iter().any(|t| t == name)).collect();
        Self::new(what, (!missing.is_empty()).then(|| format!("missing: {}", missing.join(", "))))
    }
}

/// Looks until all is in order or the time is over; says what it saw.
pub async fn self_test(what: &SelfTest) -> ExitCode {
    let until = Instant::now() + what.timeout.duration();
    loop {
        let checks = match look().await {
            Ok(seen) => judge(&seen, what.device.as_deref()),
            Err(error) => vec![Check::new("the API server answers", Some(format!("{error:#}")))],
        };
        let ok = checks.iter().all(|check| check.wrong.is_none());
        if ok || Instant::now() + PACE > until {
            say(&checks);
            return if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        sleep(PACE).await;
    }
}

fn say(checks: &[Check]) {
    let mut out = std::io::stdout().lock();
    for check in checks {
        let line = match &check.wrong {
            None => format!("ok    {}", check.what),
            Some(wrong) => format!("FAIL  {}: {wrong}", check.what),
        };
        writeln!(out, "{line}").ok(); // who reads may have left
    }
}

fn judge(seen: &Seen, device: Option<&str>) -> Vec<Check> {
    let mut checks = vec![
        Check::all("the kinds of pollux.rs are served", &KINDS, &seen.kinds),
        Check::all("admission policies", &POLICIES, &seen.policies),
        Check::all("bindings of the policies", &POLICIES, &seen.bindings),
    ];
    if seen.classes.is_empty() {
        checks.push(Check::new("a MapperClass", Some("there is none".into())));
    }
    checks.extend(seen.classes.iter().map(class));
    checks.push(device_check(&seen.devices, device));
    checks
}

fn class(class: &MapperClass) -> Check {
    let conditions = class.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let wrong = condition(conditions, READY).filter(|c| c.status == "False").map(|c| c.message.clone());
    Check::new(format!("MapperClass {}", class.name_any()), wrong)
}

fn device_check(devices: &[Device], wanted: Option<&str>) -> Check {
    let key = |d: &Device| format!("{}/{}", d.namespace().unwrap_or_default(), d.name_any());
    let mut candidates = devices.iter().filter(|d| wanted.is_none_or(|wanted| key(d) == wanted));
    if let Some(ready) = candidates.clone().find(|d| state(d).0 == "True") {
        let status = ready.status.clone().unwrap_or_default();
        let values: Vec<String> = status.reported.iter().map(|(name, value)| format!("{name}={}", value.0)).collect();
        return Check::new(format!("{} is Ready: {}", key(ready), values.join(" ")), None);
    }
    match (candidates.next(), wanted) {
        (Some(device), _) => {
            let (status, message) = state(device);
            Check::new("a Device is Ready", Some(format!("{} is {status}: {message}", key(device))))
        }
        (None, Some(wanted)) => Check::new(format!("Device {wanted}"), Some("there is none of that name".into())),
        (None, None) => Check::new("there is no Device yet: kubectl apply -f examples/boiler", None),
    }
}
fn state(device: &Device) -> (&str, &str) {
    let conditions = device.status.as_ref().map_or(&[][..], |status| &status.conditions);
    condition(conditions, READY).map_or(("Unknown", "no operator has looked at it yet"), |c| (&c.status, &c.message))
}

async fn look() -> anyhow::Result<Seen> {
    let client = Client::try_default().await?;
    let kinds = list::<CustomResourceDefinition>(&client).await?;
    let ours = kinds.into_iter().filter(|crd| crd.spec.group == GROUP).map(|crd| crd.spec.names.plural);
    let kinds: Vec<String> = ours.collect();
    let served = |plural: &str| kinds.iter().any(|k| k == plural);
    Ok(Seen {
        policies: list::<ValidatingAdmissionPolicy>(&client).await?.iter().map(ResourceExt::name_any).collect(),
        bindings: list::<ValidatingAdmissionPolicyBinding>(&client).await?.iter().map(ResourceExt::name_any).collect(),
        classes: if served("mapperclasses") { list(&client).await? } else { vec![] },
        devices: if served("devices") { list(&client).await? } else { vec![] },
        kinds,
    })
}
/// As many as tell whether all is in order; a fleet has more.
async fn list<K>(client: &Client) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let params = ListParams::default().limit(500);
    Ok(tokio::time::timeout(REQUEST, Api::<K>::all(client.clone()).list(&params)).await??.items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(devices: &serde_json::Value) -> Seen {
        let all = POLICIES.map(String::from).to_vec();
        let class = json!({"apiVersion": "pollux.rs/v1alpha1", "kind": "MapperClass", "metadata": {"name": "modbus"}, "spec": {"image": "a"}});
        Seen {
            kinds: KINDS.map(String::from).to_vec(),
            policies: all.clone(),
            bindings: all,
            classes: vec![serde_json::from_value(class).unwrap()],
            devices: serde_json::from_value(devices.clone()).unwrap(),
        }
    }
    fn device(ready: &str) -> serde_json::Value {
        json!({"apiVersion": "pollux.rs/v1alpha1", "kind": "Device", "metadata": {"name": "b", "namespace": "n"},
            "spec": {"protocol": {}}, "status": {"reported": {"t": 21.5}, "conditions": [{"type": "Ready", "status": ready,
            "reason": "R", "message": "no answer", "observedGeneration": 1, "lastTransitionTime": ""}]}})
    }
    fn wrong(seen: &Seen, device: Option<&str>) -> Vec<String> {
        judge(seen, device).into_iter().filter_map(|c| c.wrong.map(|w| format!("{}: {w}", c.what))).collect()
    }

    #[test]
    fn a_ready_device_shows_its_live_values() {
        let checks = judge(&seen(&json!([device("False"), device("True")])), None);
        assert_eq!(checks.last(), Some(&Check::new("n/b is Ready: t=21.5", None)));
        assert!(checks.iter().all(|c| c.wrong.is_none()));
        assert!(wrong(&seen(&json!([])), None).is_empty(), "no device is no fault");
    }

    #[test]
    fn what_is_not_in_order_is_named() {
        let mut broken = seen(&json!([device("False")]));
        broken.kinds.retain(|k| k != "devices");
        broken.bindings.retain(|b| b != "pollux-placement");
        broken.classes.clear();
        assert_eq!(
            wrong(&broken, None),
            [
                "the kinds of pollux.rs are served: missing: devices",
                "bindings of the policies: missing: pollux-placement",
                "a MapperClass: there is none",
                "a Device is Ready: n/b is False: no answer",
            ]
        );
        assert_eq!(wrong(&seen(&json!([])), Some("n/c")), ["Device n/c: there is none of that name"]);
    }
}
