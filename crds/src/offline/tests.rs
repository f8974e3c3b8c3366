use super::{structural::KNOWN, yaml::*, *};
use serde_json::json;

#[test]
fn every_keyword_of_our_schemas_is_one_that_the_check_acts_on() {
    fn walk(schema: &Json, unknown: &mut BTreeSet<String>) {
        let Some(map) = schema.as_object() else { return };
        unknown.extend(map.keys().filter(|k| !KNOWN.contains(&k.as_str())).cloned());
        let children = map.get("properties").and_then(Json::as_object).into_iter().flatten().map(|(_, v)| v);
        children.chain(map.get("items")).chain(map.get("additionalProperties")).for_each(|s| walk(s, unknown));
    }
    let mut unknown = BTreeSet::new();
    let schemas = schemas::all();
    schemas.iter().for_each(|kind| walk(&kind.schema, &mut unknown));
    assert_eq!((schemas.len(), unknown), (KINDS.len(), BTreeSet::new()));
}

/// What `kubectl apply` makes of a plain scalar (yaml.v2's resolve table).
#[test]
fn scalars_are_what_kubectl_makes_of_them() {
    for (text, value) in [
        ("On", json!(true)),
        ("Off", json!(false)),
        ("Yes", json!(true)),
        ("No", json!(false)),
        ("y", json!(true)),
        ("n", json!(false)),
        ("ON", json!(true)),
        ("true", json!(true)),
        ("False", json!(false)),
        ("\"Off\"", json!("Off")),
        ("'y'", json!("y")),
        ("~", json!(null)),
        ("null", json!(null)),
        ("", json!(null)),
        ("0755", json!(493)),
        ("0o17", json!(15)),
        ("0x1F", json!(31)),
        ("1_000", json!(1000)),
        ("1.5", json!(1.5)),
        ("12e3", json!(12000.0)),
        ("-7", json!(-7)),
        ("+7", json!(7)),
        ("08", json!(8.0)),
        ("1.2.3", json!("1.2.3")),
        ("12:30:45", json!("12:30:45")),
        ("2026-01-02", json!("2026-01-02")),
        ("10.0.0.5", json!("10.0.0.5")),
        ("onn", json!("onn")),
        ("N/A", json!("N/A")),
        ("9223372036854775807", json!(i64::MAX)),
    ] {
        let read = read(&format!("a: {text}\n")).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(read[0].value["a"], value, "{text}");
    }
}

#[test]
fn documents_keep_their_line_and_empty_ones_are_none() {
    let read = read("# nothing\n---\na: 1\n---\n---\n\nb: 2\n...\n").unwrap();
    let found: Vec<_> = read.iter().map(|d| (d.line, d.value.to_string())).collect();
    assert_eq!(found, [(3, "{\"a\":1}".to_owned()), (7, "{\"b\":2}".to_owned())]);
}

#[test]
fn what_cannot_be_read_says_the_line() {
    for (text, line, word) in [
        ("a: 1\nb: 2\na: 3\n", 3, "duplicate"),
        ("a: [1, 2\nb: 3\n", 2, ""),
        ("a: 1\n\tb: 2\n", 1, "tab"),
        ("x: 1\ny: .nan\n", 2, ""),
    ] {
        match read(text) {
            Err(YamlError::Syntax { line: found, message }) => {
                assert!(found == line && message.contains(word), "{text:?}: line {found}: {message}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn bombs_and_giants_are_refused_in_time() {
    let level = |i: usize| format!("a{}: &a{} [{}]\n", i + 1, i + 1, vec![format!("*a{i}"); 10].join(", "));
    let bomb = format!("a0: &a0 [x]\n{}", (0..12).map(level).collect::<String>());
    assert!(matches!(read(&bomb), Err(YamlError::Syntax { .. })));
    assert!(matches!(read(&"[".repeat(100_000)), Err(YamlError::Syntax { .. })));
    assert_eq!(read(&" ".repeat(MAX_BYTES + 1)), Err(YamlError::TooLarge));
    assert_eq!(read("a: &x [1]\nb: *x\n").unwrap()[0].value, json!({"a": [1], "b": [1]}));
}

#[test]
fn the_nearest_name_is_a_hint_only_where_it_is_near() {
    let names = ["properties", "parameters", "protocol"];
    let hint = |wrong: &str| nearest(wrong, names.into_iter());
    assert_eq!(hint("propertis").as_deref(), Some(", did you mean properties?"));
    assert_eq!(hint("Protocol").as_deref(), Some(", did you mean protocol?"));
    assert_eq!(hint("colour"), None);
    assert_eq!(nearest("x", std::iter::empty()), None);
}

#[test]
fn long_lists_and_maps_count_as_the_policy_counts_them() {
    let device = |value: Json| json!({"spec": {"desired": {"a": value}}});
    let list = |n: usize| Json::Array(vec![json!(1); n]);
    assert_eq!(policy::check(&device(list(1365))), vec![]); // [1, 1, …]: 3 each
    let errors = policy::check(&device(list(1366)));
    assert_eq!(errors, [FieldError::new("spec.desired.a", "longer than 4096 characters")]);
    assert_eq!(policy::check(&device(json!("x".repeat(5000)))), vec![], "a string is the schema's");
}
