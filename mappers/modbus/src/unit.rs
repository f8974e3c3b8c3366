//! One device, compiled: where each point stands, and what the device was seen to refuse.
use crate::{
    fence, format::format, kept::Why, layout::Layout, learned::Learned, manners::Patience, plan::Range, rules::Rules,
    told::Told, values::Format, write::Writing,
};
use pollux_crds::{GroupMember, ModbusBinding, ModbusDevice, ModbusTable as Table, Place, ReadGroup, read_groups};
use pollux_mapper::{ConfigError, Exchange, Instant, Knowledge, Point, Slot};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

#[derive(Debug)]
pub struct Unit {
    pub id: u8,
    /// The slot of its first point; the others follow.
    base: Slot,
    layout: Arc<Layout>,
    /// What it may be asked, and what that costs.
    pub rules: Rules,
    pub writing: Writing,
    learned: Mutex<Learned>,
    /// How patient it wants us to be.
    pub patience: Patience,
    /// What the wire found out beside values.
    pub told: Told,
    /// It does not know function 22.
    maskless: AtomicBool,
    /// Reads of two forms, for where one is asked to know what is over.
    pub(crate) fences: [Option<Range>; 2],
}

/// One point, in as little room as can be: there are many. `block` is what a read may not split: its own range, or its read group's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Item {
    pub range: Range,
    pub block: Range,
    pub format: Format,
}

