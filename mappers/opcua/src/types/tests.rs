use super::*;
use crate::values::{Budget, json as as_json};
use opcua::types::{
    Array, DataTypeId, EnumDefinition, EnumField, StructureDefinition, StructureField, StructureType, UAString, Variant,
};
use proptest::prelude::*;
use serde_json::json;

fn id(number: u32) -> NodeId {
    NodeId::new(2, number)
}
fn structure(structure_type: StructureType, fields: &[(&str, NodeId, i32, bool)]) -> Defined {
    let field = |(name, data_type, value_rank, is_optional): &(&str, NodeId, i32, bool)| StructureField {
        name: UAString::from(*name),
        data_type: data_type.clone(),
        value_rank: *value_rank,
        is_optional: *is_optional,
        ..StructureField::default()
    };
    let fields = Some(fields.iter().map(field).collect());
    let structure = StructureDefinition { structure_type, fields, ..StructureDefinition::default() };
    Defined { name: "S".into(), parent: DataTypeId::Structure.into(), structure: Some(structure), ..Defined::default() }
}
fn plain(fields: &[(&str, NodeId, i32, bool)]) -> Defined {
    structure(StructureType::Structure, fields)
}
fn of(types: &[(u32, Defined)]) -> Definitions {
    let mut known = Definitions::default();
    for (number, defined) in types {
        known.insert(id(*number), defined.clone());
    }
    known
}
fn decoded(bytes: &[u8], structure: &Structure) -> Result<serde_json::Value, String> {
    super::decoded(bytes, structure, &mut Budget::default())
}
fn double() -> NodeId {
    DataTypeId::Double.into()
}

#[test]
fn what_is_missing_is_named_until_nothing_is() {
    let line = plain(&[("from", id(2), -1, false), ("at", DataTypeId::UtcTime.into(), -1, false)]);
    let point = plain(&[("x", double(), -1, false)]);
    assert_eq!(Definitions::default().missing(&[id(1), double()]), [id(1)]);
    assert_eq!(of(&[(1, line.clone())]).missing(&[id(1)]), [id(2)]);
    let known = of(&[(1, line), (2, point)]);
    assert_eq!(known.missing(&[id(1)]), Vec::<NodeId>::new());
    let Kind::Structure(line) = known.kind(&id(1)) else { panic!("a structure") };
    assert!(
        matches!(&line.fields[0].kind, Kind::Structure(point) if point.fields[0].kind == Kind::BuiltIn(Scalar::Double))
    );
    assert_eq!(line.fields[1].kind, Kind::BuiltIn(Scalar::DateTime));
}

/// Whatever contains itself, at whatever distance and in an array too, is not taken apart; what contains it neither.
#[test]
fn cycles_are_refused() {
    let known = of(&[
        (1, plain(&[("next", id(1), -1, false)])),
        (2, plain(&[("a", id(3), 1, false)])),
        (3, plain(&[("b", id(2), -1, true)])),
        (4, plain(&[("c", id(3), -1, false), ("d", double(), -1, false)])),
    ]);
    for number in 1..=4 {
        assert_eq!(known.kind(&id(number)), Kind::Opaque("DataTypeDefinitionCyclic"), "{number}");
    }
    // Types above each other in a circle end too.
    let above = |parent| Defined { parent: id(parent), ..Defined::default() };
    let known = of(&[(1, above(2)), (2, above(1))]);
    assert_eq!(known.kind(&id(1)), Kind::BuiltIn(Scalar::Variant));
}

/// Sixteen types of a thousand fields each are few definitions, and would be 10⁴⁸ fields.
#[test]
fn few_definitions_make_few_types() {
    let mut known = Definitions::default();
    for number in 1..=15 {
        let inner = if number == 15 { double() } else { id(number + 1) };
        let names: Vec<String> = (0..1000).map(|at| format!("f{at}")).collect();
        let fields: Vec<_> = names.iter().map(|name| (name.as_str(), inner.clone(), -1, false)).collect();
        known.insert(id(number), plain(&fields));
    }
    let Kind::Structure(first) = known.kind(&id(1)) else { panic!("a structure") };
    // Nor is one of its values read for ever: its bytes are too few.
    assert!(decoded(&[0; 4000], &first).is_err());
    let mut known = Definitions::default();
    for number in 1..=17 {
        known.insert(id(number), plain(&[("f", id(number + 1), -1, false)]));
    }
    known.insert(id(18), plain(&[]));
    assert_eq!(known.kind(&id(1)), Kind::Opaque("DataTypeDefinitionTooDeep"));
}

