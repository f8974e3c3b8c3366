//! CEL over the properties of a device, all numbers being doubles. The grammar is the `cel` crate's; what is evaluated is a
//! small tree of our own, in which everything ends, nothing panics and `t * 2 + 1` needs no decimal points.
use crate::Value;
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use serde_json::Value as Json;

/// Longest text, as the schema has it too.
const MAX_LENGTH: usize = 1024;
/// Deepest nesting of brackets, and most `? :`.
const MAX_DEPTH: usize = 24;
/// Most operators: the parser nests each into the one before.
const MAX_CHAIN: usize = 128;
/// The generated parser needs up to 200 KB of stack for one bracket (measured, unoptimized), more than a usual stack holds.
const PARSER_STACK: usize = 32 << 20;
const FUNCTIONS: &str = "min, max, abs, floor, ceil, round, double, size, contains, startsWith, endsWith";

/// A compiled expression.
#[derive(Debug)]
pub struct Expression {
    variables: Vec<String>,
    root: Node,
}

/// Why an expression cannot be used, or has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionError(pub String);

type Result<T> = std::result::Result<T, ExpressionError>;

#[derive(Debug)]
enum Node {
    Constant(Data),
    Variable(String),
    List(Vec<Node>),
    Call(&'static str, Call, Vec<Node>),
}

#[derive(Debug, Clone, Copy)]
enum Call {
    If,
    And,
    Or,
    In,
    /// What needs the values of its arguments only.
    Strict(fn(&[Data]) -> Option<Data>),
}

#[derive(Debug, Clone, PartialEq)]
enum Data {
    Number(f64),
    Bool(bool),
    Text(String),
}

impl Expression {
    /// Checks the grammar and the functions.
    pub fn compile(text: &str) -> Result<Self> {
        bounded(text)?;
        let root = parse(text)?;
        if matches!(root, Node::List(_)) {
            return fail("a list is no value of a property");
        }
        let mut variables = vec![];
        root.variables(&mut variables);
        variables.sort();
        variables.dedup();
        Ok(Self { variables, root })
    }
    /// The properties that it reads, each once, sorted.
    pub fn variables(&self) -> &[String] {
        &self.variables
    }
    /// Its value; `get` gives the value of a property, None where it has none.
    pub fn evaluate(&self, get: &dyn Fn(&str) -> Option<Value>) -> Result<Value> {
        match self.root.value(get)? {
            Data::Number(n) if n.is_finite() => Ok(n.into()),
            Data::Number(_) => fail("the result is not a finite number"),
            Data::Bool(b) => Ok(b.into()),
            Data::Text(t) => Ok(t.into()),
        }
    }
}

fn fail<T>(text: impl Into<String>) -> Result<T> {
    Err(ExpressionError(text.into()))
}

/// On a thread of its own, whose stack is large enough and whose panics end there.
fn parse(text: &str) -> Result<Node> {
    let text = text.to_owned();
    let parser = std::thread::Builder::new().name("cel".into()).stack_size(PARSER_STACK).spawn(move || {
        let parsed = cel::Program::compile(&text).map_err(|errors| {
            let first = errors.errors.first();
            let place = first.map(|e| format!(" at character {}: {}", e.pos.1.max(0), brief(&e.msg)));
            ExpressionError(format!("is not CEL{}", place.unwrap_or_default()))
        })?;
        build(parsed.expression())
    });
    match parser.map(std::thread::JoinHandle::join) {
        Ok(Ok(parsed)) => parsed,
        Ok(Err(_)) => fail("cannot be parsed"),
        Err(error) => fail(format!("cannot be parsed now: {error}")),
    }
}

/// Counted on the text, strings included: who needs 24 brackets in a string may write it shorter.
fn bounded(text: &str) -> Result<()> {
    if text.len() > MAX_LENGTH {
        return fail(format!("longer than {MAX_LENGTH} characters"));
    }
    if let Some(control) = text.chars().find(|c| c.is_control() && !c.is_whitespace()) {
        return fail(format!("must not contain the control character {control:?}"));
    }
    let count = |set: &str| text.chars().filter(|c| set.contains(*c)).count();
    if depth(text) > MAX_DEPTH || count("?") > MAX_DEPTH {
        return fail(format!("more than {MAX_DEPTH} brackets in each other, or conditions"));
    }
    if count("+-*/%<>=!&|.") > MAX_CHAIN {
        return fail(format!("more than {MAX_CHAIN} operators"));
    }
    Ok(())
}

fn depth(text: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => now += 1,
            ')' | ']' | '}' => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

fn build(expr: &IdedExpr) -> Result<Node> {
    match &expr.expr {
        Expr::Literal(literal) => constant(literal).map(Node::Constant),
        Expr::Ident(name) => Ok(Node::Variable(name.clone())),
        Expr::List(list) => list.elements.iter().map(build).collect::<Result<_>>().map(Node::List),
        Expr::Call(call) => build_call(call),
        Expr::Select(select) => fail(format!("fields are not known here: .{}", brief(&select.field))),
        Expr::Comprehension(_) => fail("all, exists, map and filter are not known here"),
        Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => fail("maps are not known here"),
    }
}

#[allow(clippy::cast_precision_loss)] // all numbers are doubles: that is the rule here
fn constant(literal: &LiteralValue) -> Result<Data> {
    match literal {
        LiteralValue::Boolean(b) => Ok(Data::Bool(*b.inner())),
        LiteralValue::Double(n) => Ok(Data::Number(*n.inner())),
        LiteralValue::Int(n) => Ok(Data::Number(*n.inner() as f64)),
        LiteralValue::UInt(n) => Ok(Data::Number(*n.inner() as f64)),
        LiteralValue::String(s) => Ok(Data::Text(s.inner().to_owned())),
        LiteralValue::Bytes(_) | LiteralValue::Null => fail("only numbers, booleans and strings may stand there"),
    }
}

fn build_call(call: &CallExpr) -> Result<Node> {
    let arguments: Vec<Node> =
        call.target.iter().map(AsRef::as_ref).chain(&call.args).map(build).collect::<Result<_>>()?;
    let Some((name, kind)) = function(&call.func_name, arguments.len()) else {
        let name = brief(&call.func_name);
        return fail(format!("no function {name} of {} arguments; there are: {FUNCTIONS}", arguments.len()));
    };
    let lists = arguments.iter().enumerate().filter(|(_, a)| matches!(a, Node::List(_)));
    if lists.map(|(position, _)| position).any(|p| !(matches!(kind, Call::In) && p == 1)) {
        return fail("a list may only stand after in");
    }
    if matches!(kind, Call::In) && !matches!(arguments.get(1), Some(Node::List(_))) {
        return fail("after in stands a list, such as [1, 2]");
    }
    Ok(Node::Call(name, kind, arguments))
}

/// What is known by that name with so many arguments, and its name for people.
fn function(name: &str, arguments: usize) -> Option<(&'static str, Call)> {
    use Call::Strict;
    let strict = |name, f| Some((name, Strict(f)));
    match (name, arguments) {
        ("_?_:_", 3) => Some(("? :", Call::If)),
        ("_&&_", 2) => Some(("&&", Call::And)),
        ("_||_", 2) => Some(("||", Call::Or)),
        ("@in", 2) => Some(("in", Call::In)),
        ("!_", 1) => strict("!", |a| Some(Data::Bool(!a.first()?.bool()?))),
        ("-_", 1) => strict("-", |a| one(a, |x| -x)),
        ("_+_", 2) => strict("+", add),
        ("_-_", 2) => strict("-", |a| two(a, |x, y| x - y)),
        ("_*_", 2) => strict("*", |a| two(a, |x, y| x * y)),
        ("_/_", 2) => strict("/", |a| two(a, |x, y| x / y)),
        ("_%_", 2) => strict("%", |a| two(a, |x, y| x % y)),
        ("_==_", 2) => strict("==", |a| Some(Data::Bool(a.first()? == a.get(1)?))),
        ("_!=_", 2) => strict("!=", |a| Some(Data::Bool(a.first()? != a.get(1)?))),
        ("_<_", 2) => strict("<", |a| compare(a, std::cmp::Ordering::is_lt)),
        ("_<=_", 2) => strict("<=", |a| compare(a, std::cmp::Ordering::is_le)),
        ("_>_", 2) => strict(">", |a| compare(a, std::cmp::Ordering::is_gt)),
        ("_>=_", 2) => strict(">=", |a| compare(a, std::cmp::Ordering::is_ge)),
        ("min", 1..) => strict("min", |a| fold(a, f64::min)),
        ("max", 1..) => strict("max", |a| fold(a, f64::max)),
        ("abs", 1) => strict("abs", |a| one(a, f64::abs)),
        ("floor", 1) => strict("floor", |a| one(a, f64::floor)),
        ("ceil", 1) => strict("ceil", |a| one(a, f64::ceil)),
        ("round", 1) => strict("round", |a| one(a, f64::round)),
        ("double", 1) => strict("double", double),
        ("size", 1) => strict("size", size),
        ("contains", 2) => strict("contains", |a| texts(a, |t, part| t.contains(part))),
        ("startsWith", 2) => strict("startsWith", |a| texts(a, |t, part| t.starts_with(part))),
        ("endsWith", 2) => strict("endsWith", |a| texts(a, |t, part| t.ends_with(part))),
        _ => None,
    }
}

impl Node {
    fn variables(&self, into: &mut Vec<String>) {
        match self {
            Self::Constant(_) => {}
            Self::Variable(name) => into.push(name.clone()),
            Self::List(nodes) | Self::Call(_, _, nodes) => nodes.iter().for_each(|n| n.variables(into)),
        }
    }
    fn value(&self, get: &dyn Fn(&str) -> Option<Value>) -> Result<Data> {
        match self {
            Self::Constant(data) => Ok(data.clone()),
            Self::Variable(name) => variable(name, get(name)),
            Self::List(_) => fail("a list is no value"),
            Self::Call(name, call, nodes) => call_value(name, *call, nodes, get),
        }
    }
}

fn variable(name: &str, value: Option<Value>) -> Result<Data> {
    let Some(value) = value else { return fail(format!("{name} has no value")) };
    match &value.0 {
        Json::Bool(b) => Ok(Data::Bool(*b)),
        Json::String(s) => Ok(Data::Text(s.clone())),
        Json::Number(n) => n.as_f64().map(Data::Number).ok_or_else(|| ExpressionError(format!("{name} is no double"))),
        Json::Null | Json::Array(_) | Json::Object(_) => fail(format!("{name} is neither number, boolean nor text")),
    }
}

fn call_value(name: &str, call: Call, nodes: &[Node], get: &dyn Fn(&str) -> Option<Value>) -> Result<Data> {
    let at = |n: usize| nodes.get(n).ok_or_else(|| ExpressionError(format!("{name} lacks an argument")));
    let truth = |n: usize| {
        let found = at(n)?.value(get)?.bool();
        found.ok_or_else(|| ExpressionError(format!("{name} needs a boolean")))
    };
    match call {
        Call::If => at(if truth(0)? { 1 } else { 2 })?.value(get),
        Call::And | Call::Or => {
            // As CEL has it: the side that decides also decides over an error on the other.
            let decides = matches!(call, Call::Or);
            match (truth(0), truth(1)) {
                (Ok(side), _) | (_, Ok(side)) if side == decides => Ok(Data::Bool(decides)),
                (Ok(_), Ok(_)) => Ok(Data::Bool(!decides)),
                (Err(error), _) | (_, Err(error)) => Err(error),
            }
        }
        Call::In => {
            let wanted = at(0)?.value(get)?;
            let Node::List(nodes) = at(1)? else { return fail("after in stands a list") };
            let found = nodes.iter().map(|n| n.value(get)).collect::<Result<Vec<_>>>()?;
            Ok(Data::Bool(found.contains(&wanted)))
        }
        Call::Strict(f) => {
            let data = nodes.iter().map(|n| n.value(get)).collect::<Result<Vec<_>>>()?;
            f(&data).ok_or_else(|| {
                let kinds: Vec<&str> = data.iter().map(Data::kind).collect();
                ExpressionError(format!("{name} cannot be applied to {}", kinds.join(" and ")))
            })
        }
    }
}

impl Data {
    fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "a number",
            Self::Bool(_) => "a boolean",
            Self::Text(_) => "text",
        }
    }
    fn bool(&self) -> Option<bool> {
        if let Self::Bool(b) = self { Some(*b) } else { None }
    }
    fn number(&self) -> Option<f64> {
        if let Self::Number(n) = self { Some(*n) } else { None }
    }
    fn text(&self) -> Option<&str> {
        if let Self::Text(t) = self { Some(t) } else { None }
    }
}

