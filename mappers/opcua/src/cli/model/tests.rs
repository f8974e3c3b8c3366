use super::*;
use crate::types::Enumeration;
use pollux_crds::{OpcUaNamespace, OpcUaNode, Span, offline};
use std::sync::Arc;

fn path(text: &str) -> Vec<OpcUaStep> {
    match text.parse() {
        Ok(OpcUaNode::Path(OpcUaPath(steps))) => steps,
        other => panic!("{other:?}"),
    }
}
fn variable(name: &str, scalar: Scalar, writable: bool) -> Variable {
    let access = if writable { 3 } else { 1 };
    Variable {
        path: path(&format!("/nsu=urn:plant;{name}")),
        id: format!("nsu=urn:plant;s={name}"),
        kind: NodeType { kind: Kind::BuiltIn(scalar), rank: -1, access, element: false },
        description: String::new(),
        unit: String::new(),
        range: None,
        constant: false,
    }
}
fn boiler(name: &str) -> Found {
    let mode = Enumeration { name: "Mode".into(), names: [(0, "Off".into()), (1, "Auto".into())].into() };
    let number = NodeType { kind: Kind::BuiltIn(Scalar::Double), rank: -1, access: 3, element: false };
    Found {
        name: name.into(),
        root: Some(format!("nsu=urn:plant;s={name}")),
        kind: Some(("nsu=urn:plant;i=1".into(), "BoilerType".into())),
        variables: vec![
            Variable {
                unit: "°C".into(),
                range: Some((0.0, 120.0)),
                description: "Supply: \"hot\"".into(),
                ..variable("Temp", Scalar::Float, true)
            },
            Variable {
                kind: NodeType { kind: Kind::Enum(Arc::new(mode)), ..number.clone() },
                ..variable("Mode", Scalar::Int32, true)
            },
            Variable {
                path: path("/nsu=urn:plant;Pump/nsu=urn:plant;On"),
                ..variable("Pump.On", Scalar::Boolean, false)
            },
            Variable { constant: true, ..variable("SerialNumber", Scalar::String, false) },
            Variable { kind: NodeType { access: 0, ..number.clone() }, ..variable("Hidden", Scalar::Double, false) },
            Variable { kind: NodeType { rank: 1, ..number.clone() }, ..variable("Curve", Scalar::Double, true) },
        ],
        methods: vec![Method {
            path: path("/nsu=urn:plant;Pump/nsu=urn:plant;Reset"),
            description: "Starts anew".into(),
            arguments: vec![("Code 1".into(), number, "Which".into())],
        }],
    }
}
fn server() -> Server {
    let device = OpcUaDevice { url: Some("opc.tcp://plc-1:4840".into()), ..OpcUaDevice::default() };
    Server { device, name: "plc-1".into(), node: None }
}
fn all(found: &[Found]) -> Made {
    made(found, &server(), Interval::Every(Span::from_secs(1)))
}
/// Golden: what two instances of one type, the second with less and in another unit, become.
#[test]
fn instances_of_one_type_are_one_model() {
    let mut second = boiler("Boiler 2");
    second.variables.remove(3);
    second.variables[0].unit = "K".into();
    let made = all(&[boiler("Boiler 1"), second]);
    assert_eq!(made.documents.join("---\n"), include_str!("golden.yaml"));
    assert_eq!((made.devices, made.properties), (2, 10));
    assert_eq!(made.remarks, Vec::<String>::new());
    for document in &made.documents {
        offline::yaml::read(document).expect("YAML");
    }
}

#[test]
fn one_device_has_its_server_in_itself() {
    let one = Found { kind: None, root: None, name: String::new(), ..boiler("x") };
    let made = all(&[one]);
    let [model, device] = made.documents.as_slice() else { panic!("{:?}", made.documents) };
    assert!(model.contains("kind: DeviceModel\nmetadata:\n  name: plc-1\n"), "{model}");
    assert!(device.contains("    opcua: {url: \"opc.tcp://plc-1:4840\"}\n"), "{device}");
}

/// What a cluster of several nodes, and servers that trust one certificate, ask for: no hand need write it.
#[test]
fn a_device_is_of_the_node_that_was_asked_for() {
    let made = made(&[boiler("a")], &Server { node: Some("edge-1".into()), ..server() }, Interval::OnConnect);
    let [_, device] = made.documents.as_slice() else { panic!("{:?}", made.documents) };
    assert!(device.contains("  model: boiler-type\n  nodeName: edge-1\n  mode: Monitor\n"), "{device}");
}

#[test]
fn what_cannot_be_said_is_remarked() {
    let mut twice = boiler("a");
    twice.variables.push(twice.variables[0].clone());
    // Alone, the second is found by its id.
    let made = all(&[twice.clone()]);
    assert!(made.documents.join("").contains(r#"nodeId: "nsu=urn:plant;s=Temp""#), "{:?}", made.documents);
    let made = all(&[twice, boiler("b")]);
    assert_eq!(made.remarks, ["a: /nsu=urn:plant;Temp is there twice: the second is left out"]);
    let many = (0..1001).map(|at| variable(&format!("v{at}"), Scalar::Int16, false)).collect();
    let made = all(&[Found { variables: many, ..boiler("c") }]);
    assert!(made.remarks[0].contains("more than 1000 variables") && made.properties == 1000);
    let hidden = Found { variables: vec![boiler("d").variables.remove(4)], ..boiler("d") };
    assert_eq!(all(&[hidden]).remarks, ["d: nothing of it may be read or written: left out"]);
}

#[test]
fn types_are_those_of_the_schema() {
    let plain = |scalar| NodeType { kind: Kind::BuiltIn(scalar), rank: -1, access: 3, element: false };
    for (scalar, type_) in [
        (Scalar::Boolean, PropertyType::Boolean),
        (Scalar::SByte, PropertyType::Integer),
        (Scalar::UInt64, PropertyType::Integer),
        (Scalar::Float, PropertyType::Number),
        (Scalar::Double, PropertyType::Number),
        (Scalar::String, PropertyType::String),
        (Scalar::DateTime, PropertyType::String),
        (Scalar::ByteString, PropertyType::Bytes),
        (Scalar::ExtensionObject, PropertyType::Json),
        (Scalar::Variant, PropertyType::Json),
    ] {
        assert_eq!(type_of(&plain(scalar)), (type_, None), "{scalar}");
        assert_eq!(type_of(&NodeType { rank: 1, ..plain(scalar) }).0, PropertyType::Json);
    }
    let names = |names: &[(i64, &str)]| Enumeration {
        name: "E".into(),
        names: names.iter().map(|(number, name)| (*number, (*name).to_owned())).collect(),
    };
    // Two of one name could not be told apart.
    for known in [names(&[]), names(&[(0, "A"), (1, "A")]), names(&[(0, "")])] {
        let node = NodeType { kind: Kind::Enum(Arc::new(known)), ..plain(Scalar::Int32) };
        assert_eq!(type_of(&node), (PropertyType::Integer, None));
    }
    assert_eq!(OpcUaNamespace::Index(0), path("/a").remove(0).namespace);
}
