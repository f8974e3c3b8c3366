//! Methods (Part 4, 5.12): found by name, their arguments typed as the server says, called once.
use crate::{
    error::{Code, Error, Result},
    kinds::{any, argument_types},
    limits::may_be_done,
    link::Link,
    read::fault,
    resolve::{resolve_chains, translate},
    types::NodeType,
    unit::Unit,
    values::{coerce, string, value},
};
use opcua::types::{
    Argument, AttributeId, BrowsePath, CallMethodRequest, CallMethodResult, CallRequest, NodeId, QualifiedName,
    ReadRequest, ReadValueId, ReferenceTypeId, RelativePath, RelativePathElement, TimestampsToReturn, Variant,
};
use pollux_crds::{OpcUaMethod, OpcUaNode};
use pollux_mapper::{Call, DriverError, ErrorKind, Fault, Instant, PointFault, Value};
use serde_json::{Map, Value as Json};
use std::sync::Arc;

const INPUT: &str = "InputArguments";
const OUTPUT: &str = "OutputArguments";

/// What a method takes or gives: names and types.
type Arguments = Vec<(String, NodeType)>;

/// A method, ready to be called.
#[derive(Debug)]
struct Ready {
    request: CallMethodRequest,
    inputs: Arguments,
    outputs: Arguments,
}

impl Link {
    /// What fails before anything is sent is no failure of the device: it was certainly not done.
    pub(crate) async fn invoke(
        &self,
        unit: &Unit,
        call: &Call,
        until: Instant,
    ) -> std::result::Result<Value, Fault<Error>> {
        let epoch = self.session().epoch();
        let ready = self.prepare_call(unit, call, until).await.map_err(Fault::Point)?;
        let not_sent = |error: Error| Fault::Point(fault(&error));
        let wire = self.session().wire_of(epoch, until).await.map_err(not_sent)?;
        let request =
            CallRequest { request_header: wire.header(until), methods_to_call: Some(vec![ready.request.clone()]) };
        let results = match wire.call(request, until).await {
            Ok(answer) => answer.results.unwrap_or_default(),
            Err(error @ Error::Encode { .. }) => return Err(not_sent(error)),
            Err(error @ Error::Refused { .. }) if error.kind() != ErrorKind::Timeout && !may_be_done(&error) => {
                return Err(not_sent(error));
            }
            Err(error) => return Err(Fault::Device(error)),
        };
        match results.as_slice() {
            [result] => ready.result(result),
            results => Err(Fault::Device(Error::Miscounted { service: "Call", results: results.len(), asked: 1 })),
        }
    }
    async fn prepare_call(&self, unit: &Unit, call: &Call, until: Instant) -> std::result::Result<Ready, PointFault> {
        let wrong = |text: String| PointFault::new(ErrorKind::Config, text);
        let method: OpcUaMethod = serde_json::from_value(call.binding.clone()).map_err(|e| wrong(e.to_string()))?;
        let name = |text: &str| text.parse::<OpcUaNode>().map_err(|error| wrong(format!("{text}: {error}")));
        let object = method.object.as_deref().map(name).transpose()?;
        let method = name(&method.method)?;
        let on: Vec<&OpcUaNode> = std::iter::once(unit.root()).chain(&object).collect();
        let whole = on.iter().copied().chain([&method]).collect();
        let asked = |error: Error| fault(&error);
        let mut found = resolve_chains(self.session(), &[on, whole], until).await.map_err(asked)?.into_iter();
        let (Some(object), Some(method)) = (found.next(), found.next()) else {
            return Err(wrong("neither object nor method were found".to_owned()));
        };
        let (object_id, method_id) = (object?, method?);
        let [inputs, outputs] = self.arguments(&method_id, until).await.map_err(asked)?;
        let input_arguments = typed(&call.arguments, &inputs)?;
        let request = CallMethodRequest { object_id, method_id, input_arguments };
        Ok(Ready { request, inputs, outputs })
    }
    /// What it takes and what it gives.
    async fn arguments(&self, method: &NodeId, until: Instant) -> Result<[Arguments; 2]> {
        let paths = [INPUT, OUTPUT].map(|name| property(method, name));
        let found = translate(self.session(), &paths, until).await?;
        let node = |at: usize| {
            let target = found.get(at)?.targets.as_deref()?.first()?;
            Some(target.target_id.node_id.clone())
        };
        let mut both = [vec![], vec![]];
        for (at, arguments) in both.iter_mut().enumerate() {
            let Some(node) = node(at) else { continue }; // it has none
            let said = self.said(node, until).await?;
            let types: Vec<(NodeId, i32)> = said.iter().map(|one| (one.data_type.clone(), one.value_rank)).collect();
            let types = argument_types(self.session(), &types, until).await?;
            let names = said.iter().map(|one| string(&one.name).to_owned());
            *arguments = names.zip(types).collect();
        }
        Ok(both)
    }
    async fn said(&self, node_id: NodeId, until: Instant) -> Result<Vec<Argument>> {
        let wire = self.session().wire(until).await?;
        let request = ReadRequest {
            request_header: wire.header(until),
            max_age: 0.0,
            timestamps_to_return: TimestampsToReturn::Neither,
            nodes_to_read: Some(vec![ReadValueId {
                node_id,
                attribute_id: AttributeId::Value as u32,
                ..ReadValueId::default()
            }]),
        };
        let read = wire.call(request, until).await?.results.unwrap_or_default();
        let one = |variant: &Variant| match variant {
            Variant::ExtensionObject(object) => object.inner_as::<Argument>().cloned(),
            _ => None,
        };
        let Some(Variant::Array(array)) = read.into_iter().next().and_then(|read| read.value) else {
            return Ok(vec![]);
        };
        let said: Vec<Argument> = array.values.iter().filter_map(one).collect();
        if said.len() == array.values.len() {
            return Ok(said);
        }
        let why = "its arguments are not described by Argument structures".to_owned();
        Err(Error::Decode { service: "Read", why })
    }
}

