//! A read whose answer has another form than the wanted one's, and which does no harm. Pure.
use crate::{plan::Range, rules::Rules};

/// From the same address a little less, or where that cannot be, a little more. None: what is read alone may change by being read,
/// and what nobody may read along is not read.
pub(crate) fn other_form(wanted: Range, rules: &Rules) -> Option<Range> {
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
    use pollux_crds::ModbusTable::{self as Table, Coil, Holding};

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
}
