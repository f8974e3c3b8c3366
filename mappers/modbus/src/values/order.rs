//! The four orders of bytes, and of registers, that devices have.
use pollux_crds::ByteOrder;

/// Bytes of the wire to most significant first; the other way round it is the same.
fn arrange(bytes: &mut [u8], order: ByteOrder) {
    let order = order.pattern();
    if matches!(order, ByteOrder::Cdab | ByteOrder::Dcba) {
        bytes.reverse(); // all bytes: registers and what is in them
    }
    if matches!(order, ByteOrder::Badc | ByteOrder::Cdab) {
        bytes.chunks_exact_mut(2).for_each(<[u8]>::reverse);
    }
}

/// The bits of up to four registers as one number, the most significant first whatever their order on the wire.
#[inline]
pub(super) fn gather(data: &[u8], order: ByteOrder) -> u64 {
    match data {
        [a, b] => word(&[*a, *b], order).into(),
        [a, b, c, d] => pair(u32::from_be_bytes([*a, *b, *c, *d]), order).into(),
        _ => gather_any(data, order),
    }
}
/// Two registers, which most values have.
#[inline]
fn pair(bits: u32, order: ByteOrder) -> u32 {
    match order.pattern() {
        ByteOrder::Badc => bits.swap_bytes().rotate_left(16),
        ByteOrder::Cdab => bits.rotate_left(16),
        ByteOrder::Dcba => bits.swap_bytes(),
        _ => bits,
    }
}
fn gather_any(data: &[u8], order: ByteOrder) -> u64 {
    let mut bytes = [0; 8];
    let from = bytes.len().saturating_sub(data.len());
    if let Some(used) = bytes.get_mut(from..).filter(|used| used.len() == data.len()) {
        used.copy_from_slice(data);
        arrange(used, order);
    }
    u64::from_be_bytes(bytes)
}

/// The other way: the lowest bits of a number as so many registers.
pub(super) fn scatter(bits: u64, registers: u16, order: ByteOrder) -> Vec<u16> {
    let mut bytes = bits.to_be_bytes();
    let from = bytes.len().saturating_sub(usize::from(registers) * 2);
    let Some(used) = bytes.get_mut(from..) else { return vec![] };
    arrange(used, order);
    words(used)
}

/// One register, its bytes swapped where the order says so.
pub(super) fn word(data: &[u8], order: ByteOrder) -> u16 {
    let word = data.first_chunk().map_or(0, |pair| u16::from_be_bytes(*pair));
    if swaps(order) { word.swap_bytes() } else { word }
}

/// The two bytes of each register, where the order says so.
pub(super) fn swap(bytes: &mut [u8], order: ByteOrder) {
    if swaps(order) {
        bytes.chunks_exact_mut(2).for_each(<[u8]>::reverse);
    }
}

/// Within one register.
fn swaps(order: ByteOrder) -> bool {
    matches!(order.pattern(), ByteOrder::Badc | ByteOrder::Dcba)
}

pub(super) fn words(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).filter_map(|pair| pair.first_chunk()).map(|pair| u16::from_be_bytes(*pair)).collect()
}