/// A property of the standard's namespace.
fn property(node: &NodeId, name: &str) -> BrowsePath {
    let element = RelativePathElement {
        reference_type_id: ReferenceTypeId::HasProperty.into(),
        is_inverse: false,
        include_subtypes: true,
        target_name: QualifiedName::new(0, name),
    };
    BrowsePath { starting_node: node.clone(), relative_path: RelativePath { elements: Some(vec![element]) } }
}

/// The arguments as the server takes them, by their places.
fn typed(given: &[(String, Value)], inputs: &Arguments) -> std::result::Result<Option<Vec<Variant>>, PointFault> {
    if given.len() != inputs.len() {
        let takes: Vec<String> = inputs.iter().map(|(name, kind)| format!("{name}: {}", kind.kind.name())).collect();
        let text = format!(
            "the method takes {} arguments ({}), the command gives {}",
            inputs.len(),
            takes.join(", "),
            given.len()
        );
        return Err(PointFault::new(ErrorKind::Config, text));
    }
    let one = |((name, value), (_, kind)): (&(String, Value), &(String, NodeType))| {
        coerce(value, kind).map_err(|fault| PointFault::new(fault.kind, format!("{name}: {}", fault.text)))
    };
    given.iter().zip(inputs).map(one).collect::<std::result::Result<Vec<_>, _>>().map(Some)
}

impl Ready {
    /// One result is itself, several are an object by their names, none is null.
    fn result(&self, result: &CallMethodResult) -> std::result::Result<Value, Fault<Error>> {
        let code = Code::from(result.status_code);
        if code.is_bad() {
            if code.kind() == ErrorKind::Timeout {
                return Err(Fault::Device(Error::Refused { service: "Call", code })); // it may have been done
            }
            return Err(Fault::Point(self.refusal(code, result)));
        }
        let given = result.output_arguments.as_deref().unwrap_or_default();
        let mut named: Vec<(&str, Value)> = vec![];
        for (at, variant) in given.iter().enumerate() {
            let (name, kind) = self.outputs.get(at).map_or(("", None), |(name, kind)| (name.as_str(), Some(kind)));
            let any = any();
            // It was done: a result that cannot be told is no reason to say that it was not.
            let value = value(variant, kind.unwrap_or(&any));
            named.push((name, value.unwrap_or_else(|fault| Value::from(fault.text.into_owned()))));
        }
        if named.len() == 1 {
            return Ok(named.swap_remove(0).1);
        }
        let json: Map<String, Json> = named
            .into_iter()
            .enumerate()
            .map(|(at, (name, value))| {
                let name = if name.is_empty() { at.to_string() } else { name.to_owned() };
                (name, as_json(&value))
            })
            .collect();
        Ok(Value::Json(Arc::new(if json.is_empty() { Json::Null } else { Json::Object(json) })))
    }
    /// By name, and which argument it is about.
    fn refusal(&self, code: Code, result: &CallMethodResult) -> PointFault {
        let results = result.input_argument_results.iter().flatten().map(|code| Code::from(*code));
        let bad = results.zip(&self.inputs).filter(|(code, _)| code.is_bad());
        let bad: Vec<String> = bad.map(|(code, (name, _))| format!("{name}: {code}")).collect();
        let text = if bad.is_empty() { code.to_string() } else { format!("{code} ({})", bad.join(", ")) };
        PointFault::new(code.kind(), text)
    }
}

fn as_json(value: &Value) -> Json {
    match value {
        Value::Json(json) => (**json).clone(),
        Value::Bool(v) => (*v).into(),
        Value::Int(v) => (*v).into(),
        Value::Uint(v) => (*v).into(),
        Value::Float(v) => Json::from(*v),
        Value::Text(text) => Json::from(&**text),
        Value::Bytes(bytes) => Json::from(base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes)),
    }
}