fn one(data: &[Data], f: fn(f64) -> f64) -> Option<Data> {
    Some(Data::Number(f(data.first()?.number()?)))
}
fn two(data: &[Data], f: fn(f64, f64) -> f64) -> Option<Data> {
    Some(Data::Number(f(data.first()?.number()?, data.get(1)?.number()?)))
}
fn fold(data: &[Data], f: fn(f64, f64) -> f64) -> Option<Data> {
    let numbers = data.iter().map(Data::number).collect::<Option<Vec<f64>>>()?;
    numbers.into_iter().reduce(f).map(Data::Number)
}
fn add(data: &[Data]) -> Option<Data> {
    match (data.first()?, data.get(1)?) {
        (Data::Text(a), Data::Text(b)) => Some(Data::Text(format!("{a}{b}"))),
        _ => two(data, |x, y| x + y),
    }
}
fn compare(data: &[Data], holds: fn(std::cmp::Ordering) -> bool) -> Option<Data> {
    let order = match (data.first()?, data.get(1)?) {
        (Data::Text(a), Data::Text(b)) => a.cmp(b),
        (a, b) => a.number()?.partial_cmp(&b.number()?)?,
    };
    Some(Data::Bool(holds(order)))
}
fn texts(data: &[Data], f: fn(&str, &str) -> bool) -> Option<Data> {
    Some(Data::Bool(f(data.first()?.text()?, data.get(1)?.text()?)))
}
fn double(data: &[Data]) -> Option<Data> {
    match data.first()? {
        Data::Number(n) => Some(*n),
        Data::Bool(b) => Some(f64::from(u8::from(*b))),
        Data::Text(t) => t.trim().parse().ok(),
    }
    .map(Data::Number)
}
#[allow(clippy::cast_precision_loss)] // a length of at most 4096
fn size(data: &[Data]) -> Option<Data> {
    Some(Data::Number(data.first()?.text()?.chars().count() as f64))
}

fn brief(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(80).collect()
}

#[cfg(test)]
#[path = "expression_tests.rs"]
mod tests;
