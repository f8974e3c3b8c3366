//! How the fleet's budget of status writes is divided. Pure.

/// What the status of a device costs to write, in devices of 20 properties: one of 1,000 costs about ten times as much.
pub fn cost(properties: usize) -> f64 {
    let properties = u32::try_from(properties).unwrap_or(u32::MAX);
    (f64::from(properties) + 90.0) / 110.0
}

/// Status writes per second of a mapper with so many devices, of a fleet whose devices cost `total`: the same rate for each
/// device of the fleet, and all together not dearer than `fleet` writes of devices of 20 properties. Rounded down to
/// `fleet` halved so and so often, so that a new device somewhere does not rewrite every slice. There is no least share: of
/// 10,000 mappers each would have it. A mapper may always send a few at once.
pub fn share(fleet: f64, devices: usize, own: f64, total: f64) -> f64 {
    let devices = f64::from(u32::try_from(devices).unwrap_or(u32::MAX));
    let total = total.max(own).max(1e-9);
    let exact = (fleet * devices / total).min(fleet);
    level(fleet, exact)
}

/// The greatest of `fleet`, `fleet`/2, `fleet`/4, … that is not above `exact`.
pub fn level(fleet: f64, exact: f64) -> f64 {
    let mut level = fleet;
    for _ in 0..40 {
        if level <= exact {
            break;
        }
        level /= 2.0;
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_properties_cost_ten_times_twenty() {
        assert!((cost(20) - 1.0).abs() < 1e-9);
        assert!((9.0..11.0).contains(&cost(1_000)));
    }

    #[test]
    fn alone_a_mapper_has_it_all_and_a_fleet_never_more() {
        assert!((share(200.0, 3, 3.0, 3.0) - 200.0).abs() < 1e-9);
        let mappers = [(10, 1.0), (500, 1.0), (30, 9.9), (1_000, 2.0)];
        let total: f64 = mappers.iter().map(|(n, c)| f64::from(*n) * c).sum();
        let spent: f64 =
            mappers.iter().map(|(n, c)| share(200.0, usize::try_from(*n).unwrap(), f64::from(*n) * c, total) * c).sum();
        assert!(spent <= 200.0 && spent > 90.0, "{spent}");
    }

    #[test]
    fn a_whole_cell_of_small_mappers_stays_within_the_budget_too() {
        let (mappers, each) = (10_000, 10);
        let total = f64::from(mappers * each) * cost(20);
        let one = share(200.0, 10, f64::from(each) * cost(20), total);
        let spent = one * f64::from(mappers) * cost(20);
        assert!(spent <= 200.0 && spent > 90.0, "{spent}");
    }

    #[test]
    fn little_changes_change_nothing_and_no_device_needs_nothing() {
        assert!((share(200.0, 10, 10.0, 100.0) - share(200.0, 10, 10.0, 101.0)).abs() < 1e-9);
        assert!((0.0..1e-6).contains(&share(200.0, 0, 0.0, 0.0)));
    }
}
