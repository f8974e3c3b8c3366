//! A device read and written through the driver alone, as the engine would.
use pollux_mapper::{Done, Fault, Instant, Link as _, PointFault, Protocol as _, Samples, Slot, Value, Written, Wrote};
use pollux_modbus::{Error, Link, Modbus, Unit};
use std::{collections::BTreeMap, time::Duration};

/// Long: a peer may wait for its turn on a machine that has much to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

fn until() -> Instant {
    Instant::now() + PATIENCE
}

/// All values, planned anew as often as the driver asks for it.
pub(crate) async fn read(link: &Link, unit: &Unit) -> BTreeMap<u32, Result<Value, PointFault>> {
    let mut due: Vec<usize> = (0..unit.items().len()).collect();
    let mut out = BTreeMap::new();
    for _ in 0..64 {
        let mut again = vec![];
        for exchange in Modbus.plan(unit, &due) {
            let mut samples = Samples::default();
            match link.read(unit, &exchange, until(), &mut samples).await {
                Ok(Done::Ok) => {}
                Ok(Done::Replan) => again.extend(&exchange.points),
                Err(Fault::Point(fault)) => {
                    out.extend(
                        exchange.points.iter().map(|at| (unit.point(*at).expect("a point").0.0, Err(fault.clone()))),
                    );
                }
                Err(fault) => panic!("{fault:?}"),
            }
            out.extend(samples.readings().map(|(Slot(slot), value, _)| (slot, value)));
        }
        due = again;
        if due.is_empty() {
            break;
        }
    }
    out
}

pub(crate) async fn write(link: &Link, unit: &Unit, values: &[(usize, Value)]) -> Vec<Wrote> {
    try_write(link, unit, values).await.expect("answered")
}
pub(crate) async fn try_write(link: &Link, unit: &Unit, values: &[(usize, Value)]) -> Result<Vec<Wrote>, Fault<Error>> {
    let mut out = Written::new(values.len());
    link.write(unit, values, until(), &mut out).await?;
    Ok(out.results())
}
