//! The same registers in every type and byte order, and which of them make sense. Pure.
use super::{table::aligned, words};
use pollux_crds::{ByteOrder, ModbusDataType as Type};

pub(super) const ORDERS: [(&str, ByteOrder); 4] =
    [("ABCD", ByteOrder::Abcd), ("BADC", ByteOrder::Badc), ("CDAB", ByteOrder::Cdab), ("DCBA", ByteOrder::Dcba)];
const NARROW: [(&str, Type); 5] = [
    ("int16", Type::Int16),
    ("uint16", Type::Uint16),
    ("int32", Type::Int32),
    ("uint32", Type::Uint32),
    ("float32", Type::Float32),
];
const WIDE: [(&str, Type); 3] = [("int64", Type::Int64), ("uint64", Type::Uint64), ("float64", Type::Float64)];
/// What the mark means.
pub(super) const LEGEND: &str = "* plausible: a float of magnitude 0.000001 to 1000000000, a whole number of 32 or 64 bits below 10 \
    million whose lowest byte is not 0";

/// One reading of the registers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Guess {
    pub(super) kind: Type,
    pub(super) order: ByteOrder,
    pub(super) name: &'static str,
    pub(super) text: String,
    pub(super) plausible: bool,
}

/// Every reading that the registers are enough for; the orders of one register are two.
pub(super) fn readings(registers: &[u16]) -> Vec<Guess> {
    let bytes: Vec<u8> = registers.iter().flat_map(|word| word.to_be_bytes()).collect();
    let mut guesses = vec![];
    for (_, kind) in NARROW.into_iter().chain(WIDE) {
        for (name, order) in ORDERS {
            let one_register = matches!(kind, Type::Int16 | Type::Uint16);
            if one_register && matches!(order, ByteOrder::Cdab | ByteOrder::Dcba) {
                continue;
            }
            if let Some((text, plausible)) = reading(kind, order, &bytes) {
                guesses.push(Guess { kind, order, name, text, plausible });
            }
        }
    }
    guesses
}

fn reading(kind: Type, order: ByteOrder, bytes: &[u8]) -> Option<(String, bool)> {
    match kind {
        Type::Int16 => arranged(bytes, order).map(|b| (i16::from_be_bytes(b).to_string(), false)),
        Type::Uint16 => arranged(bytes, order).map(|b| (u16::from_be_bytes(b).to_string(), false)),
        Type::Int32 => arranged(bytes, order).map(i32::from_be_bytes).map(|v| (v.to_string(), small(v.into()))),
        Type::Uint32 => arranged(bytes, order).map(u32::from_be_bytes).map(|v| (v.to_string(), small(v.into()))),
        Type::Int64 => arranged(bytes, order).map(i64::from_be_bytes).map(|v| (v.to_string(), small(v.into()))),
        Type::Uint64 => arranged(bytes, order).map(u64::from_be_bytes).map(|v| (v.to_string(), small(v.into()))),
        Type::Float32 => {
            arranged(bytes, order).map(f32::from_be_bytes).map(|v| (float(v.into(), v.to_string()), sane(v.into())))
        }
        Type::Float64 => arranged(bytes, order).map(f64::from_be_bytes).map(|v| (float(v, v.to_string()), sane(v))),
        _ => None,
    }
}

/// The bytes of a value, most significant first, where they stand in `order` on the wire.
fn arranged<const N: usize>(bytes: &[u8], order: ByteOrder) -> Option<[u8; N]> {
    let mut value = *bytes.first_chunk::<N>()?;
    if matches!(order, ByteOrder::Cdab | ByteOrder::Dcba) {
        value.reverse();
    }
    if matches!(order, ByteOrder::Badc | ByteOrder::Cdab) {
        value.chunks_exact_mut(2).for_each(<[u8]>::reverse);
    }
    Some(value)
}

fn small(value: i128) -> bool {
    (1..10_000_000).contains(&value.abs()) && value.rem_euclid(256) != 0
}
fn sane(value: f64) -> bool {
    (1e-6..1e9).contains(&value.abs())
}
/// Without a row of zeros.
fn float(value: f64, plain: String) -> String {
    if value == 0.0 || !value.is_finite() || (1e-4..1e9).contains(&value.abs()) {
        plain
    } else {
        format!("{value:.4e}")
    }
}

/// Types down, orders across; what is plausible has a star.
pub(super) fn table(guesses: &[Guess]) -> String {
    let head = std::iter::once(String::new()).chain(ORDERS.map(|(name, _)| name.to_owned())).collect();
    let mut rows = vec![head];
    for (name, kind) in NARROW.into_iter().chain(WIDE) {
        let of = |order| guesses.iter().find(|guess| guess.kind == kind && guess.order == order);
        let cell =
            |order| of(order).map_or(String::new(), |g| format!("{}{}", g.text, if g.plausible { " *" } else { "" }));
        if guesses.iter().any(|guess| guess.kind == kind) {
            rows.push(std::iter::once(name.to_owned()).chain(ORDERS.map(|(_, order)| cell(order))).collect());
        }
    }
    aligned(&rows, &[])
}

