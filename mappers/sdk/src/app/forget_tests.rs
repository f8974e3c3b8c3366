use super::*;
use crate::{
    ControlError, Hub, Request as Asked,
    api::{self, Api, Specs},
    control,
    metrics::Metrics,
    report::testing::{device, status},
    testing::Paper,
};
use pollux_crds::Note;
use std::sync::Arc;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

/// A mapper with two devices, of one of which something was learned; with what it was asked to forget.
async fn mapper() -> (SocketAddr, Arc<std::sync::Mutex<Vec<String>>>) {
    let (hub, (control, mut asked)) = (Arc::<Hub>::default(), control());
    let mut learned = status(0.0, "True");
    learned.learned = vec![Note("at most 64 registers in one request".into())];
    hub.publish(&device("a", 1), learned.into());
    hub.publish(&device("b", 1), status(0.0, "True").into());
    let specs = Specs::Slices { class: "toy".into(), node: "edge-3".into() };
    let api = Api::new(hub.clone(), specs, control, Metrics::new(vec![]), watch::channel(true).1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(api::serve(listener, api, CancellationToken::new()));
    let forgot = Arc::<std::sync::Mutex<Vec<String>>>::default();
    let log = forgot.clone();
    tokio::spawn(async move {
        while let Some(Asked::Forget { uid, reply }) = asked.recv().await {
            let answer = if uid == "b" { Err(ControlError::Busy) } else { Ok(()) };
            log.lock().unwrap().push(uid);
            reply.send(answer).ok();
        }
    });
    (at, forgot)
}

#[tokio::test]
async fn a_running_mapper_forgets_what_it_is_asked_to() {
    let (at, forgot) = mapper().await;
    let all: &[&str] = &[];
    for (names, exit, results, remarks, uids) in [
        (all, Exit::Ok, "plant/device-a: 1 learned, forgotten\n", "", all),
        (&["device-a"], Exit::Ok, "plant/device-a: 1 learned, forgotten\n", "", &["a"]),
        (&["plant/device-a"], Exit::Ok, "plant/device-a: 1 learned, forgotten\n", "", &["a"]),
        (&["other/device-a"], Exit::Usage, "", "no device other/device-a on this mapper\n", all),
        (&["device-b"], Exit::Fault, "", "plant/device-b: 503 Service Unavailable the mapper is busy", &["b"]),
    ] {
        let (paper, told) = (Paper::default(), Paper::default());
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let ended = run(at, &names, &mut Out::new(paper.clone(), told.clone())).await;
        let uids = if names.is_empty() { &["a"] } else { uids };
        assert_eq!(
            (ended, paper.text(), std::mem::take(&mut *forgot.lock().unwrap())),
            (exit, results.into(), uids.iter().map(|uid| (*uid).to_owned()).collect())
        );
        assert!(told.text().starts_with(remarks), "{}", told.text());
    }
}

#[tokio::test]
async fn where_no_mapper_listens_that_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    let told = Paper::default();
    assert_eq!(run(at, &[], &mut Out::new(Paper::default(), told.clone())).await, Exit::Fault);
    assert!(told.text().starts_with(&format!("no mapper answers at {at}: ")), "{}", told.text());
}

#[test]
fn the_state_folder_of_a_mapper_that_does_not_run_is_cleared_and_one_in_use_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    store.save_learned("u", &1).unwrap();
    let out = || Out::new(Paper::default(), Paper::default());
    assert_eq!(on_disk(folder.path(), &mut out()), Exit::Fault);
    drop(store);
    assert_eq!(on_disk(folder.path(), &mut out()), Exit::Ok);
    assert_eq!(Store::open(folder.path()).unwrap().learned::<i32>("u"), None);
}
