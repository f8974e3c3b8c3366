//! Numbers on their way from the columns to the twins: most of what changes, in as few bytes as can be.
use crate::{Change, DeviceKey, port::Number, value::join};

/// The newest numbers of some points, device by device.
#[derive(Debug, Default, PartialEq)]
pub struct Figures {
    parts: Vec<Part>,
    /// Their slots are positions in their device's points.
    numbers: Vec<Number>,
}

/// Those of one device.
#[derive(Debug, PartialEq)]
struct Part {
    device: DeviceKey,
    generation: u16,
    begin: usize,
}

impl Figures {
    pub(crate) fn reserve(&mut self, numbers: usize) {
        self.numbers.reserve(numbers);
    }
    /// What is pushed from now on is of this device.
    pub(crate) fn begin(&mut self, device: DeviceKey, generation: u16) {
        self.parts.push(Part { device, generation, begin: self.numbers.len() });
    }
    pub(crate) fn push(&mut self, number: Number) {
        self.numbers.push(number);
    }
    /// How many numbers they are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }
    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
    /// Device, generation of its layout, and its numbers.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (DeviceKey, u16, &[Number])> {
        let ends = self.parts.iter().skip(1).map(|part| part.begin).chain([self.numbers.len()]);
        let numbers = |part: &Part, end| self.numbers.get(part.begin..end).unwrap_or_default();
        self.parts.iter().zip(ends).map(move |(part, end)| (part.device, part.generation, numbers(part, end)))
    }
    /// Each as a change of its point.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        self.parts().flat_map(|(device, generation, numbers)| {
            numbers.iter().filter_map(move |n| {
                let value = Ok(join(n.kind, n.bits)?);
                Some(Change {
                    device,
                    point: n.slot.0,
                    generation,
                    quality: n.quality,
                    reason: None,
                    time: n.time,
                    value,
                })
            })
        })
    }
}
