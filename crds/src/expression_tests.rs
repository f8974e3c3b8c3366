use super::*;
use proptest::prelude::*;
use serde_json::json;

fn value(text: &str, variables: &Json) -> std::result::Result<Json, String> {
    let expression = Expression::compile(text).map_err(|e| e.to_string())?;
    let get = |name: &str| variables.get(name).map(|v| Value(v.clone()));
    expression.evaluate(&get).map(|v| v.0).map_err(|e| e.to_string())
}

#[test]
fn numbers_are_doubles_whatever_the_literals_look_like() {
    let variables = json!({"t": 20, "flow": 1.5, "on": true, "mode": "Auto", "big": "9007199254740993"});
    for (text, wanted) in [
        ("t * 2 + 1", json!(41.0)),
        ("t / 8", json!(2.5)),
        ("t % 3u", json!(2.0)),
        ("-t - -1", json!(-19.0)),
        ("flow * (t - 5) * 1.163", json!(1.5 * 15.0 * 1.163)),
        ("on ? 1 : 0", json!(1.0)),
        ("on && t > 19 || false", json!(true)),
        ("!on", json!(false)),
        ("mode == \"Auto\" && mode in ['Off', 'Auto']", json!(true)),
        ("mode + '!'", json!("Auto!")),
        ("mode.startsWith('Au') && size(mode) == 4", json!(true)),
        ("max(t, 21, flow) + min(1, 2) + abs(-1) + round(2.5)", json!(26.0)),
        ("double(on) + double(big)", json!(9_007_199_254_740_992.0)),
        ("t in [20, 21]", json!(true)),
        ("missing > 0 || on", json!(true)),
        ("on || missing > 0", json!(true)),
        ("missing > 0 && !on", json!(false)),
    ] {
        assert_eq!(value(text, &variables), Ok(wanted), "{text}");
    }
}

#[test]
fn what_has_no_value_says_why() {
    let variables = json!({"t": 20, "zero": 0, "on": true, "list": [1]});
    for (text, wanted) in [
        ("t + missing", "missing has no value"),
        ("t / zero", "the result is not a finite number"),
        ("zero / zero", "the result is not a finite number"),
        ("t + on", "+ cannot be applied to a number and a boolean"),
        ("t ? 1 : 2", "? : needs a boolean"),
        ("list + 1", "list is neither number, boolean nor text"),
        ("missing > 0 && on", "missing has no value"),
    ] {
        assert_eq!(value(text, &variables), Err(wanted.to_owned()), "{text}");
    }
}

#[test]
fn what_cannot_be_compiled_is_refused_with_words() {
    for (text, part) in [
        ("", "is not CEL"),
        ("t +", "is not CEL at character"),
        ("t.x", "fields are not known"),
        ("[1, 2]", "a list is no value"),
        ("[1].all(x, x > 0)", "not known here"),
        ("now()", "no function now of 0 arguments; there are: min"),
        ("{'a': 1}", "maps are not known"),
        ("null", "only numbers, booleans and strings"),
        ("t in t", "after in stands a list"),
        ("[1] + [2]", "a list may only stand after in"),
        ("\u{1}", "control character"),
    ] {
        let error = Expression::compile(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    for long in ["(".repeat(500), "1+".repeat(500) + "1", "-".repeat(1000), "true?1:".repeat(140), "a.".repeat(500)] {
        assert!(Expression::compile(&long).is_err(), "{long}");
    }
}

#[test]
fn variables_are_named_once_in_order() {
    let names = Expression::compile("b * a + b + max(c, 1)").unwrap();
    assert_eq!(names.variables(), ["a", "b", "c"]);
}

#[test]
fn the_deepest_legal_texts_do_not_exhaust_the_stack() {
    for text in [
        "1+".repeat(MAX_CHAIN) + "1",
        "(".repeat(MAX_DEPTH) + "1" + &")".repeat(MAX_DEPTH),
        "size('".repeat(MAX_DEPTH) + &")".repeat(MAX_DEPTH),
        "true?1:".repeat(MAX_DEPTH) + "1",
        "!".repeat(MAX_CHAIN) + "true",
        "a.".repeat(MAX_CHAIN) + "a",
        "[".repeat(MAX_DEPTH),
        "()[]{}".repeat(160),
        "{[(".repeat(MAX_DEPTH / 3) + "1" + &")]}".repeat(MAX_DEPTH / 3),
    ] {
        drop(Expression::compile(&text));
    }
    assert!(Expression::compile(&("1+".repeat(MAX_CHAIN / 2) + "1")).is_ok());
    assert!(Expression::compile(&("(".repeat(MAX_DEPTH) + "1" + &")".repeat(MAX_DEPTH))).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn no_text_panics(text in ".{0,80}") {
        drop(Expression::compile(&text));
    }
    #[test]
    fn no_text_of_the_grammars_own_letters_panics(text in "[-+*/%()?:<>=!&|.,'\"a-c0-9eux\\[\\]{} \\\\]{0,60}") {
        if let Ok(expression) = Expression::compile(&text) {
            drop(expression.evaluate(&|name| (name != "b").then(|| Value(json!(3)))));
        }
    }
}
