//! The life of a replica, on an API server in memory.
use super::*;
use crate::testing::Plant;
use clap::Parser;
use tokio::time::sleep;

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/pollux-system/leases/pollux-operator";

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_told_to_end_has_led_and_gives_the_lease_back_last() {
    let plant = Plant::new();
    plant.device("d", "u", 1, "a", 20.0);
    let mut elector = Elector::new(plant.cx.client.clone(), "pollux-system", "one".into());
    let (args, stop) = (Args::parse_from(["pollux-operator"]), CancellationToken::new());
    let lists = Lists::none();
    let life = lead_for_ever(&plant.cx, &mut elector, &args, &[], &lists, &stop);
    let story = async {
        // As a watch would: the slice follows when the Device's place stands in its status.
        while plant.slice("a").is_none() {
            sleep(Duration::from_millis(100)).await;
            plant.look_at_device("d");
        }
        assert_eq!(plant.api.get(LEASE).unwrap()["spec"]["holderIdentity"], "one");
        assert_eq!(plant.cx.metrics.leader.get(), 1);
        stop.cancel();
    };
    timeout(Duration::from_mins(10), async { tokio::join!(life, story) }).await.unwrap();
    assert_eq!(plant.api.get(LEASE).unwrap()["spec"]["holderIdentity"], "");
    assert_eq!(plant.cx.metrics.leader.get(), 0);
    let last = plant.api.take_writes().pop().unwrap();
    assert_eq!(last, format!("PUT {LEASE}"), "who does not lead any more writes nothing");
}

#[tokio::test]
async fn sigterm_is_heard() {
    let stop = CancellationToken::new();
    on_signal(stop.clone()).unwrap();
    let me = std::process::id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &me]).status().unwrap().success());
    timeout(Duration::from_mins(1), stop.cancelled()).await.unwrap();
}