#[test]
fn fields_that_take_no_bytes_end_too() {
    let mut known = of(&[(15, plain(&[]))]);
    for number in 1..15 {
        let names: Vec<String> = (0..100).map(|at| format!("f{at}")).collect();
        let fields: Vec<_> = names.iter().map(|name| (name.as_str(), id(number + 1), -1, false)).collect();
        known.insert(id(number), plain(&fields));
    }
    let Kind::Structure(first) = known.kind(&id(1)) else { panic!("a structure") };
    assert!(decoded(&[], &first).is_err_and(|why| why.ends_with("it takes more than 32 MiB")));
}

/// A byte of a server is a map here, and a name of its choice.
#[test]
fn what_is_small_at_the_server_is_not_large_as_json() {
    let list = |name: &str| {
        of(&[(1, plain(&[("list", id(2), 1, false)])), (2, plain(&[(name, DataTypeId::Boolean.into(), -1, false)]))])
    };
    let many = |count: u32| [&count.to_le_bytes()[..], &vec![1; count as usize]].concat();
    let Kind::Structure(short) = list("f").kind(&id(1)) else { panic!("a structure") };
    assert!(decoded(&many(1 << 17), &short).is_err_and(|why| why.ends_with("it takes more than 32 MiB")));
    assert!(decoded(&many(10_000), &short).is_ok());
    for length in [257, 1 << 20] {
        assert_eq!(list(&"f".repeat(length)).kind(&id(1)), Kind::Opaque("DataTypeDefinitionTooLarge"));
    }
    let long = "E".repeat(256);
    let spelled = |name: &str, value| EnumField { value, name: name.into(), ..EnumField::default() };
    let fields = Some(vec![spelled(&long, 1), spelled(&"E".repeat(257), 2)]);
    let names = super::definition::names_of(&EnumDefinition { fields });
    assert_eq!(names, BTreeMap::from([(1, long)]));
    let kind = Kind::Enum(Arc::new(Enumeration { name: "E".into(), names }));
    let array = |count| Variant::from(vec![1_i32; count]);
    assert!(as_json(&array(1000), &kind).is_ok());
    assert!(as_json(&array(1 << 17), &kind).is_err_and(|fault| fault.text.contains("it takes more than 32 MiB")));
}

/// Lists are dropped one within the other: a stack that is full ends the process.
#[test]
fn dimensions_without_end_make_no_lists_without_end() {
    let count = 1_u32 << 16;
    let bytes = [&count.to_le_bytes()[..], &1_u32.to_le_bytes().repeat(count as usize), &[1]].concat();
    let made = made_of(&[("f", DataTypeId::Boolean.into(), 2, false)]);
    assert_eq!(decoded(&bytes, &made), Ok(json!({"f": [true]})));
    let deep = Array { value_type: Scalar::Boolean, values: vec![true.into()], dimensions: Some(vec![1; 1 << 16]) };
    assert_eq!(as_json(&deep.into(), &Kind::BuiltIn(Scalar::Boolean)), Ok(json!([true])));
}

fn made_of(fields: &[(&str, NodeId, i32, bool)]) -> Arc<Structure> {
    let Kind::Structure(made) = of(&[(1, plain(fields))]).kind(&id(1)) else { panic!("a structure") };
    made
}

/// A stack that is full ends the process, and all devices with it.
#[test]
fn what_lies_in_itself_without_end_is_refused() {
    let diagnostics = vec![0x40; 1 << 20];
    let deep = [
        (DataTypeId::DiagnosticInfo, diagnostics.clone()),
        (DataTypeId::DataValue, [1, 23].repeat(1 << 19)),
        (DataTypeId::BaseDataType, [&[25][..], &diagnostics].concat()),
    ];
    for (data_type, bytes) in deep {
        let why = decoded(&bytes, &made_of(&[("f", data_type.into(), -1, false)])).expect_err("refused");
        assert!(why.contains("nested too deep"), "{why}");
    }
}

