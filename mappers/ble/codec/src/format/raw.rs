//! Bytes as one unsigned number, and back.
use super::{Bits, ByteOrder, DataType};

/// Where in its bytes a number is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) data_type: DataType,
    pub(crate) order: ByteOrder,
    pub(crate) bits: Option<Bits>,
}

impl Shape {
    /// Its lowest bit, and how many there are.
    pub(crate) fn place(self) -> (u32, u32) {
        self.bits.map_or((0, self.data_type.width().unwrap_or(0)), |bits| (bits.first, bits.count))
    }
    /// The pattern at its place; of bytes that are too few, what there is.
    pub(crate) fn get(self, bytes: &[u8]) -> u64 {
        let (first, count) = self.place();
        unsigned(bytes, self.order).checked_shr(first).unwrap_or(0) & mask(count)
    }
    /// Puts a pattern to its place.
    pub(crate) fn put(self, bytes: &mut [u8], pattern: u64) {
        let (first, count) = self.place();
        let place = mask(count).checked_shl(first).unwrap_or(0);
        let changed = unsigned(bytes, self.order) & !place | pattern.checked_shl(first).unwrap_or(0) & place;
        let little = changed.to_le_bytes();
        match self.order {
            ByteOrder::Little => bytes.iter_mut().zip(little).for_each(|(byte, new)| *byte = new),
            ByteOrder::Big => bytes.iter_mut().rev().zip(little).for_each(|(byte, new)| *byte = new),
        }
    }
}

/// Of more than 8 bytes, the lower ones.
pub(crate) fn unsigned(bytes: &[u8], order: ByteOrder) -> u64 {
    let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    match order {
        ByteOrder::Little => bytes.iter().rev().fold(0, add),
        ByteOrder::Big => bytes.iter().fold(0, add),
    }
}

/// That many ones.
pub(crate) fn mask(bits: u32) -> u64 {
    u64::MAX.checked_shr(64 - bits.min(64)).unwrap_or(0)
}

/// Two's complement of that many bits.
pub(crate) fn signed(pattern: u64, bits: u32) -> i64 {
    let unused = 64 - bits.clamp(1, 64);
    (pattern << unused).cast_signed() >> unused
}
