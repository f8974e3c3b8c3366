//! Values of one group to write requests: adjacent ones leave in one function 15 or 16. Pure.
use crate::{
    frame::{MAX_WRITE_BITS, MAX_WRITE_REGISTERS, Request},
    plan::Range,
    unit::Item,
    values::Encoded,
};
use pollux_crds::{ModbusDevice, ModbusTable as Table, WriteFunction};

/// One write on the wire, and the positions in the group that it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub values: Vec<usize>,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Coils(u16, Vec<bool>),
    Words(u16, Vec<u16>),
    /// Bits of one holding register: read it, change them, write it back. Not atomic: what the device or another master
    /// changes in between is lost.
    Bits {
        address: u16,
        set: u16,
        clear: u16,
    },
}

/// What a device takes in one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writing {
    pub function: WriteFunction,
    pub registers: u16,
    pub coils: u16,
}

impl Default for Writing {
    fn default() -> Self {
        Self { function: WriteFunction::Auto, registers: MAX_WRITE_REGISTERS, coils: MAX_WRITE_BITS }
    }
}

impl From<&ModbusDevice> for Writing {
    fn from(device: &ModbusDevice) -> Self {
        let limit = |own: Option<i32>, most: u16| {
            own.and_then(|own| u16::try_from(own).ok()).map_or(most, |own| own.clamp(1, most))
        };
        let limits = device.limits.as_ref();
        Self {
            function: device.write_function.unwrap_or_default(),
            registers: limit(limits.and_then(|l| l.write_registers), MAX_WRITE_REGISTERS),
            coils: limit(limits.and_then(|l| l.write_bits), MAX_WRITE_BITS),
        }
    }
}

impl Writing {
    /// Why a value of this width cannot be written: it leaves in one request, or not at all.
    pub fn refuse(self, table: Table, width: u16) -> Option<String> {
        let (most, what) = match table {
            Table::Coil | Table::Discrete => (self.coils, "coils"),
            Table::Input | Table::Holding => (self.registers, "registers"),
        };
        if self.function == WriteFunction::Single && width > 1 {
            return Some(format!("takes {width} {what}, writeFunction Single writes one: access must be ReadOnly"));
        }
        (width > most).then(|| format!("takes {width} {what}, one write carries {most}: access must be ReadOnly"))
    }

    /// Function 22 is for devices that nobody told to take others only.
    pub fn may_mask(self) -> bool {
        self.function == WriteFunction::Auto
    }

    fn may_single(self) -> bool {
        self.function != WriteFunction::Multiple
    }

    fn merged(self, most: u16) -> u16 {
        if self.function == WriteFunction::Single { 1 } else { most }
    }
}