/// Room is made for what is there, and not for what is said to be.
#[test]
fn an_object_is_as_long_as_it_says_or_refused() {
    let most = [0xFF, 0xFF, 0xFF, 0x7F];
    for encoding in [1, 2] {
        let object = [&[1, 2, 0x39, 0x30, encoding][..], &most].concat();
        for (data_type, bytes) in
            [(DataTypeId::Structure, object.clone()), (DataTypeId::BaseDataType, [&[22][..], &object].concat())]
        {
            let why = decoded(&bytes, &made_of(&[("f", data_type.into(), -1, false)])).expect_err("refused");
            assert!(why.contains("2147483647 elements in 0 bytes"), "{why}");
        }
    }
    // Of a type that the codec knows, and has more in.
    let range = [&[1, 0, 0x76, 0x03, 1, 4, 0, 0, 0][..], b"four"].concat();
    let made = made_of(&[("f", DataTypeId::Structure.into(), -1, false), ("g", DataTypeId::Int32.into(), -1, false)]);
    let json = decoded(&[&range[..], &5_i32.to_le_bytes()].concat(), &made).expect("both");
    assert_eq!(json, json!({"f": {"UaTypeId": "i=886", "UaEncoding": 1, "UaBody": "Zm91cg=="}, "g": 5}));
    assert!(decoded(&[1, 0, 0x76, 0x03, 0, 5, 0, 0, 0], &made).is_ok_and(|json| json == json!({"f": null, "g": 5})));
}

#[test]
fn definitions_that_are_none_are_opaque() {
    let undefined = Defined { parent: DataTypeId::Structure.into(), ..Defined::default() };
    let many: Vec<String> = (0..33).map(|at| format!("f{at}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), double(), -1, true)).collect();
    let known = of(&[
        (1, undefined),
        (2, plain(&[("a", id(1), -1, false)])),
        (3, structure(StructureType::StructureWithOptionalFields, &many)),
        (
            4,
            structure(StructureType::StructureWithSubtypedValues, &[("a", id(1), -1, true), ("b", double(), -1, true)]),
        ),
    ]);
    assert_eq!(known.kind(&id(1)), Kind::Opaque("DataTypeDefinitionMissing"));
    assert_eq!(known.kind(&id(2)), Kind::Opaque("DataTypeDefinitionMissing"));
    assert_eq!(known.kind(&id(3)), Kind::Opaque("DataTypeDefinitionTooLarge"));
    // A field that says its own type needs no definition, and is always there.
    let Kind::Structure(open) = known.kind(&id(4)) else { panic!("a structure") };
    let kinds: Vec<_> = open.fields.iter().map(|field| (field.kind.clone(), field.optional)).collect();
    assert_eq!(kinds, [(Kind::BuiltIn(Scalar::ExtensionObject), false), (Kind::BuiltIn(Scalar::Variant), false)]);
}

#[test]
fn an_enumeration_is_one_by_its_tree_or_by_its_names() {
    let spelled = |name: &str, shown: &str| EnumField {
        value: 3,
        name: name.into(),
        display_name: shown.into(),
        ..EnumField::default()
    };
    let of_fields = |fields| super::definition::names_of(&EnumDefinition { fields: Some(fields) });
    assert_eq!(of_fields(vec![spelled("A", "B")]), BTreeMap::from([(3, "A".to_owned())]));
    assert_eq!(of_fields(vec![spelled("", "B")]), BTreeMap::from([(3, "B".to_owned())]));
    assert_eq!(of_fields(vec![spelled("", "")]), BTreeMap::new());
    let names = BTreeMap::from([(1, "On".to_owned())]);
    for parent in [DataTypeId::Enumeration.into(), NodeId::null()] {
        let known = of(&[(1, Defined { name: "E".into(), parent, names: names.clone(), ..Defined::default() })]);
        assert!(
            matches!(known.kind(&id(1)), Kind::Enum(kind) if kind.number("On") == Some(1) && kind.number("Off").is_none())
        );
    }
}

proptest! {
    /// Whatever a server defines, and whatever it sends: a type, and a value or none.
    #[test]
    fn no_definition_is_too_much(
        shapes in prop::collection::vec((0_u8..5, prop::collection::vec((0_u32..40, -3_i32..4, any::<bool>()), 0..12)), 1..8),
        bytes in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut known = Definitions::default();
        for (number, (kind, fields)) in (100..).zip(&shapes) {
            let kind = [
                StructureType::Structure,
                StructureType::StructureWithOptionalFields,
                StructureType::Union,
                StructureType::StructureWithSubtypedValues,
                StructureType::UnionWithSubtypedValues,
            ][usize::from(*kind)];
            let of = |number: u32| if number < 30 { NodeId::new(0, number) } else { id(70 + number) };
            let fields: Vec<_> = fields.iter().map(|(number, rank, optional)| ("f", of(*number), *rank, *optional)).collect();
            known.insert(id(number), structure(kind, &fields));
        }
        for number in (100..).take(shapes.len()) {
            if let Kind::Structure(made) = known.kind(&id(number)) {
                decoded(&bytes, &made).ok();
            }
        }
    }
}