/// What to make of it, for the type that was asked for or, where none was, for floats.
pub(super) fn verdict(guesses: &[Guess], kind: Option<Type>) -> String {
    let kind = kind.unwrap_or(Type::Float32);
    let Some((name, _)) = NARROW.into_iter().chain(WIDE).find(|(_, known)| *known == kind) else {
        return format!("{} is not in this table: read it without --all-orders", words::type_name(kind));
    };
    let of_kind: Vec<&Guess> = guesses.iter().filter(|guess| guess.kind == kind).collect();
    let likely: Vec<String> =
        of_kind.iter().filter(|g| g.plausible).map(|g| format!("{} ({})", g.name, g.text)).collect();
    match likely.as_slice() {
        _ if matches!(kind, Type::Int16 | Type::Uint16) => {
            format!("{name} is one register: ABCD unless the device swaps bytes")
        }
        _ if of_kind.is_empty() => format!("{name} takes more registers than can be read here"),
        _ if of_kind.iter().all(|g| g.text == "0") => {
            format!("all registers are 0: {name} is 0 in every order; read again when it is not")
        }
        [] => format!("{name} is plausible in no order: another type, or another address?"),
        [one] => format!("{name} is plausible in one order: {one}"),
        several => {
            format!("{name} is plausible in several orders: {}; compare with the device's display", several.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only plausible orders of a type.
    fn plausible(registers: &[u16], kind: Type) -> Vec<&'static str> {
        readings(registers).iter().filter(|g| g.kind == kind && g.plausible).map(|g| g.name).collect()
    }

    #[test]
    fn a_float_is_found_in_whatever_order_it_stands() {
        // 21.5 is 0x41AC0000, 123.456 is 0x42F6E979
        for (registers, order) in
            [([0x41AC, 0], "ABCD"), ([0xAC41, 0], "BADC"), ([0, 0x41AC], "CDAB"), ([0, 0xAC41], "DCBA")]
        {
            assert_eq!(plausible(&registers, Type::Float32), [order]);
        }
        for (registers, order) in [
            ([0x42F6, 0xE979], "ABCD"),
            ([0xF642, 0x79E9], "BADC"),
            ([0xE979, 0x42F6], "CDAB"),
            ([0x79E9, 0xF642], "DCBA"),
        ] {
            assert_eq!(plausible(&registers, Type::Float32), [order]);
            let value = readings(&registers).into_iter().find(|g| g.kind == Type::Float32 && g.plausible).unwrap().text;
            assert_eq!(value, "123.456");
        }
        // -0.5 as a double is 0xBFE0000000000000
        assert_eq!(plausible(&[0xBFE0, 0, 0, 0], Type::Float64), ["ABCD"]);
        assert_eq!(plausible(&[0, 0, 0, 0xBFE0], Type::Float64), ["CDAB"]);
    }

    #[test]
    fn a_counter_is_found_by_its_empty_upper_half() {
        assert_eq!(plausible(&[0, 70], Type::Uint32), ["ABCD"]);
        assert_eq!(plausible(&[70, 0], Type::Uint32), ["CDAB"]);
        assert_eq!(plausible(&[0x000A, 0xBCDE], Type::Int32), ["ABCD"]);
        assert!(plausible(&[0xFFFF, 0xFFFE], Type::Int32).contains(&"ABCD"), "minus two");
    }

    #[test]
    fn the_table_is_what_a_person_reads() {
        let expected = "         ABCD        BADC         CDAB        DCBA
int16    16812       -21439
uint16   16812       44097
int32    1101791232  -1405026304  16812 *     44097 *
uint32   1101791232  2889940992   16812 *     44097 *
float32  21.5 *      -2.7427e-12  2.3559e-41  6.1793e-41
";
        assert_eq!(table(&readings(&[0x41AC, 0])), expected);
        let wide = table(&readings(&[0x4035, 0x8000, 0, 0]));
        assert!(wide.contains("\nfloat64  21.5 *"), "{wide}");
    }

    #[test]
    fn the_verdict_is_about_what_was_asked_for() {
        let say = |registers: &[u16], kind| verdict(&readings(registers), kind);
        assert_eq!(say(&[0x41AC, 0], None), "float32 is plausible in one order: ABCD (21.5)");
        assert_eq!(
            say(&[0x41AC, 0], Some(Type::Uint32)),
            "uint32 is plausible in several orders: CDAB (16812), DCBA (44097); compare with the device's display"
        );
        assert_eq!(say(&[0, 0], None), "all registers are 0: float32 is 0 in every order; read again when it is not");
        assert_eq!(say(&[0xFFFF, 0xFFFF], None), "float32 is plausible in no order: another type, or another address?");
        assert_eq!(
            say(&[0x1234, 0x5678], Some(Type::Bcd32)),
            "bcd32 is not in this table: read it without --all-orders"
        );
        assert_eq!(say(&[0x41AC], None), "float32 takes more registers than can be read here");
        assert_eq!(say(&[7], Some(Type::Int16)), "int16 is one register: ABCD unless the device swaps bytes");
        assert_eq!(say(&[7, 0], Some(Type::Int16)), "int16 is one register: ABCD unless the device swaps bytes");
    }
}
