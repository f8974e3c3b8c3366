use super::*;
use crate::types::{Enumeration, Field, Kind, NodeType, Presence, Structure};
use opcua::types::{
    Array, ByteString, DateTime, ExtensionObject, Guid, LocalizedText, NodeId, QualifiedName, StatusCode, UAString,
    VariantScalarTypeId as Scalar, type_loader::ByteStringBody,
};
use proptest::prelude::*;
use serde_json::json;

fn one(scalar: Scalar) -> NodeType {
    NodeType::plain(scalar, -1)
}
fn list(scalar: Scalar) -> NodeType {
    NodeType::plain(scalar, 1)
}
fn array(value_type: Scalar, values: Vec<Variant>, dimensions: Option<Vec<u32>>) -> Variant {
    Variant::Array(Box::new(Array { value_type, values, dimensions }))
}
/// One value of each built-in type that can be written, and what the twin has of it.
fn built_in() -> Vec<(Scalar, Variant, Value)> {
    let json = |json: serde_json::Value| Value::Json(Arc::new(json));
    vec![
        (Scalar::Boolean, Variant::Boolean(true), Value::Bool(true)),
        (Scalar::SByte, Variant::SByte(-128), Value::Int(-128)),
        (Scalar::Byte, Variant::Byte(255), Value::Uint(255)),
        (Scalar::Int16, Variant::Int16(i16::MIN), Value::Int(i16::MIN.into())),
        (Scalar::UInt16, Variant::UInt16(u16::MAX), Value::Uint(u16::MAX.into())),
        (Scalar::Int32, Variant::Int32(i32::MIN), Value::Int(i32::MIN.into())),
        (Scalar::UInt32, Variant::UInt32(u32::MAX), Value::Uint(u32::MAX.into())),
        (Scalar::Int64, Variant::Int64(i64::MIN), Value::Int(i64::MIN)),
        (Scalar::UInt64, Variant::UInt64(u64::MAX), Value::Uint(u64::MAX)),
        (Scalar::Float, Variant::Float(21.3), Value::from(21.3_f32)),
        (Scalar::Double, Variant::Double(1e-300), Value::Float(1e-300)),
        (Scalar::String, Variant::String("Grüße".into()), Value::from("Grüße")),
        (
            Scalar::DateTime,
            Variant::DateTime(Box::new(DateTime::from(133_000_000_001_234_567))),
            Value::from("2022-06-18T04:26:40.1234567Z"),
        ),
        (
            Scalar::Guid,
            Variant::Guid(Box::new("09087e75-8e5e-499b-954f-f2a9603db28a".parse::<Guid>().unwrap())),
            Value::from("09087e75-8e5e-499b-954f-f2a9603db28a"),
        ),
        (Scalar::ByteString, Variant::ByteString(vec![1, 2, 255].into()), Value::Bytes(Arc::from([1, 2, 255]))),
        (Scalar::XmlElement, Variant::XmlElement("<a/>".into()), Value::from("<a/>")),
        (Scalar::NodeId, Variant::NodeId(Box::new(NodeId::new(2, "a;b"))), Value::from("ns=2;s=a;b")),
        (
            Scalar::ExpandedNodeId,
            Variant::ExpandedNodeId(Box::new(opcua::types::ExpandedNodeId {
                node_id: NodeId::new(0, 7_u32),
                namespace_uri: "urn:a;b".into(),
                server_index: 3,
            })),
            Value::from("svr=3;nsu=urn:a%3Bb;i=7"),
        ),
        (Scalar::StatusCode, Variant::StatusCode(StatusCode::from(0x8034_0000)), Value::from("BadNodeIdUnknown")),
        (
            Scalar::QualifiedName,
            Variant::QualifiedName(Box::new(QualifiedName::new(2, "Boiler"))),
            Value::from("2:Boiler"),
        ),
        (
            Scalar::LocalizedText,
            Variant::LocalizedText(Box::new(LocalizedText { text: "Kessel".into(), ..LocalizedText::null() })),
            Value::from("Kessel"),
        ),
        (
            Scalar::ExtensionObject,
            ExtensionObject::new(ByteStringBody::new(vec![7].into(), NodeId::new(2, 1_u32))).into(),
            json(json!({"UaTypeId": "ns=2;i=1", "UaEncoding": 1, "UaBody": "Bw=="})),
        ),
    ]
}

