//! Every format in every order. A case names one by its place here.
use crate::common::{registers, unit};
use pollux_crds::{
    ByteOrder::{Abcd, AbcdEfgh, Badc, BadcFehg, Cdab, Dcba, GhefCdab, HgfeDcba},
    ModbusBinding, ModbusDataType as Type, ModbusEncoding as Encoding,
    ModbusTable::Holding,
    ModbusTrim as Trim,
};
use pollux_modbus::values::Format;
use std::sync::LazyLock;

pub(crate) static FORMATS: LazyLock<Vec<Format>> = LazyLock::new(|| {
    use Type::{
        Bcd16, Bcd32, Bcd64, Cp56, Float16, Float32, Float64, Int8H, Int8L, Int16, Int32, Int64, M10K32, M10K48,
        M10K64, SignMagnitude16, SignMagnitude32, Uint8H, Uint8L, Uint16, Uint32, Uint64,
    };
    let types = [
        Int8L,
        Int8H,
        Uint8L,
        Uint8H,
        Int16,
        Uint16,
        Int32,
        Uint32,
        Int64,
        Uint64,
        Float16,
        Float32,
        Float64,
        Bcd16,
        Bcd32,
        Bcd64,
        M10K32,
        M10K48,
        M10K64,
        SignMagnitude16,
        SignMagnitude32,
        Cp56,
    ];
    let orders = [Abcd, Badc, Cdab, Dcba];
    let numbers = types.iter().flat_map(|kind| {
        let plain = registers(Holding, 0, *kind);
        orders.map(|order| ModbusBinding { byte_order: Some(order), ..plain.clone() })
    });
    let encodings = [Encoding::Ascii, Encoding::Utf8, Encoding::Latin1, Encoding::Gbk, Encoding::Utf16];
    let text = encodings.into_iter().flat_map(|encoding| {
        let string = ModbusBinding { encoding: Some(encoding), ..registers(Holding, 0, Type::String) };
        [1, 4, 123].map(|length| ModbusBinding { length: Some(length), ..string.clone() })
    });
    let bit = ModbusBinding { data_type: None, bit: Some(9), ..registers(Holding, 0, Type::Uint16) };
    let array = ModbusBinding { count: Some(3), ..registers(Holding, 0, Float32) };
    let of_both = [bit.clone(), array];
    // What came later stands behind, so that a first byte of the corpus means what it meant.
    let long = [Type::Int64, Type::Uint64, Float64, Bcd64, M10K64, Cp56].into_iter().flat_map(|kind| {
        let plain = registers(Holding, 0, kind);
        [AbcdEfgh, BadcFehg, GhefCdab, HgfeDcba].map(|order| ModbusBinding { byte_order: Some(order), ..plain.clone() })
    });
    let arrays = types.iter().chain([&Type::String]).flat_map(|kind| {
        let length = (*kind == Type::String).then_some(3);
        let several = ModbusBinding { count: Some(2), length, ..registers(Holding, 0, *kind) };
        [Abcd, Badc].map(|order| ModbusBinding { byte_order: Some(order), ..several.clone() })
    });
    let parts = (0..16).flat_map(|low| {
        let bit = ModbusBinding { bit: Some(low), byte_order: Some(Badc), ..bit.clone() };
        (1..=16 - low).step_by(5).map(move |bits| ModbusBinding { bits: Some(bits), ..bit.clone() })
    });
    let trims = encodings.into_iter().flat_map(|encoding| {
        let string = ModbusBinding { encoding: Some(encoding), length: Some(5), ..registers(Holding, 0, Type::String) };
        [Trim::Both, Trim::None].map(|trim| ModbusBinding {
            trim: Some(trim),
            byte_order: Some(Badc),
            ..string.clone()
        })
    });
    let block = ModbusBinding { length: Some(4), ..registers(Holding, 0, Type::Bytes) };
    let blocks = [Abcd, Badc].map(|order| ModbusBinding { byte_order: Some(order), ..block.clone() });
    let all = numbers.chain(text).chain(of_both).chain(long).chain(arrays).chain(parts).chain(trims).chain(blocks);
    let all: Vec<_> =
        all.map(|binding| (!is_bytes(&binding), binding)).map(|(able, binding)| (binding, able, None)).collect();
    unit(1, &all).expect("valid").items().iter().map(|item| item.format).collect()
});

/// An array of single bytes is read only.
fn is_bytes(binding: &ModbusBinding) -> bool {
    use Type::{Int8H, Int8L, Uint8H, Uint8L};
    binding.count.is_some() && matches!(binding.data_type, Some(Int8L | Int8H | Uint8L | Uint8H))
}
