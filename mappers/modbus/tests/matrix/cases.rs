//! The cases of `e2e/peers/matrix.py`, and which there must be: what the types of the API have, by the rules of the reference page.
use crate::common::peer::{python, script};
use pollux_crds::{ByteOrder, ModbusBinding, ModbusDataType, ModbusEncoding, ModbusTable, ModbusTrim, WriteFunction};
use pollux_mapper::Value;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value as Json;
use std::{any::type_name, collections::BTreeSet, process::Command, sync::Arc};

/// A format and an order of bytes; coils have none.
pub(crate) type Row = (String, Option<String>);

#[derive(Debug, Deserialize)]
pub(crate) struct Case {
    format: String,
    order: Option<String>,
    binding: Json,
    value: Json,
    pub(crate) before: Vec<u16>,
    pub(crate) read: Vec<u16>,
    /// None: it cannot be written.
    pub(crate) written: Option<Vec<u16>>,
}

/// What decides by which function a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Coil,
    Coils,
    /// Bits of a register.
    Part,
    Word,
    Words,
}

impl Case {
    pub(crate) fn row(&self) -> Row {
        (self.format.clone(), self.order.clone())
    }
    pub(crate) fn is_bits(&self) -> bool {
        self.format.starts_with("coil")
    }
    pub(crate) fn width(&self) -> u16 {
        u16::try_from(self.read.len()).expect("short")
    }
    pub(crate) fn at(&self, table: ModbusTable, address: u16) -> ModbusBinding {
        let binding: ModbusBinding = serde_json::from_value(self.binding.clone()).expect("a binding");
        ModbusBinding { table: Some(table), address: Some(address.into()), ..binding }
    }
    /// As a desired value comes to the driver.
    pub(crate) fn value(&self) -> Value {
        match &self.value {
            Json::Array(bytes) if self.format == "bytes" => Value::Bytes(
                bytes.iter().map(|byte| u8::try_from(byte.as_u64().expect("it is")).expect("a byte")).collect(),
            ),
            Json::Bool(on) => Value::Bool(*on),
            Json::String(text) => Value::from(text.as_str()),
            Json::Number(n) if n.is_i64() => Value::Int(n.as_i64().expect("it is")),
            Json::Number(n) if n.is_u64() => Value::Uint(n.as_u64().expect("it is")),
            Json::Number(n) => Value::Float(n.as_f64().expect("a number")),
            other => Value::Json(Arc::new(other.clone())),
        }
    }
    /// Whether that is what was read.
    pub(crate) fn is(&self, read: &Value) -> bool {
        match (self.value(), read) {
            (Value::Float(wanted), Value::Float(read)) => wanted.to_bits() == read.to_bits(),
            (wanted, read) if wanted.as_i128().is_some() => wanted.as_i128() == read.as_i128(),
            (wanted, read) => wanted == *read,
        }
    }
    /// The function by which it must be written; None where it cannot be.
    pub(crate) fn function(&self, setting: WriteFunction) -> Option<u8> {
        use WriteFunction::{Auto, Single};
        self.written.as_ref()?;
        Some(match (self.kind(), setting) {
            (Kind::Coil, Auto | Single) => 5,
            (Kind::Coils | Kind::Words, Single) => return None,
            (Kind::Coil | Kind::Coils, _) => 15,
            (Kind::Part, Auto) => 22,
            (Kind::Part | Kind::Word, Single) | (Kind::Word, Auto) => 6,
            (Kind::Part | Kind::Word | Kind::Words, _) => 16,
        })
    }
    fn kind(&self) -> Kind {
        let byte = ["int8l", "int8h", "uint8l", "uint8h", "bit", "bits"].contains(&self.format.as_str());
        match (self.is_bits(), self.width()) {
            (true, 1) => Kind::Coil,
            (true, _) => Kind::Coils,
            (false, 1) if byte => Kind::Part,
            (false, 1) => Kind::Word,
            (false, _) => Kind::Words,
        }
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let output = Command::new(python()).arg(script("matrix.py")).output().expect("POLLUX_PYTHON starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The names of an enum, as serde says what it expects: one that is new to the API is new here.
fn names<T: DeserializeOwned + std::fmt::Debug>() -> Vec<String> {
    let error = serde_json::from_str::<T>("\"?\"").expect_err("no such name").to_string();
    let (_, expected) = error.split_once("expected").unwrap_or_else(|| panic!("{}: {error}", type_name::<T>()));
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Every row that docs/reference/modbus.md has.
pub(crate) fn rows() -> BTreeSet<Row> {
    let orders = names::<ByteOrder>();
    let of = |format: &str, fits: &dyn Fn(&str) -> bool| -> Vec<Row> {
        orders.iter().filter(|order| fits(order)).map(|order| (format.to_owned(), Some(order.clone()))).collect()
    };
    let (any, four) = (|_: &str| true, |order: &str| order.len() == 4);
    let of_text = |order: &str| matches!(order, "ABCD" | "BADC");
    let mut rows: BTreeSet<Row> = ["coil", "coil[]"].map(|format| (format.to_owned(), None)).into();
    rows.extend(["bit", "bits"].iter().flat_map(|format| of(format, &four)));
    let plain = ["string", "bytes"];
    for format in names::<ModbusDataType>().iter().filter(|format| !plain.contains(&format.as_str())) {
        let long = format.ends_with("64") || format == "cp56";
        let fits: &dyn Fn(&str) -> bool = if long { &any } else { &four };
        rows.extend(of(format, fits));
        rows.extend(of(&format!("{format}[]"), fits));
    }
    rows.extend(["string[]", "bytes"].iter().flat_map(|format| of(format, &of_text)));
    for encoding in names::<ModbusEncoding>() {
        let each = names::<ModbusTrim>();
        rows.extend(each.iter().flat_map(|trim| of(&format!("string {encoding} {trim}"), &of_text)));
    }
    rows
}
