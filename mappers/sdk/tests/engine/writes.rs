//! One result per value, whatever ends the write.

use crate::common::*;
use crate::toys::modbus;
use pollux_mapper::*;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn a_link_that_dies_mid_write_leaves_the_truth_of_each_value() {
    let (wire, specs) = bus(2, 6, 1000, 200, 50); // far apart: a request each
    let mut run = start_bus(&wire, 1, specs);
    run.connected(1, true).await;
    *wire.cut_at.lock().unwrap() = Some(50);
    let waiting = [
        run.ask(0, vec![(0, 1.0.into()), (1, 2.0.into()), (2, 3.0.into())]).await,
        run.ask(0, vec![(4, 1.0.into())]).await,
        run.ask(1, vec![(0, 1.0.into())]).await,
    ];
    let [group, behind, other] = waiting;
    let group = group.await.unwrap();
    assert_eq!(group.values, [Wrote::Done, Wrote::Unknown, Wrote::NotSent]);
    assert_eq!(group.why.unwrap().text, "port closed");
    for reply in [behind, other] {
        assert_eq!(reply.await.expect("no reply is lost").values, [Wrote::NotSent]);
    }
    assert_eq!(wire.registers.lock().unwrap()[&(1, 100)], 2.0, "what was NotSent was not sent");
    run.stop().await;
}
#[tokio::test(start_paused = true)]
async fn what_flies_beside_the_exchange_that_found_the_link_dead_is_unknown_not_lost() {
    let (wire, specs) = bus(3, 4, 100, 2_000, 1);
    wire.slow.lock().unwrap().insert(2, ms(1_000));
    let mut run = start_bus(&wire, 4, specs);
    run.connected(1, true).await;
    sleep(ms(1_100)).await; // its next read is under way: the write waits, then flies
    let flying = run.ask(1, vec![(0, 7.0.into())]).await;
    while !wire.log.lock().unwrap().iter().any(|l| l.1 == "w2@0") {
        sleep(ms(1)).await;
    }
    *wire.cut.lock().unwrap() = true;
    assert_eq!(flying.await.expect("answered by its drop").values, [Wrote::Unknown]);
    run.stop().await;
}
#[tokio::test(start_paused = true)]
async fn only_what_was_submitted_as_a_group_is_batched() {
    let (wire, specs) = bus(1, 6, 1000, 200, 1);
    let mut run = start_bus(&wire, 1, specs);
    run.connected(0, true).await;
    let reply = run.group(0, &[(0, 1.0), (1, 2.0), (2, 3.0)]).await;
    assert_eq!((reply.values, reply.why), (vec![Wrote::Done; 3], None));
    let apart = [run.ask(0, vec![(3, 1.0.into())]).await, run.ask(0, vec![(4, 1.0.into())]).await];
    for reply in apart {
        assert_eq!(reply.await.unwrap().values, [Wrote::Done]);
    }
    sleep(ms(50)).await;
    let log: Vec<String> =
        wire.log.lock().unwrap().iter().map(|l| l.1.clone()).filter(|l| l.starts_with('w')).collect();
    assert_eq!(log, ["w1@0+3", "w1@3", "w1@4"]);
    run.stop().await;
}
#[tokio::test(start_paused = true)]
async fn each_value_has_its_own_answer_and_a_group_is_superseded_only_whole() {
    let (wire, mut specs) = bus(1, 6, 60_000, 200, 1);
    let illegal = point("illegal", modbus::Address { register: 1000 }, 60_000);
    specs[0].points = specs[0].points.iter().cloned().chain([illegal]).collect();
    wire.registers.lock().unwrap().insert((1, 1000), 0.0);
    wire.slow.lock().unwrap().insert(1, ms(100));
    let mut run = start_bus(&wire, 1, specs);
    run.connected(0, true).await;
    let values = run
        .ask(0, vec![(0, 1.0.into()), (6, 2.0.into()), (1, "text".into()), (99, 1.0.into())])
        .await
        .await
        .unwrap()
        .values;
    assert!(matches!(values[..], [Wrote::NotSent, Wrote::NotSent, Wrote::NotSent, Wrote::Refused(_)]), "{values:?}");
    let values = run.ask(0, vec![(0, 1.0.into()), (6, 2.0.into()), (1, "text".into())]).await.await.unwrap().values;
    assert!(matches!(values[..], [Wrote::Done, Wrote::Refused(_), Wrote::Refused(_)]), "{values:?}");
    let _busy = run.ask(0, vec![(5, 0.0.into())]).await;
    let pair = run.ask(0, vec![(2, 1.0.into()), (3, 1.0.into())]).await;
    let part = run.ask(0, vec![(3, 2.0.into())]).await;
    assert_eq!(pair.await.unwrap().values, [Wrote::Done, Wrote::Done], "partly covered: stays whole");
    assert_eq!(part.await.unwrap().values, [Wrote::Done]);
    assert_eq!(wire.registers.lock().unwrap()[&(1, 3)], 2.0, "and the later one wins");
    assert!(run.group(0, &[]).await.values.is_empty());
    assert_eq!(run.write(77, 0, 1.0).await, Wrote::Refused(PointFault::new(ErrorKind::Config, "no such point")));
    run.stop().await;
}