impl What {
    /// `current`: what the register of bits holds; of no meaning to the others.
    pub fn request(&self, current: u16, writing: Writing) -> Request<'_> {
        let single = writing.may_single();
        match self {
            Self::Coils(at, coils) => match coils.as_slice() {
                [one] if single => Request::WriteSingleCoil(*at, *one),
                many => Request::WriteMultipleCoils(*at, many.into()),
            },
            Self::Words(at, words) => match words.as_slice() {
                [one] if single => Request::WriteSingleRegister(*at, *one),
                many => Request::WriteMultipleRegisters(*at, many.into()),
            },
            Self::Bits { address, set, clear } => {
                let word = current & !clear | set;
                if single {
                    Request::WriteSingleRegister(*address, word)
                } else {
                    Request::WriteMultipleRegisters(*address, vec![word].into())
                }
            }
        }
    }

    /// Bits by function 22, which is one request and leaves the others alone: (register and AND) or (OR and not AND).
    pub fn mask(&self) -> Option<Request<'static>> {
        match self {
            Self::Bits { address, set, clear } => Some(Request::MaskWriteRegister(*address, !(set | clear), *set)),
            Self::Coils(..) | Self::Words(..) => None,
        }
    }

    /// What it writes first, where that is acknowledged by a repetition of the request (5, 6, 22).
    pub fn repeated(&self, mask: bool, writing: Writing) -> Option<Range> {
        let (table, start) = match self {
            Self::Bits { address, .. } if mask => (Table::Holding, *address),
            Self::Coils(at, coils) if coils.len() == 1 && writing.may_single() => (Table::Coil, *at),
            Self::Words(at, words) if words.len() == 1 && writing.may_single() => (Table::Holding, *at),
            _ => return None, // bits are read before they are written
        };
        Some(Range { table, start, count: 1 })
    }

    /// All that it writes.
    pub fn place(&self) -> Range {
        let count = |many: usize| u16::try_from(many).unwrap_or(u16::MAX);
        match self {
            Self::Coils(at, coils) => Range { table: Table::Coil, start: *at, count: count(coils.len()) },
            Self::Words(at, words) => Range { table: Table::Holding, start: *at, count: count(words.len()) },
            Self::Bits { address, .. } => Range { table: Table::Holding, start: *address, count: 1 },
        }
    }

    /// Requests that it takes at most: of bits a function 22 that is refused, a read and a write.
    pub fn requests(&self) -> u32 {
        match self {
            Self::Coils(..) | Self::Words(..) => 1,
            Self::Bits { .. } => 3,
        }
    }

    /// Takes in what follows, or gives it back.
    fn merge(&mut self, next: Self, writing: Writing) -> Result<(), Self> {
        match (&mut *self, next) {
            (Self::Coils(at, coils), Self::Coils(start, more))
                if follows(*at, coils.len(), more.len(), start, writing.merged(writing.coils)) =>
            {
                coils.extend(more);
            }
            (Self::Words(at, words), Self::Words(start, more))
                if follows(*at, words.len(), more.len(), start, writing.merged(writing.registers)) =>
            {
                words.extend(more);
            }
            (Self::Bits { address, set, clear }, Self::Bits { address: same, set: on, clear: off })
                if *address == same =>
            {
                (*set, *clear) = (*set & !off | on, *clear & !on | off);
            }
            (_, next) => return Err(next),
        }
        Ok(())
    }
}

fn follows(at: u16, len: usize, more: usize, start: u16, most: u16) -> bool {
    usize::from(at) + len == usize::from(start) && len + more <= usize::from(most)
}

/// In one request where the values stand side by side, else in the order given.
pub fn steps<'a>(group: impl IntoIterator<Item = (&'a Item, Encoded)>, writing: Writing) -> Vec<Step> {
    let given: Vec<Step> = group.into_iter().enumerate().map(|(at, (item, value))| single(at, item, value)).collect();
    let mut sorted = given.clone();
    sorted.sort_by_key(|step| (matches!(step.what, What::Coils(..)), address(&step.what)));
    let merged = merge(sorted, writing);
    if merged.len() == 1 { merged } else { merge(given, writing) }
}

fn single(at: usize, item: &Item, value: Encoded) -> Step {
    let start = item.range.start;
    let what = match value {
        Encoded::Coils(coils) => What::Coils(start, coils),
        Encoded::Words(words) => What::Words(start, words),
        Encoded::Field { set, clear } => What::Bits { address: start, set, clear },
    };
    Step { values: vec![at], what }
}

fn address(what: &What) -> u16 {
    match what {
        What::Coils(at, _) | What::Words(at, _) | What::Bits { address: at, .. } => *at,
    }
}

fn merge(steps: Vec<Step>, writing: Writing) -> Vec<Step> {
    let mut out: Vec<Step> = vec![];
    for Step { values, what } in steps {
        let rest = match out.last_mut() {
            Some(last) => last.what.merge(what, writing).map(|()| last.values.extend(&values)),
            None => Err(what),
        };
        if let Err(what) = rest {
            out.push(Step { values, what });
        }
    }
    out
}
