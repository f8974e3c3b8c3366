//! Values of one group to write requests: adjacent ones leave in one function 15 or 16. Pure.
use crate::{
    frame::{MAX_WRITE_BITS, MAX_WRITE_REGISTERS, Request},
    unit::Item,
    values::Encoded,
};

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

impl What {
    /// `current`: what the register of bits holds; of no meaning to the others.
    pub fn request(&self, current: u16) -> Request<'_> {
        match self {
            Self::Coils(at, coils) => match coils.as_slice() {
                [one] => Request::WriteSingleCoil(*at, *one),
                many => Request::WriteMultipleCoils(*at, many.into()),
            },
            Self::Words(at, words) => match words.as_slice() {
                [one] => Request::WriteSingleRegister(*at, *one),
                many => Request::WriteMultipleRegisters(*at, many.into()),
            },
            Self::Bits { address, set, clear } => Request::WriteSingleRegister(*address, current & !clear | set),
        }
    }

    /// Requests that it takes.
    pub fn requests(&self) -> u32 {
        match self {
            Self::Coils(..) | Self::Words(..) => 1,
            Self::Bits { .. } => 2,
        }
    }

    /// Takes in what follows, or gives it back.
    fn merge(&mut self, next: Self) -> Result<(), Self> {
        match (&mut *self, next) {
            (Self::Coils(at, coils), Self::Coils(start, more))
                if follows(*at, coils.len(), more.len(), start, MAX_WRITE_BITS) =>
            {
                coils.extend(more);
            }
            (Self::Words(at, words), Self::Words(start, more))
                if follows(*at, words.len(), more.len(), start, MAX_WRITE_REGISTERS) =>
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
pub fn steps<'a>(group: impl IntoIterator<Item = (&'a Item, Encoded)>) -> Vec<Step> {
    let given: Vec<Step> = group.into_iter().enumerate().map(|(at, (item, value))| single(at, item, value)).collect();
    let mut sorted = given.clone();
    sorted.sort_by_key(|step| (matches!(step.what, What::Coils(..)), address(&step.what)));
    let merged = merge(sorted);
    if merged.len() == 1 { merged } else { merge(given) }
}

fn single(at: usize, item: &Item, value: Encoded) -> Step {
    let start = item.range.start;
    let what = match value {
        Encoded::Coil(on) => What::Coils(start, vec![on]),
        Encoded::Words(words) => What::Words(start, words),
        Encoded::Bit(bit, on) => {
            let mask = 1_u16.checked_shl(bit.into()).unwrap_or(0);
            What::Bits { address: start, set: if on { mask } else { 0 }, clear: if on { 0 } else { mask } }
        }
    };
    Step { values: vec![at], what }
}

fn address(what: &What) -> u16 {
    match what {
        What::Coils(at, _) | What::Words(at, _) | What::Bits { address: at, .. } => *at,
    }
}

fn merge(steps: Vec<Step>) -> Vec<Step> {
    let mut out: Vec<Step> = vec![];
    for Step { values, what } in steps {
        let rest = match out.last_mut() {
            Some(last) => last.what.merge(what).map(|()| last.values.extend(&values)),
            None => Err(what),
        };
        if let Err(what) = rest {
            out.push(Step { values, what });
        }
    }
    out
}
