//! `pollux-operator self-test`: are the kinds served, the policies in force, the classes ready, and what does a device say right
//! now? Here is the IO; what was seen is judged in `judge`.
mod judge;

use crate::{
    POLICIES,
    cli::{DeviceName, SelfTest},
    client::connect,
    world::views::{BindingView, PolicyView},
};
use judge::{Check, KINDS, Kind, Seen, is_ready, judge};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, api::ListParams};
use pollux_crds::{Device, MapperClass};
use std::{io::Write as _, process::ExitCode, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};

/// Between two looks.
const PACE: Duration = Duration::from_secs(1);
/// Objects of one page: devices may be large, and the Pod is small.
const PAGE: u32 = 50;
/// Most pages in which a device that is Ready is looked for.
const PAGES: usize = 100;

/// Looks until all is in order or the time is over; says what it saw.
pub async fn self_test(what: &SelfTest) -> ExitCode {
    let until = Instant::now() + what.timeout.duration();
    let client = match connect().await {
        Ok(clients) => clients.requests,
        Err(error) => {
            say(&[Check::new("a way to the API server", Some(format!("{error:#}")))]);
            return ExitCode::FAILURE;
        }
    };
    let mut checks = vec![Check::new("the API server answers", Some("not in time".into()))];
    loop {
        match timeout_at(until, look(&client, what.device.as_ref())).await {
            Ok(Ok(seen)) => checks = judge(&seen, what.device.as_ref()),
            Ok(Err(error)) => checks = vec![Check::new("the API server answers", Some(crate::describe(&error)))],
            Err(_) => {} // what was seen last stands
        }
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
        writeln!(out, "{check}").ok(); // who reads may have left
    }
}

async fn look(client: &Client, device: Option<&DeviceName>) -> kube::Result<Seen> {
    let mut seen = Seen::default();
    let kinds = Api::<CustomResourceDefinition>::all(client.clone());
    for plural in KINDS {
        if let Some(crd) = kinds.get_opt(&format!("{plural}.{}", pollux_crds::GROUP)).await? {
            seen.kinds.insert(plural.into(), Kind::of(&crd));
        }
    }
    let policies = Api::<PolicyView>::all(client.clone());
    let bindings = Api::<BindingView>::all(client.clone());
    for name in POLICIES {
        seen.policies.extend(policies.get_opt(name).await?.map(|_| name.into()));
        seen.bindings.extend(bindings.get_opt(name).await?.map(|binding| (name.into(), binding.spec)));
    }
    if seen.is_served("mapperclasses") {
        seen.classes = Api::<MapperClass>::all(client.clone()).list(&ListParams::default().limit(500)).await?.items;
    }
    if seen.is_served("devices") {
        seen.device = look_for_device(client, device).await?;
    }
    Ok(seen)
}

/// The one that is asked for; else the first that is Ready; else the first.
async fn look_for_device(client: &Client, wanted: Option<&DeviceName>) -> kube::Result<Option<Device>> {
    if let Some(wanted) = wanted {
        return Api::<Device>::namespaced(client.clone(), &wanted.namespace).get_opt(&wanted.name).await;
    }
    let api = Api::<Device>::all(client.clone());
    let (mut params, mut first) = (ListParams::default().limit(PAGE), None);
    for _ in 0..PAGES {
        let mut page = api.list(&params).await?;
        if let Some(at) = page.items.iter().position(is_ready) {
            return Ok(Some(page.items.swap_remove(at)));
        }
        first = first.or_else(|| page.items.into_iter().next());
        params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
        if params.continue_token.is_none() {
            break;
        }
    }
    Ok(first)
}
