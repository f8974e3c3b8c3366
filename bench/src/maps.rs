//! Register maps for the planner: three that are made up, and five of devices as their makers' documents list them.
use anyhow::{Context, Result, anyhow};
use pollux_crds::{
    DeviceModel, ModbusTable as Table,
    offline::{Object, load, yaml},
};
use std::{collections::BTreeMap, path::Path};

/// Values of one device: first address and number of registers of each.
#[derive(Debug, Clone)]
pub(crate) struct Map {
    pub(crate) name: &'static str,
    pub(crate) table: Table,
    /// In the order of addresses; they do not overlap.
    pub(crate) values: Vec<(u16, u16)>,
    /// The most registers that the device gives at once.
    pub(crate) cap: u16,
}

/// What the standard allows.
const CAP: u16 = 125;

pub(crate) fn all() -> Result<Vec<Map>> {
    Ok(vec![
        dense(),
        islands(),
        scattered(400),
        sunspec(),
        model("Eastron SDM630", "eastron-sdm630", 80)?,
        model("Lovato DMG", "lovato-dmg", CAP)?,
        model("Circutor CVM-C10", "circutor-cvm-c10", 40)?,
        abb_b23(),
    ])
}

fn holding(name: &'static str, values: Vec<(u16, u16)>) -> Map {
    Map { name, table: Table::Holding, values, cap: CAP }
}
/// 500 float32 without a gap.
fn dense() -> Map {
    holding("synthetic: dense", pairs(0, 500))
}
/// Forty islands of ten registers, 20 registers of sea between them.
fn islands() -> Map {
    holding("synthetic: islands", (0..40).flat_map(|n| (0..10).map(move |at| (n * 30 + at, 1))).collect())
}
/// Values of 1, 2 or 4 registers with gaps of 0 to 40 between them: always the same ones.
fn scattered(count: usize) -> Map {
    holding("synthetic: scattered", random(count, 40))
}
/// As many as there may be in ten DeviceModels, close to each other.
pub(crate) fn ten_thousand() -> Map {
    holding("synthetic: 10 000 values", random(10_000, 8))
}
fn random(count: usize, gap: u16) -> Vec<(u16, u16)> {
    let (mut random, mut at) = (fastrand::Rng::with_seed(4), 0_u16);
    let value = |_| {
        let (start, width) = (at, [1, 2, 2, 4][random.usize(..4)]);
        // Half of the values follow the one before directly.
        at = start + width + if random.bool() { random.u16(..=gap) } else { 0 };
        (start, width)
    };
    (0..count).map(value).collect()
}

fn pairs(first: u16, count: u16) -> Vec<(u16, u16)> {
    (0..count).map(|n| (first + 2 * n, 2)).collect()
}
fn singles(first: u16, count: u16) -> Vec<(u16, u16)> {
    (0..count).map(|n| (first + n, 1)).collect()
}

/// SunSpec Device Information Model Specification: common block (1) and three-phase inverter (103), from base 40000.
fn sunspec() -> Map {
    let common = [(40_004, 16), (40_020, 16), (40_036, 8), (40_044, 8), (40_052, 16), (40_068, 1)];
    let inverter = singles(40_072, 22); // A to PF_SF
    let energy = [(40_094, 2), (40_096, 1)]; // WH, WH_SF
    let rest = singles(40_097, 13); // DCA to StVnd
    let events = pairs(40_110, 6);
    holding("SunSpec 1 and 103", [common.to_vec(), inverter, energy.to_vec(), rest, events].concat())
}
/// ABB B23/B24, 2CMC485003M0201: energies, total and per phase (four registers), instantaneous values (two), power
/// factors (one).
fn abb_b23() -> Map {
    let wide = |first: u16, count: u16| (0..count).map(move |n| (first + 4 * n, 4)).collect::<Vec<_>>();
    let energies = [wide(0x5000, 2), wide(0x5460, 6)].concat();
    let instantaneous = [pairs(0x5B00, 3), pairs(0x5B0C, 3), pairs(0x5B14, 4), singles(0x5B2C, 1), singles(0x5B3A, 4)];
    holding("ABB B23", [energies, instantaneous.concat()].concat())
}

/// A ready DeviceModel of `models/`, which names its document.
fn model(name: &'static str, file: &str, cap: u16) -> Result<Map> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(file).with_extension("yaml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let documents = yaml::read(&text).map_err(|error| anyhow!("{file}: {error}"))?;
    let document = documents.first().with_context(|| format!("{file} is empty"))?;
    match load(&document.value).map_err(|errors| anyhow!("{file}: {errors:?}"))? {
        Object::DeviceModel(model) => of_model(name, &model, cap),
        _ => Err(anyhow!("{file} is not a DeviceModel")),
    }
}

/// Of the table that has most of its values.
fn of_model(name: &'static str, model: &DeviceModel, cap: u16) -> Result<Map> {
    let mut tables: BTreeMap<Table, Vec<(u16, u16)>> = BTreeMap::new();
    for property in &model.spec.properties {
        let Some(binding) = property.binding.as_ref().and_then(|binding| binding.modbus.as_ref()) else { continue };
        let place = binding.place().map_err(|error| anyhow!("{name}: {error}"))?;
        let value = (u16::try_from(place.address)?, u16::try_from(binding.registers())?);
        tables.entry(place.table).or_default().push(value);
    }
    let (table, mut values) = tables.into_iter().max_by_key(|(_, values)| values.len()).context("no values")?;
    values.sort_unstable();
    values.dedup_by(|next, last| next.0 < last.0 + last.1); // several of one register
    Ok(Map { name, table, values, cap })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_order_and_do_not_overlap() {
        let maps = all().expect("the models are there");
        assert_eq!(maps.len(), 8);
        for map in maps.into_iter().chain([ten_thousand()]) {
            assert!(map.values.len() > 10, "{}", map.name);
            let end = |(at, width): (u16, u16)| u32::from(at) + u32::from(width);
            let overlap = map.values.windows(2).find(|pair| end(pair[0]) > u32::from(pair[1].0));
            assert_eq!(overlap, None, "{}", map.name);
        }
        assert_eq!(ten_thousand().values.len(), 10_000);
    }
}