impl Unit {
    /// All errors at once.
    pub fn new(device: &ModbusDevice, points: &[Point<'_, ModbusBinding>]) -> Result<Self, Vec<ConfigError>> {
        let mut errors = vec![];
        let id = u8::try_from(device.unit_id);
        if id.is_err() {
            errors.push(ConfigError::device(format!("unitId is {}, must be 0..=255", device.unit_id)));
        }
        let (mut rules, offset) = (Rules::of(device), device.address_offset.unwrap_or_default());
        let mut items = Vec::with_capacity(points.len());
        let writing = Writing::from(device);
        for (at, point) in points.iter().enumerate() {
            match item(point, offset, &rules, writing) {
                Ok(item) => items.push(item),
                Err(text) => errors.push(ConfigError::point(at, format!("binding of {}: {text}", point.name))),
            }
        }
        match id {
            Ok(id) if errors.is_empty() => {
                group(device, points, &mut items)?;
                let alone = |(point, item): (&Point<'_, ModbusBinding>, &Item)| {
                    point.address.alone.unwrap_or(false).then_some(item.block)
                };
                rules.alone = points.iter().zip(&items).filter_map(alone).collect();
                let read = points.iter().zip(&items).filter(|(point, _)| point.readable).map(|(_, item)| item.block);
                let fences = fence::two_forms(&read, &rules);
                Ok(Self {
                    id,
                    base: points.first().map_or(Slot(0), |point| point.slot),
                    layout: Layout::shared(items, points.iter().map(|point| point.name)),
                    rules,
                    writing,
                    learned: Mutex::default(),
                    patience: Patience::of(device),
                    told: Told::default(),
                    maskless: AtomicBool::default(),
                    fences,
                })
            }
            _ => Err(errors),
        }
    }

    /// All points.
    pub fn items(&self) -> &[Item] {
        self.layout.items()
    }
    /// One of them, and where its value goes.
    #[inline]
    pub fn point(&self, at: usize) -> Option<(Slot, &Item)> {
        let item = self.items().get(at)?;
        Some((Slot(self.base.0.checked_add(u32::try_from(at).ok()?)?), item))
    }
    /// What a point is called.
    pub(crate) fn name(&self, point: usize) -> Option<&str> {
        self.layout.names().get(point)
    }
    /// Whether bits may be written by function 22.
    pub(crate) fn masks(&self) -> bool {
        self.writing.may_mask() && !self.maskless.load(Relaxed)
    }
    /// It refused function 22, or was silent to it: bits are read, changed and written back from now on.
    pub(crate) fn cannot_mask(&self) {
        self.maskless.store(true, Relaxed);
    }
    pub fn learned(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Differs whenever a plan, or what is known of the device, may differ.
    pub(crate) fn generation(&self) -> u64 {
        self.learned().generation().wrapping_add(self.told.changes())
    }
    pub(crate) fn knowledge(&self) -> Knowledge {
        let mut learned = self.learned();
        learned.settle(Instant::now());
        let mut known = learned.knowledge();
        drop(learned);
        known.identification = self.told.identification();
        known.learned.extend(self.told.remarks());
        known
    }
    /// The device refused what was asked. True: a plan made now is another one.
    pub(crate) fn refused(&self, exchange: &Exchange<Range>, code: u8) -> bool {
        let blocks = self.blocks(exchange);
        self.learned().refused(exchange.request, &blocks, Why::Exception(code), Instant::now())
    }
    /// The device did not answer.
    pub(crate) fn silent(&self, exchange: &Exchange<Range>) {
        let blocks = self.blocks(exchange);
        self.learned().silent(exchange.request, &blocks);
    }
    fn blocks(&self, exchange: &Exchange<Range>) -> Vec<Range> {
        exchange.points.iter().filter_map(|at| self.items().get(*at)).map(|item| item.block).collect()
    }
}

fn item(point: &Point<'_, ModbusBinding>, offset: i32, rules: &Rules, writing: Writing) -> Result<Item, String> {
    let binding = point.address;
    let format = format(binding)?;
    let Place { table, address } = binding.place()?;
    let start = placed(address, offset)?;
    let range = Range { table, start, count: format.width() };
    if range.end() > 0x1_0000 {
        let last = range.end() - 1;
        return Err(format!("address {start} with {} registers ends at {last}, must be at most 65535", range.count));
    }
    if point.readable && range.count > rules.cap(table) {
        return Err(format!("takes {} {}, {}", range.count, counted(table), limit(rules, table)));
    }
    if point.writable && matches!(table, Table::Discrete | Table::Input) {
        let table = table.name();
        return Err(format!("table {table} cannot be written: access must be ReadOnly, or table coil or holding"));
    }
    if let Some(text) = writing.refuse(table, range.count).filter(|_| point.writable) {
        return Err(text);
    }
    Ok(Item { range, block: range, format })
}

/// Where it is on the wire.
fn placed(address: i32, offset: i32) -> Result<u16, String> {
    let sum = address.saturating_add(offset);
    u16::try_from(sum).map_err(|_| match offset {
        0 => format!("address is {address}, must be 0..=65535"),
        _ => format!("address {address} with addressOffset {offset} is {sum}, must be 0..=65535"),
    })
}

/// What is counted in a table.
fn counted(table: Table) -> &'static str {
    if table.has_bits() { "bits" } else { "registers" }
}

/// How many of it one request reads, in words.
fn limit(rules: &Rules, table: Table) -> String {
    format!("one request reads at most {} (limits.{})", rules.cap(table), counted(table))
}

/// The members of a read group share a block that spans them all, where that is one request that may be.
fn group(
    device: &ModbusDevice,
    points: &[Point<'_, ModbusBinding>],
    items: &mut [Item],
) -> Result<(), Vec<ConfigError>> {
    let all: Vec<GroupMember<'_>> = points
        .iter()
        .map(|point| GroupMember {
            name: point.name,
            binding: point.address,
            group: point.read_group.filter(|_| point.readable),
        })
        .collect();
    let mut errors = vec![];
    for ReadGroup { members, flaw } in read_groups(device, &all) {
        if let Some(text) = flaw {
            errors.push(ConfigError { point: members.first().copied(), text: format!("readGroup {text}") });
            continue;
        }
        let block = Range::over(members.iter().filter_map(|at| items.get(*at)).map(|item| item.range));
        for at in members {
            if let (Some(block), Some(item)) = (block, items.get_mut(at)) {
                item.block = block;
            }
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
