//! What one device may be asked, and what asking costs: from its configuration alone, so that a plan is the same each time.
use crate::{
    frame::{MAX_READ_BITS, MAX_READ_REGISTERS},
    plan::Range,
};
use pollux_crds::{ModbusAvoid, ModbusDevice, ModbusParity, ModbusRtu, ModbusTable as Table};
use std::{collections::BTreeSet, time::Duration};

/// Registers that nobody asked for, read along to save a request, where the Device says nothing.
pub const GAP: u16 = 16;
/// TCP: a round trip in a plant's network, and what a register of two bytes takes a device to look up.
const TCP: Cost = Cost { request: Duration::from_millis(1), register: Duration::from_micros(2) };
/// What a device on a serial line takes before it answers.
const TURNAROUND: Duration = Duration::from_millis(5);
/// Characters of a request, of an answer without its data, and of the two silences of 3.5 (Serial Line V1.02, 2.5.1).
const REQUEST: (u32, u32, u32) = (8, 5, 7);
/// Above this rate a silence no longer shrinks with the characters: 1.75 ms (Serial Line V1.02, 2.5.1.1).
const FAST: (i32, Duration) = (19_200, Duration::from_micros(1750));

/// Longest piece of a range that is avoided.
const PIECE: usize = 0x8000;

/// What a request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Of one request and its answer, without data.
    pub request: Duration,
    /// Of one register of data; a bit costs a sixteenth of it.
    pub register: Duration,
}

impl Cost {
    /// As the Device has it, or by its transport.
    pub fn of(device: &ModbusDevice) -> Self {
        let micros = |micros: i32| Duration::from_micros(u64::try_from(micros).unwrap_or_default());
        if let Some(cost) = &device.cost {
            return Self { request: micros(cost.request_micros), register: micros(cost.register_micros) };
        }
        let mut cost = match (&device.rtu, &device.rtu_over_tcp) {
            (Some(rtu), _) => serial(rtu),
            (None, Some(_)) => {
                let line = line(ModbusRtu::BAUD_RATE, 11); // what stands behind the server is not known
                Self { request: TCP.request + line.request, ..line }
            }
            (None, None) => TCP,
        };
        let pause = device.pacing.as_ref().and_then(|pacing| pacing.between_requests);
        cost.request += pause.map_or(Duration::ZERO, pollux_crds::Span::duration);
        cost
    }

    /// Of one request for this range.
    pub fn of_request(self, range: Range) -> Duration {
        let data = self.register.saturating_mul(range.count.into());
        self.request.saturating_add(if range.has_bits() { data / 16 } else { data })
    }
}

fn serial(rtu: &ModbusRtu) -> Cost {
    let parity = u32::from(!matches!(rtu.parity, Some(ModbusParity::None)));
    let stop = rtu.stop_bits.and_then(|bits| u32::try_from(bits).ok()).unwrap_or(1);
    line(rtu.baud_rate.unwrap_or(ModbusRtu::BAUD_RATE), 9 + parity + stop)
}

/// A serial line of this rate, a character having so many bits.
fn line(rate: i32, bits: u32) -> Cost {
    let character = Duration::from_secs(1) * bits / u32::try_from(rate).unwrap_or(1).max(1);
    let (asked, answered, silent) = REQUEST;
    let silence = if rate > FAST.0 { FAST.1 * 2 } else { character * silent };
    Cost { request: character * (asked + answered) + silence + TURNAROUND, register: character * 2 }
}

/// What one device may be asked, and what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub cost: Cost,
    /// Registers in one read.
    pub registers: u16,
    /// Bits in one read.
    pub bits: u16,
    /// Registers that may be read along between two values; bits: 16 times as many.
    pub gap: u16,
    /// Never read along.
    pub avoid: Vec<Range>,
    /// Blocks that are read by themselves.
    pub alone: BTreeSet<Range>,
}

impl Default for Rules {
    fn default() -> Self {
        Self::of(&ModbusDevice::default())
    }
}

impl Rules {
    /// As the Device has them; what it leaves open is the standard's.
    pub fn of(device: &ModbusDevice) -> Self {
        let limits = device.limits.clone().unwrap_or_default();
        let within = |given: Option<i32>, low: u16, most: u16, default: u16| {
            let given = given.map(|given| u16::try_from(given.max(0)).unwrap_or(most));
            given.unwrap_or(default).clamp(low, most)
        };
        let offset = device.address_offset.unwrap_or_default();
        Self {
            cost: Cost::of(device),
            registers: within(limits.registers, 1, MAX_READ_REGISTERS, MAX_READ_REGISTERS),
            bits: within(limits.bits, 1, MAX_READ_BITS, MAX_READ_BITS),
            gap: within(limits.gap, 0, MAX_READ_REGISTERS - 1, GAP),
            avoid: device.avoid.iter().flat_map(|avoid| avoided(avoid, offset)).collect(),
            alone: BTreeSet::new(),
        }
    }

    /// The most that one request may read from this table.
    pub fn cap(&self, table: Table) -> u16 {
        if table.has_bits() { self.bits } else { self.registers }
    }
    /// The most that may be read along between two values.
    pub fn gap(&self, table: Table) -> u32 {
        u32::from(self.gap) * if table.has_bits() { 16 } else { 1 }
    }
    /// Whether this block is read by itself.
    pub fn is_alone(&self, block: Range) -> bool {
        self.alone.contains(&block) || self.avoid.iter().any(|avoid| avoid.meets(block))
    }
}

/// The part of it that there is; in pieces, for a whole table is longer than a range can be.
fn avoided(avoid: &ModbusAvoid, offset: i32) -> Vec<Range> {
    let first = avoid.first.saturating_add(offset).max(0);
    let last = avoid.last.saturating_add(offset).min(0xFFFF);
    let piece = |start: i32| {
        let count = usize::try_from(last - start + 1).ok()?.min(PIECE);
        Some(Range { table: avoid.table, start: u16::try_from(start).ok()?, count: u16::try_from(count).ok()? })
    };
    (first..=last).step_by(PIECE).filter_map(piece).collect()
}
