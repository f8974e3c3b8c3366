//! A read whose answer has another form than the wanted one's, and which does no harm. Pure.
use crate::{plan::Range, rules::Rules, unit::Unit};
use pollux_crds::ModbusTable as Table;

/// Before a read; at best from its own address.
pub(crate) fn for_read(wanted: Range, unit: &Unit) -> Option<Range> {
    let other = || unit.fences.iter().flatten().find(|other| form(**other) != form(wanted)).copied();
    other_form(wanted, &unit.rules).or_else(other)
}

/// Before a write: any read is of another form than its acknowledgement.
pub(crate) fn for_write(written: Range, unit: &Unit) -> Option<Range> {
    let there = || Some(written).filter(|range| !unit.rules.is_alone(*range));
    other_form(written, &unit.rules).or_else(there).or_else(|| unit.fences.iter().flatten().next().copied())
}

/// Of what is read anyway the shortest, and the shortest of another form than that: one of both differs from whatever is wanted.
pub(crate) fn two_forms(blocks: &(impl Iterator<Item = Range> + Clone), rules: &Rules) -> [Option<Range>; 2] {
    let shortest = |not: Option<Range>| {
        let may = |block: &Range| !rules.is_alone(*block) && not.is_none_or(|not| form(not) != form(*block));
        blocks.clone().filter(may).min_by_key(|block| block.count)
    };
    let first = shortest(None);
    [first, first.and_then(|first| shortest(Some(first)))]
}

fn form(range: Range) -> (Table, u16) {
    (range.table, if range.has_bits() { range.count.div_ceil(8) } else { range.count })
}

/// From the same address a little less, or where that cannot be, a little more. None: what is read alone may change by being read,
/// and what nobody may read along is not read.
fn other_form(wanted: Range, rules: &Rules) -> Option<Range> {
    if rules.is_alone(wanted) {
        return None;
    }
    let step = if wanted.has_bits() { 8 } else { 1 };
    if wanted.count > step {
        return Some(Range { count: wanted.count - step, ..wanted });
    }
    let more = Range { count: wanted.count + step, ..wanted };
    let beside = Range { start: wanted.start.checked_add(wanted.count)?, count: step, ..wanted };
    let forbidden = |range: &Range| range.meets(beside);
    let may = rules.gap(wanted.table) >= step.into() && more.count <= rules.cap(wanted.table) && more.end() <= 0x1_0000;
    (may && !rules.avoid.iter().any(forbidden) && !rules.alone.iter().any(forbidden)).then_some(more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollux_crds::ModbusTable::{Coil, Holding};

    fn range(table: Table, start: u16, count: u16) -> Range {
        Range { table, start, count }
    }

    #[test]
    fn a_little_less_or_where_that_cannot_be_a_little_more() {
        let cases = [
            (range(Holding, 10, 4), Some(range(Holding, 10, 3))),
            (range(Holding, 10, 1), Some(range(Holding, 10, 2))),
            (range(Coil, 0, 20), Some(range(Coil, 0, 12))),
            (range(Coil, 0, 8), Some(range(Coil, 0, 16))),
            (range(Holding, 0xFFFF, 1), None),
        ];
        for (wanted, expected) in cases {
            assert_eq!(other_form(wanted, &Rules::default()), expected, "{wanted:?}");
        }
    }

    #[test]
    fn what_must_not_be_read_is_not_read_for_this_either() {
        let (alone, one) = (range(Holding, 11, 2), range(Holding, 10, 1));
        let rules = Rules { alone: [alone].into(), ..Rules::default() };
        assert_eq!((other_form(alone, &rules), other_form(one, &rules)), (None, None));
        let avoid = Rules { avoid: vec![range(Holding, 11, 1)], ..Rules::default() };
        let no_gap = Rules { gap: 0, ..Rules::default() };
        let short = Rules { registers: 1, ..Rules::default() };
        assert!([avoid, no_gap, short].iter().all(|rules| other_form(one, rules).is_none()));
    }

    #[test]
    fn of_what_is_read_anyway_two_forms_are_known_and_none_that_is_alone() {
        let [short, same, long, bits] =
            [range(Holding, 5, 1), range(Holding, 9, 1), range(Holding, 20, 2), range(Coil, 0, 3)];
        let two = |blocks: &[Range], rules: &Rules| two_forms(&blocks.iter().copied(), rules);
        let all = [long, short, same, bits];
        assert_eq!(two(&all, &Rules::default()), [Some(short), Some(long)]);
        assert_eq!(two(&[short, same], &Rules::default()), [Some(short), None]);
        let alone = Rules { alone: [short, long].into(), ..Rules::default() };
        assert_eq!(two(&all, &alone), [Some(same), Some(bits)]);
        assert_eq!(two(&[short, long], &alone), [None, None]);
    }
}
