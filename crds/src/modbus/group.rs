//! Read groups: which of them no single request may read, and why. Pure; the operator, `check` and the driver ask it, so that all say
//! the same.
use crate::{ModbusBinding, ModbusDevice, ModbusTable, parameters::list};
use std::collections::BTreeMap;

/// Registers and bits that one request reads at most, by the standard.
const MOST: (i32, i32) = (125, 2000);

/// A property of a device, as read groups see it.
#[derive(Clone, Copy, Debug)]
pub struct GroupMember<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it stands.
    pub binding: &'a ModbusBinding,
    /// Its read group; None of what is never read.
    pub group: Option<&'a str>,
}

/// One read group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadGroup {
    /// Positions of its members.
    pub members: Vec<usize>,
    /// Why no request may read them all, with the names of group and members: `clock (hour, minute) spans 126 registers; …`.
    pub flaw: Option<String>,
}

/// Consecutive addresses of a table, the end not included; before `addressOffset`.
#[derive(Clone, Copy)]
struct Stretch {
    table: ModbusTable,
    start: i32,
    end: i32,
}

/// The read groups among all properties of a device, by name.
pub fn read_groups(device: &ModbusDevice, all: &[GroupMember<'_>]) -> Vec<ReadGroup> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, member) in all.iter().enumerate() {
        if let Some(group) = member.group {
            groups.entry(group).or_default().push(at);
        }
    }
    let judged = groups.into_iter().map(|(group, members)| {
        let of: Vec<&GroupMember<'_>> = members.iter().filter_map(|at| all.get(*at)).collect();
        let flaw = flaw(device, &of, all).map(|why| {
            let names: Vec<&str> = of.iter().map(|member| member.name).collect();
            format!("{group} ({}) {why}", list(&names))
        });
        ReadGroup { members, flaw }
    });
    judged.collect()
}

/// The most that one request may read of a table, what is counted there, and the field that says less.
pub(crate) fn read_cap(device: &ModbusDevice, table: ModbusTable) -> (i32, &'static str, &'static str) {
    let limits = device.limits.as_ref();
    if table.has_bits() {
        (limits.and_then(|l| l.bits).unwrap_or(MOST.1).clamp(1, MOST.1), "bits", "limits.bits")
    } else {
        (limits.and_then(|l| l.registers).unwrap_or(MOST.0).clamp(1, MOST.0), "registers", "limits.registers")
    }
}

fn flaw(device: &ModbusDevice, members: &[&GroupMember<'_>], all: &[GroupMember<'_>]) -> Option<String> {
    let mut spans: Vec<Stretch> = members.iter().filter_map(|member| stretch(member.binding)).collect();
    let table = spans.first()?.table;
    if let Some(other) = spans.iter().find(|span| span.table != table) {
        return Some(format!("spans tables {} and {}; one request reads one table", table.name(), other.table.name()));
    }
    spans.sort_by_key(|span| span.start);
    let start = spans.first()?.start;
    let width = spans.iter().map(|span| span.end).max()? - start;
    let (most, what, field) = read_cap(device, table);
    if width > most {
        return Some(format!("spans {width} {what}; one request reads at most {most} ({field})"));
    }
    read_along(device, &gaps(&spans), all)
}

fn stretch(binding: &ModbusBinding) -> Option<Stretch> {
    let place = binding.place().ok()?;
    Some(Stretch { table: place.table, start: place.address, end: place.address.saturating_add(binding.registers()) })
}

/// What lies between the members, which ascend.
fn gaps(members: &[Stretch]) -> Vec<Stretch> {
    let mut gaps = vec![];
    let mut end = members.first().map_or(0, |first| first.start);
    for member in members {
        if member.start > end {
            gaps.push(Stretch { start: end, end: member.start, ..*member });
        }
        end = end.max(member.end);
    }
    gaps
}

/// What would be read along that is never to be.
fn read_along(device: &ModbusDevice, gaps: &[Stretch], all: &[GroupMember<'_>]) -> Option<String> {
    let brings = |other: Stretch| {
        gaps.iter().any(|gap| gap.table == other.table && gap.start < other.end && other.start < gap.end)
    };
    let avoided = device
        .avoid
        .iter()
        .find(|avoid| brings(Stretch { table: avoid.table, start: avoid.first, end: avoid.last.saturating_add(1) }));
    if let Some(avoid) = avoided {
        let (table, first, last) = (avoid.table.name(), avoid.first, avoid.last);
        return Some(format!("would read {table} {first} to {last} along, which avoid forbids"));
    }
    let mut alone = all.iter().filter(|other| other.binding.alone == Some(true));
    let other = alone.find(|other| stretch(other.binding).is_some_and(brings))?;
    Some(format!("would read {} along, which is read alone", other.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ModbusAvoid, ModbusDataType};

    fn binding(address: i32) -> ModbusBinding {
        let table = Some(ModbusTable::Holding);
        ModbusBinding {
            table,
            address: Some(address),
            data_type: Some(ModbusDataType::Uint16),
            ..ModbusBinding::default()
        }
    }
    /// Of members at 10 and 14 and, in no group, whatever else.
    fn told(device: &ModbusDevice, others: &[ModbusBinding]) -> Option<String> {
        let group = [binding(10), binding(14)];
        let member = |group| move |binding| GroupMember { name: "p", binding, group };
        let all: Vec<GroupMember<'_>> =
            group.iter().map(member(Some("clock"))).chain(others.iter().map(member(None))).collect();
        let mut groups = read_groups(device, &all);
        assert_eq!((groups.len(), &*groups[0].members), (1, &[0, 1][..]));
        groups.remove(0).flaw
    }
    fn avoiding(table: ModbusTable, first: i32, last: i32) -> ModbusDevice {
        // Addresses of `avoid` and of bindings are shifted alike.
        let address_offset = Some(-1);
        ModbusDevice { avoid: vec![ModbusAvoid { table, first, last }], address_offset, ..ModbusDevice::default() }
    }

    #[test]
    fn what_lies_between_members_is_read_along_and_nothing_else() {
        for (first, last, refused) in
            [(11, 11, true), (13, 20, true), (0, 100, true), (10, 10, false), (14, 99, false), (0, 9, false)]
        {
            let told = told(&avoiding(ModbusTable::Holding, first, last), &[]);
            let text = format!("clock (p, p) would read holding {first} to {last} along, which avoid forbids");
            assert_eq!(told, refused.then_some(text), "{first} to {last}");
        }
        assert_eq!(told(&avoiding(ModbusTable::Input, 11, 11), &[]), None, "of another table");
    }

    #[test]
    fn what_is_read_alone_is_read_along_by_no_group() {
        let alone = |address| ModbusBinding { alone: Some(true), ..binding(address) };
        let device = ModbusDevice::default();
        assert_eq!(told(&device, &[binding(12)]), None);
        assert_eq!(told(&device, &[alone(9), alone(10), alone(15)]), None);
        let text = "clock (p, p) would read p along, which is read alone";
        assert_eq!(told(&device, &[alone(12)]).as_deref(), Some(text));
    }

    #[test]
    fn limits_of_the_device_bound_a_group() {
        let device = |registers| {
            let limits = Some(crate::ModbusLimits { registers: Some(registers), ..crate::ModbusLimits::default() });
            ModbusDevice { limits, ..ModbusDevice::default() }
        };
        assert_eq!(told(&device(5), &[]), None);
        let text = "clock (p, p) spans 5 registers; one request reads at most 4 (limits.registers)";
        assert_eq!(told(&device(4), &[]).as_deref(), Some(text));
    }
}