#[test]
fn every_type_both_ways_alone_and_in_lists() {
    for (scalar, variant, meant) in built_in() {
        assert_eq!(value(&variant, &one(scalar)), Ok(meant.clone()), "{scalar}");
        assert_eq!(coerce(&meant, &one(scalar)), Ok(variant.clone()), "{scalar}");
        let two = array(scalar, vec![variant.clone(), variant.clone()], None);
        let read = value(&two, &list(scalar)).unwrap();
        assert!(matches!(&read, Value::Json(json) if json.as_array().is_some_and(|list| list.len() == 2)), "{read}");
        assert_eq!(coerce(&read, &list(scalar)), Ok(two.clone()), "{scalar}: {read}");
        // Three rows of two.
        let six = array(scalar, vec![variant.clone(); 6], Some(vec![3, 2]));
        let read = value(&six, &NodeType::plain(scalar, 2)).unwrap();
        assert_eq!(coerce(&read, &NodeType::plain(scalar, 2)), Ok(six), "{scalar}: {read}");
        // One element by its index.
        let element = NodeType { element: true, ..list(scalar) };
        let alone = array(scalar, vec![variant], None);
        assert_eq!(value(&alone, &element), Ok(meant.clone()), "{scalar}");
        assert_eq!(coerce(&meant, &element), Ok(alone), "{scalar}");
        assert!(coerce(&meant, &list(scalar)).is_err_and(|fault| fault.text.starts_with("BadTypeMismatch: a list of")));
    }
}

#[test]
fn values_with_parts_of_their_own_are_json() {
    let value_of = |variant: Variant, scalar| value(&variant, &one(scalar)).map(|value| value.to_string());
    let stamped = opcua::types::DataValue {
        value: Some(Variant::Int32(7)),
        status: Some(StatusCode::from(0x4090_0000)),
        ..opcua::types::DataValue::null()
    };
    let told = value_of(Variant::DataValue(Box::new(stamped)), Scalar::DataValue).unwrap();
    assert_eq!(told, r#"{"Status":"UncertainLastUsableValue","Value":7}"#);
    let inner = opcua::types::DiagnosticInfo { locale: Some(1), ..Default::default() };
    let outer = opcua::types::DiagnosticInfo {
        symbolic_id: Some(2),
        inner_diagnostic_info: Some(Box::new(inner)),
        ..Default::default()
    };
    let told = value_of(Variant::DiagnosticInfo(Box::new(outer)), Scalar::DiagnosticInfo).unwrap();
    assert_eq!(told, r#"{"InnerDiagnosticInfo":{"Locale":1},"SymbolicId":2}"#);
    for (scalar, document) in [
        (
            Scalar::DataValue,
            json!({"Value": 7, "Status": "UncertainLastUsableValue", "SourceTimestamp": "2026-11-26T12:00:00Z"}),
        ),
        (
            Scalar::DiagnosticInfo,
            json!({"SymbolicId": 2, "InnerDiagnosticInfo": {"AdditionalInfo": "a", "InnerStatusCode": "BadTimeout"}}),
        ),
    ] {
        let meant = Value::Json(Arc::new(document));
        assert_eq!(value(&coerce(&meant, &one(scalar)).unwrap(), &one(scalar)), Ok(meant));
        let wrong = Value::Json(Arc::new(json!({"Other": 1})));
        assert!(coerce(&wrong, &one(scalar)).is_err());
    }
    let mixed = array(
        Scalar::Variant,
        vec![Variant::Variant(Box::new(Variant::Int32(1))), Variant::Variant(Box::new("a".into()))],
        None,
    );
    assert_eq!(value(&mixed, &list(Scalar::Variant)).unwrap().to_string(), r#"[1,"a"]"#);
    assert_eq!(coerce(&Value::Json(Arc::new(json!([1, "a"]))), &list(Scalar::Variant)), Ok(mixed));
    let nan =
        array(Scalar::Float, vec![f32::NAN.into(), f32::NEG_INFINITY.into(), 21.3_f32.into(), 2.0_f32.into()], None);
    let read = value(&nan, &list(Scalar::Float)).unwrap();
    assert_eq!(read.to_string(), r#"["NaN","-Infinity",21.3,2]"#);
    assert!(matches!(coerce(&read, &list(Scalar::Float)), Ok(Variant::Array(list)) if list.values.len() == 4));
}

#[test]
fn what_is_good_and_not_there_is_no_value() {
    let null = Variant::ByteString(ByteString::null());
    for variant in [Variant::Empty, null, ExtensionObject::null().into(), Variant::Variant(Box::new(Variant::Empty))] {
        assert_eq!(value(&variant, &one(Scalar::Variant)).unwrap_err().text, "NotAvailable", "{variant:?}");
    }
    assert_eq!(value(&Variant::String(UAString::null()), &one(Scalar::String)), Ok(Value::from("")));
}

#[test]
fn dimensions_that_do_not_fit_leave_a_flat_list() {
    let values = || vec![Variant::Byte(1), Variant::Byte(2), Variant::Byte(3)];
    for dimensions in [vec![2, 2], vec![0, 3], vec![u32::MAX, u32::MAX], vec![3], vec![]] {
        let flat = value(&array(Scalar::Byte, values(), Some(dimensions)), &NodeType::plain(Scalar::Byte, 2)).unwrap();
        assert_eq!(flat.to_string(), "[1,2,3]");
    }
    let deep = array(Scalar::Byte, (0..8).map(Variant::Byte).collect(), Some(vec![2, 2, 2]));
    let read = value(&deep, &NodeType::plain(Scalar::Byte, -2)).unwrap();
    assert_eq!(read.to_string(), "[[[0,1],[2,3]],[[4,5],[6,7]]]");
    assert_eq!(coerce(&read, &NodeType::plain(Scalar::Byte, -2)), Ok(deep));
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let mode = Enumeration { name: "Mode".into(), names: [(0, "Off".into()), (1, "Auto".into())].into() };
    let mode = NodeType { kind: Kind::Enum(Arc::new(mode)), ..one(Scalar::Int32) };
    let json = |json: serde_json::Value| Value::Json(Arc::new(json));
    for (value, node, words) in [
        (Value::Int(256), one(Scalar::Byte), "256 is no Byte"),
        (Value::Int(-1), one(Scalar::UInt64), "-1 is no UInt64"),
        (Value::Float(0.5), one(Scalar::Int32), "0.5 is no Int32"),
        (Value::Int(16_777_217), one(Scalar::Float), "16777217 is no Float"),
        (Value::Int((1 << 53) + 1), one(Scalar::Double), "9007199254740993 is no Double"),
        (Value::Float(1e300), one(Scalar::Float), "1e+300 is no Float"),
        (Value::Float(f64::NAN), one(Scalar::Double), "NaN is not finite"),
        (Value::Int(2), one(Scalar::Boolean), "2 is no Boolean"),
        (Value::from("1"), one(Scalar::Boolean), r#""1" is no Boolean"#),
        (Value::Bool(true), one(Scalar::String), "true is no String"),
        (Value::from("tomorrow"), one(Scalar::DateTime), r#""tomorrow" is no DateTime"#),
        (Value::from("nsu=urn:a;i=1"), one(Scalar::NodeId), r#""nsu=urn:a;i=1" is no NodeId"#),
        (Value::from("Rot"), mode.clone(), r#""Rot" is no Mode; there are: Off, Auto"#),
        (Value::Int(1 << 40), mode, "1099511627776 is no Mode"),
        (Value::Bytes(Arc::from([1, 2])), one(Scalar::String), "2 bytes are no String"),
        (json(json!([1])), one(Scalar::Int32), "one Int32 is wanted, not a list"),
        (json(json!([1, "x"])), list(Scalar::Int32), r#""x" is no Int32"#),
        (json(json!([1, 2])), NodeType::plain(Scalar::Int32, 2), "lists within lists are wanted: 2 dimensions"),
        (json(json!([[1], [2, 3]])), NodeType::plain(Scalar::Int32, 2), "not all of one length"),
        (json(json!({"a": 1})), one(Scalar::ExtensionObject), "a structure is no Structure"),
    ] {
        let fault = coerce(&value, &node).unwrap_err();
        assert!(fault.text.starts_with("BadTypeMismatch: ") && fault.text.contains(words), "{} / {words}", fault.text);
    }
}

#[test]
fn times_out_of_range_are_none() {
    const UNIX: i64 = 116_444_736_000_000_000;
    for (ticks, ms) in [
        (UNIX, 0),
        (UNIX + 10_000, 1),
        (133_000_000_001_234_567, 1_655_526_400_123),
        (0, 0),
        (-1, 0),
        (i64::MIN, 0),
        (i64::MAX, 0),
        (2_650_467_743_990_000_000, 253_402_300_799_000),
    ] {
        assert_eq!(unix_ms(ticks), ms, "{ticks}");
    }
    assert_eq!(time::text(0), "1601-01-01T00:00:00Z");
    assert_eq!(time::text(i64::MIN), "1601-01-01T00:00:00Z");
    assert_eq!(time::text(i64::MAX), "9999-12-31T23:59:59Z");
    assert_eq!((time::ticks("1600-12-31T23:59:59Z"), time::ticks("x"), time::ticks("1970-01-01")), (None, None, None));
}

fn field(name: &str, kind: Kind, dimensions: u32, optional: bool) -> Field {
    Field { name: name.into(), kind, dimensions, optional }
}
fn line(presence: Presence) -> NodeType {
    let number = || Kind::BuiltIn(Scalar::Double);
    let point = Structure {
        name: "Point".into(),
        encoding: NodeId::new(2, 10_u32),
        presence: Presence::All,
        fields: vec![field("x", number(), 0, false), field("y", number(), 0, false)],
    };
    let point = Kind::Structure(Arc::new(point));
    let mode = Enumeration { name: "Mode".into(), names: [(0, "Off".into()), (1, "Auto".into())].into() };
    let structure = Structure {
        name: "Line".into(),
        encoding: NodeId::new(2, 11_u32),
        presence,
        fields: vec![
            field("from", point.clone(), 0, false),
            field("label", Kind::BuiltIn(Scalar::String), 0, true),
            field("via", point, 1, true),
            field("mode", Kind::Enum(Arc::new(mode)), 0, false),
            field("grid", Kind::BuiltIn(Scalar::Int16), 2, false),
        ],
    };
    NodeType { kind: Kind::Structure(Arc::new(structure)), ..one(Scalar::ExtensionObject) }
}
fn body(variant: &Variant) -> &[u8] {
    let Variant::ExtensionObject(object) = variant else { panic!("{variant:?}") };
    object.inner_as::<ByteStringBody>().expect("bytes").raw_body().as_ref()
}

/// Bytes by hand, after Part 6, 5.2.7.
#[test]
fn a_structure_with_a_nested_one_and_fields_left_out() {
    let document = json!({"from": {"x": 1.5, "y": -2}, "via": [{"x": 0, "y": 0}], "mode": "Auto", "grid": [[1, 2, 3]]});
    let given = Value::Json(Arc::new(document));
    let node = line(Presence::Optional);
    let made = coerce(&given, &node).unwrap();
    let expected: Vec<u8> = [
        &2_u32.to_le_bytes()[..], // only the second optional field
        &1.5_f64.to_le_bytes(),
        &(-2.0_f64).to_le_bytes(),
        &1_i32.to_le_bytes(), // one of via
        &[0; 16],
        &1_i32.to_le_bytes(), // Auto
        &2_i32.to_le_bytes(), // two dimensions
        &1_i32.to_le_bytes(),
        &3_i32.to_le_bytes(),
        &[1, 0, 2, 0, 3, 0],
    ]
    .concat();
    assert_eq!(body(&made), expected);
    assert_eq!(value(&made, &node), Ok(given));
    for (wrong, words) in [
        (json!({"from": {"x": 1}, "mode": 0, "grid": []}), "from: field y is missing"),
        (json!({"form": 1}), "no field form; there are: from, label, via, mode, grid"),
        (json!([1]), "is wanted"),
        (json!({"from": {"x": 1, "y": 1}, "mode": "Rot", "grid": []}), "there are: Off, Auto"),
        (json!({"from": {"x": 1, "y": "a"}, "mode": 0, "grid": []}), r#"from: y: "a" is no Double"#),
    ] {
        let fault = coerce(&Value::Json(Arc::new(wrong)), &node).unwrap_err();
        assert!(fault.text.contains(words), "{} / {words}", fault.text);
    }
}

#[test]
fn a_union_has_one_field() {
    let node = line(Presence::Union);
    for (document, first) in [(json!({"label": "a"}), 2_u8), (json!({}), 0)] {
        let given = Value::Json(Arc::new(document));
        let made = coerce(&given, &node).unwrap();
        assert_eq!(body(&made).first(), Some(&first));
        assert_eq!(value(&made, &node), Ok(given));
    }
    let both = Value::Json(Arc::new(json!({"label": "a", "mode": 1})));
    assert!(coerce(&both, &node).unwrap_err().text.contains("one field at most"));
}

#[test]
fn a_body_that_does_not_fit_its_definition_is_a_fault_and_nothing_else() {
    let node = line(Presence::Optional);
    let object = |bytes: Vec<u8>, id: u32| -> Variant {
        ExtensionObject::new(ByteStringBody::new(bytes.into(), NodeId::new(2, id))).into()
    };
    let whole =
        coerce(&Value::Json(Arc::new(json!({"from": {"x": 1, "y": 2}, "mode": 1, "grid": [[1]]}))), &node).unwrap();
    let whole = body(&whole).to_vec();
    for cut in 1..whole.len() {
        let fault = value(&object(whole[..cut].to_vec(), 11), &node).unwrap_err();
        assert!(fault.text.starts_with("BadDecodingError: Line: "), "{}", fault.text);
    }
    let longer = [&whole[..], &[0]].concat();
    assert!(value(&object(longer, 11), &node).unwrap_err().text.contains("1 bytes too many"));
    // 2³¹ elements in no bytes.
    let huge = [&2_u32.to_le_bytes()[..], &[0; 16], &i32::MAX.to_le_bytes()].concat();
    assert!(value(&object(huge, 11), &node).unwrap_err().text.contains("2147483647 elements in 0 bytes"));
    // Of another type: as it came.
    assert_eq!(
        value(&object(vec![1], 99), &node).unwrap().to_string(),
        r#"{"UaBody":"AQ==","UaEncoding":1,"UaTypeId":"ns=2;i=99"}"#
    );
}

proptest! {
    /// A number arrives at the server as that number, or does not go.
    #[test]
    fn coerce_is_exact_or_refused(number: i64, small in -40_000_i64..70_000) {
        const WHOLE: [Scalar; 8] = [Scalar::SByte, Scalar::Byte, Scalar::Int16, Scalar::UInt16, Scalar::Int32, Scalar::UInt32, Scalar::Int64, Scalar::UInt64];
        for number in [number, small, small * 1_000_003] {
            for scalar in WHOLE.into_iter().chain([Scalar::Float, Scalar::Double]) {
                let Ok(variant) = coerce(&Value::Int(number), &one(scalar)) else { continue };
                let back = value(&variant, &one(scalar)).unwrap();
                // A float is the number that its digits say.
                if matches!(variant, Variant::Float(single) if single.to_string() == number.to_string()) {
                    continue;
                }
                prop_assert_eq!(back.as_i128(), Some(i128::from(number)), "{}", scalar);
            }
            let bits = [8, 8, 16, 16, 32, 32, 64, 64].into_iter().zip(WHOLE);
            for (at, (bits, scalar)) in bits.enumerate() {
                let signed = at % 2 == 0;
                let (low, high) = if signed { (-(1_i128 << (bits - 1)), 1_i128 << (bits - 1)) } else { (0, 1_i128 << bits) };
                let fits = (low..high).contains(&i128::from(number));
                prop_assert_eq!(coerce(&Value::Int(number), &one(scalar)).is_ok(), fits, "{} {}", number, scalar);
            }
        }
    }
    /// Floats come back as they went, alone and within JSON.
    #[test]
    fn floats_both_ways(bits: u32, wide: u64) {
        let (single, double) = (f32::from_bits(bits), f64::from_bits(wide));
        prop_assume!(single.is_finite() && double.is_finite());
        for (scalar, variant) in [(Scalar::Float, Variant::Float(single)), (Scalar::Double, Variant::Double(double))] {
            let read = value(&variant, &one(scalar)).unwrap();
            prop_assert_eq!(coerce(&read, &one(scalar)), Ok(variant.clone()));
            let two = array(scalar, vec![variant], None);
            let read = value(&two, &list(scalar)).unwrap();
            prop_assert_eq!(coerce(&read, &list(scalar)), Ok(two));
        }
    }
    /// So do times, to the tick.
    #[test]
    fn times_both_ways(at in 0_i64..2_650_467_743_990_000_000) {
        prop_assert_eq!(time::ticks(&time::text(at)), Some(at));
    }
    /// Names of nodes and things.
    #[test]
    fn names_both_ways(index: u16, text in "\\PC{1,20}", number: u32, uuid in any::<[u8; 16]>()) {
        let bytes: ByteString = uuid.to_vec().into();
        for id in [NodeId::new(index, number), NodeId::new(index, text.as_str()), NodeId::new(index, Guid::from_bytes(uuid)), NodeId::new(index, bytes)] {
            let variant = Variant::NodeId(Box::new(id));
            let read = value(&variant, &one(Scalar::NodeId)).unwrap();
            prop_assert_eq!(coerce(&read, &one(Scalar::NodeId)), Ok(variant));
        }
        for (index, text) in [(index, text.clone()), (0, format!("{number}:{text}"))] {
            let variant = Variant::QualifiedName(Box::new(QualifiedName::new(index, text.as_str())));
            let read = value(&variant, &one(Scalar::QualifiedName)).unwrap();
            prop_assert_eq!(coerce(&read, &one(Scalar::QualifiedName)), Ok(variant));
        }
    }
    /// Whatever stands in a body: a value or a fault.
    #[test]
    fn no_body_is_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..200), optional: bool) {
        let node = line(if optional { Presence::Optional } else { Presence::Union });
        let object = ExtensionObject::new(ByteStringBody::new(bytes.into(), NodeId::new(2, 11_u32)));
        value(&object.into(), &node).ok();
    }
}
