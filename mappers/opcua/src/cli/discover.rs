//! `discover`: what a server shows, as DeviceModels and Devices that work at once.
use super::{
    access::Access,
    end,
    lasting::{lasting, steps},
    model::{Found, Method, Server, Variable, made},
    note, print,
    tree::{Node, Tree, walk},
};
use crate::{
    Error,
    browse::{attribute, read},
    kinds::{argument_types, node_types},
    resolve::resolve,
    session::Session,
    types::NodeType,
    values::string,
};
use clap::{ArgMatches, Args, Command, FromArgMatches};
use opcua::types::{
    Argument, AttributeId, DataValue, EUInformation, NodeClass, NodeId, ObjectId, Range, ReadValueId, Variant,
};
use pollux_crds::{Interval, OpcUaNode, OpcUaPath, Span};
use pollux_mapper::{Exit, Instant, Out, PointFault, printable};
use std::collections::HashMap;

/// Nodes whose attributes are asked for at once: so often is progress shown.
const AT_ONCE: usize = 500;
const EXAMPLES: &str = "\
Examples:
  pollux-opcua discover opc.tcp://plc-1 --trust 3F:78:… > plc-1.yaml
  pollux-opcua discover opc.tcp://plc-1 --path /2:Line7 --interval 500ms
  pollux-opcua discover opc.tcp://plc-1 --insecure --node edge-1 | kubectl apply -f -

Objects of one type become one DeviceModel and a Device each; all else becomes one Device. The Devices are of mode Monitor: they
write nothing until that is changed. Nothing is written to the server, and no method is called. What is said beside the YAML goes to
standard error, as remarks of YAML: the log of a Pod that ran this can be applied as it is.";

/// Write DeviceModels and Devices of what a server shows
#[derive(Debug, Args)]
struct Options {
    #[command(flatten)]
    access: Access,
    /// Where to begin: a browse path from the Objects folder (/2:Line7) or a node id [default: the Objects folder]
    #[arg(long, value_name = "NODE")]
    path: Option<OpcUaNode>,
    /// How often properties are to be read, or sampled by the server
    #[arg(long, default_value = "1s")]
    interval: Span,
    /// Nodes to look at, at most
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    most: u32,
    /// With --user: name of the Secret (username, password) that the Devices are to use
    #[arg(long, default_value = "opcua-user")]
    secret: String,
    /// Name of the Secret (tls.crt, tls.key) of the certificate that the mapper is to show [default: each node makes its own]
    #[arg(long, value_name = "SECRET")]
    certificate: Option<String>,
    /// Node from which the Devices are to be reached: in a cluster of several they need one
    #[arg(long)]
    node: Option<String>,
    /// What the server is to be called [default: of its host]
    #[arg(long)]
    name: Option<String>,
}

pub(super) fn command() -> Command {
    Options::augment_args(Command::new("discover")).after_help(EXAMPLES)
}

pub(super) async fn run(matches: ArgMatches, mut out: Out) -> Exit {
    let options = match Options::from_arg_matches(&matches) {
        Ok(options) => options,
        Err(error) => return end(&mut out, Exit::Usage, &error.to_string()),
    };
    match options.discover(&mut out).await {
        Err(error @ Error::Config(_)) => end(&mut out, Exit::Usage, &printable(&error.to_string())),
        Err(error) => end(&mut out, Exit::Fault, &printable(&format!("{}: {error}", options.access.url))),
        Ok(found) => options.write(&found, &mut out),
    }
}

impl Options {
    async fn discover(&self, out: &mut Out) -> Result<Vec<Found>, Error> {
        out.progress("connecting");
        let session = self.access.open().await?;
        let found = Search { session: &session, options: self }.found(out).await;
        session.close().await;
        found
    }
    fn write(&self, found: &[Found], out: &mut Out) -> Exit {
        let host = pollux_crds::host_and_port(&self.access.url).map(|(host, ..)| host).unwrap_or_default();
        let server = Server {
            device: self.access.device(&self.secret, self.certificate.as_deref()),
            name: self.name.clone().unwrap_or(host),
            node: self.node.clone(),
        };
        let made = made(found, &server, Interval::Every(self.interval));
        for remark in &made.remarks {
            note(out, remark);
        }
        if made.devices == 0 {
            return end(out, Exit::Fault, "no variable that may be read or written was found; see --path and --user");
        }
        if self.access.user().is_some() {
            let secret = &self.secret;
            note(
                out,
                &format!(
                    "the Devices need the Secret {secret}: kubectl create secret generic {secret} --type=kubernetes.io/basic-auth \
                     --from-literal=username=… --from-file=password=…; kubectl label secret {secret} pollux.rs/for=mappers"
                ),
            );
        }
        if let Some(secret) = &self.certificate {
            note(
                out,
                &format!(
                    "the Devices need the Secret {secret}: kubectl create secret tls {secret} --cert=… --key=…; \
                     kubectl label secret {secret} pollux.rs/for=mappers"
                ),
            );
        }
        note(out, &format!("{} devices, {} properties", made.devices, made.properties));
        print(out, &made.documents.join("---\n"))
    }
}

struct Search<'a> {
    session: &'a Session,
    options: &'a Options,
}

impl Search<'_> {
    fn until(&self) -> Instant {
        Instant::now() + self.options.access.timeout.duration()
    }
    async fn found(&self, out: &mut Out) -> Result<Vec<Found>, Error> {
        let first = self.first().await?;
        let patience = self.options.access.timeout.duration();
        let most = usize::try_from(self.options.most).unwrap_or(usize::MAX);
        let tree = walk(self.session, first, most, patience, |found, left| {
            out.progress(&format!("{found} nodes found, {left} of this level to be looked at"));
        })
        .await?;
        if tree.cut {
            let looked = tree.nodes.len();
            note(out, &format!("there is more than {looked} nodes: the rest is left out; see --path and --most"));
        }
        if tree.hidden > 0 {
            note(out, &format!("the server does not show us what is below {} nodes", tree.hidden));
        }
        let devices = tree.devices();
        let (variables, methods) = (self.variables(&tree, &devices, out).await?, self.methods(&tree, &devices).await?);
        self.put_together(&tree, &devices, variables, methods).await
    }
    /// Where it begins.
    async fn first(&self) -> Result<Node, Error> {
        let objects: NodeId = ObjectId::ObjectsFolder.into();
        let begin = OpcUaNode::Path(OpcUaPath(vec![]));
        let id = match &self.options.path {
            None => objects.clone(),
            Some(path) => {
                let found = resolve(self.session, &[path], &begin, self.until()).await?.into_iter().next();
                found
                    .unwrap_or_else(|| Ok(objects.clone()))
                    .map_err(|fault| Error::Config(format!("--path: {fault}")))?
            }
        };
        let asked = [AttributeId::BrowseName, AttributeId::DisplayName, AttributeId::NodeClass];
        let asked = asked.map(|one| attribute(&id, one));
        let said = read(self.session, &asked, self.until()).await?;
        let name = match said.first().and_then(|said| said.value.as_ref()) {
            Some(Variant::QualifiedName(name)) => name.as_ref().clone(),
            _ => return Err(Error::Config(format!("--path: there is no node {id}"))),
        };
        let kind = crate::browse::along(
            &id,
            opcua::types::ReferenceTypeId::HasTypeDefinition,
            opcua::types::BrowseDirection::Forward,
        );
        let kind = crate::browse::browse(self.session, &[kind], self.until()).await?.into_iter().next();
        let kind = kind.and_then(Result::ok).and_then(|found| found.into_iter().next());
        Ok(Node {
            id,
            parent: 0,
            name,
            shown: said.get(1).map(words).unwrap_or_default(),
            class: NodeClass::Object,
            kind: kind.map(|kind| kind.node_id.node_id).unwrap_or_default(),
            is_property: false,
        })
    }
    /// Each with its device.
    async fn variables(&self, tree: &Tree, devices: &[usize], out: &mut Out) -> Result<Vec<(usize, Variable)>, Error> {
        let namespaces = self.session.namespaces();
        let is_variable = |at: usize| tree.nodes.get(at).is_some_and(|node| node.class == NodeClass::Variable);
        let of_variable =
            |node: &Node| tree.nodes.get(node.parent).is_none_or(|above| above.class != NodeClass::Object);
        let wanted: Vec<usize> = (1..tree.nodes.len())
            .filter(|at| {
                is_variable(*at) && tree.nodes.get(*at).is_some_and(|node| !node.is_property || !of_variable(node))
            })
            .collect();
        let about = self.about(tree).await?;
        let mut all = Vec::with_capacity(wanted.len());
        for (done, part) in wanted.chunks(AT_ONCE).enumerate() {
            out.progress(&bar(done * AT_ONCE, wanted.len()));
            let nodes: Vec<&Node> = part.iter().filter_map(|at| tree.nodes.get(*at)).collect();
            let ids: Vec<NodeId> = nodes.iter().map(|node| node.id.clone()).collect();
            let types = node_types(self.session, &ids, self.until()).await?;
            let asked: Vec<_> = ids.iter().map(|id| attribute(id, AttributeId::Description)).collect();
            let said = read(self.session, &asked, self.until()).await?;
            let types = self.ranked(&ids, types).await?;
            for (((at, node), kind), said) in part.iter().zip(nodes).zip(types).zip(said) {
                let Ok(kind) = kind else { continue }; // it cannot be read either
                let device = devices.get(*at).copied().unwrap_or(0);
                let about = about.get(at).cloned().unwrap_or_default();
                let description = description(&said, node);
                all.push((
                    device,
                    Variable {
                        path: steps(&tree.steps(device, *at), &namespaces),
                        id: lasting(&node.id, &namespaces),
                        kind,
                        description,
                        unit: about.unit,
                        range: about.range,
                        constant: node.is_property,
                    },
                ));
            }
        }
        Ok(all)
    }
    /// Where a server leaves open whether it is one value or an array, the value that is there says it.
    async fn ranked(
        &self,
        ids: &[NodeId],
        mut types: Vec<Result<NodeType, PointFault>>,
    ) -> Result<Vec<Result<NodeType, PointFault>>, Error> {
        let open = |kind: &&mut Result<NodeType, PointFault>| kind.as_ref().is_ok_and(|kind| kind.rank < -1);
        let asked = ids.iter().zip(types.iter_mut()).filter(|(_, kind)| open(kind));
        let asked: Vec<_> = asked.map(|(id, _)| attribute(id, AttributeId::Value)).collect();
        let said = read(self.session, &asked, self.until()).await?;
        for (kind, said) in types.iter_mut().filter(open).zip(said) {
            if let (Ok(kind), Some(value)) = (kind, said.value)
                && !matches!(value, Variant::Array(_) | Variant::Empty)
            {
                kind.rank = -1;
            }
        }
        Ok(types)
    }
    /// What properties say of variables: units and ranges (Part 8, 5.3.2).
    async fn about(&self, tree: &Tree) -> Result<HashMap<usize, About>, Error> {
        let of = |node: &&Node| node.is_property && matches!(string(&node.name.name), "EURange" | "EngineeringUnits");
        let asked: Vec<&Node> = tree.nodes.iter().filter(of).collect();
        let values: Vec<ReadValueId> = asked.iter().map(|node| attribute(&node.id, AttributeId::Value)).collect();
        let mut about: HashMap<usize, About> = HashMap::new();
        for (nodes, values) in asked.chunks(AT_ONCE).zip(values.chunks(AT_ONCE)) {
            for (node, said) in nodes.iter().zip(read(self.session, values, self.until()).await?) {
                let Some(Variant::ExtensionObject(object)) = &said.value else { continue };
                let of = about.entry(node.parent).or_default();
                if let Some(range) = object.inner_as::<Range>() {
                    of.range = Some((range.low, range.high));
                } else if let Some(unit) = object.inner_as::<EUInformation>() {
                    string(&unit.display_name.text).clone_into(&mut of.unit);
                }
            }
        }
        Ok(about)
    }
    /// Those that we may call, each with its device.
    async fn methods(&self, tree: &Tree, devices: &[usize]) -> Result<Vec<(usize, Method)>, Error> {
        let namespaces = self.session.namespaces();
        let all: Vec<(usize, &Node)> =
            tree.nodes.iter().enumerate().skip(1).filter(|(_, node)| node.class == NodeClass::Method).collect();
        let attributes = [AttributeId::UserExecutable, AttributeId::Description];
        let asked: Vec<_> = all.iter().flat_map(|(_, node)| attributes.map(|one| attribute(&node.id, one))).collect();
        let said = read(self.session, &asked, self.until()).await?;
        let mut methods = vec![];
        for ((at, node), said) in all.into_iter().zip(said.chunks(attributes.len())) {
            let [executable, description] = said else { continue };
            if matches!(executable.value, Some(Variant::Boolean(false))) {
                continue;
            }
            let device = devices.get(at).copied().unwrap_or(0);
            methods.push((
                device,
                Method {
                    path: steps(&tree.steps(device, at), &namespaces),
                    description: self::description(description, node),
                    arguments: self.arguments(tree, at).await?,
                },
            ));
        }
        Ok(methods)
    }
    async fn arguments(&self, tree: &Tree, method: usize) -> Result<Vec<(String, NodeType, String)>, Error> {
        let inputs = |node: &&Node| node.parent == method && string(&node.name.name) == "InputArguments";
        let Some(inputs) = tree.nodes.iter().find(inputs) else { return Ok(vec![]) };
        let said = read(self.session, &[attribute(&inputs.id, AttributeId::Value)], self.until()).await?;
        let Some(Variant::Array(array)) = said.into_iter().next().and_then(|said| said.value) else {
            return Ok(vec![]);
        };
        let one = |value: &Variant| match value {
            Variant::ExtensionObject(object) => object.inner_as::<Argument>().cloned(),
            _ => None,
        };
        let arguments: Vec<Argument> = array.values.iter().filter_map(one).collect();
        let types: Vec<_> = arguments.iter().map(|one| (one.data_type.clone(), one.value_rank)).collect();
        let types = argument_types(self.session, &types, self.until()).await?;
        let told = arguments.iter().zip(types).map(|(argument, kind)| {
            let description = string(&argument.description.text);
            let description = if argument.description.text == argument.name { "" } else { description };
            (string(&argument.name).to_owned(), kind, description.to_owned())
        });
        Ok(told.collect())
    }
    async fn put_together(
        &self,
        tree: &Tree,
        devices: &[usize],
        variables: Vec<(usize, Variable)>,
        methods: Vec<(usize, Method)>,
    ) -> Result<Vec<Found>, Error> {
        let namespaces = self.session.namespaces();
        let mut roots: Vec<usize> = devices.to_vec();
        roots.sort_unstable();
        roots.dedup();
        let nodes: Vec<&Node> = roots.iter().filter_map(|at| tree.nodes.get(*at)).collect();
        let asked: Vec<_> = nodes.iter().map(|node| attribute(&node.kind, AttributeId::BrowseName)).collect();
        let types = read(self.session, &asked, self.until()).await?;
        let objects: NodeId = ObjectId::ObjectsFolder.into();
        let mut found: Vec<Found> = vec![];
        let mut of: HashMap<usize, usize> = HashMap::new();
        for ((root, node), kind) in roots.iter().zip(nodes).zip(types) {
            let kind = match &kind.value {
                Some(Variant::QualifiedName(name)) if node.kind.namespace != 0 => {
                    Some((lasting(&node.kind, &namespaces), string(&name.name).to_owned()))
                }
                _ => None,
            };
            let is_folder = node.id == objects;
            of.insert(*root, found.len());
            found.push(Found {
                name: if is_folder { String::new() } else { string(&node.name.name).to_owned() },
                root: (!is_folder).then(|| lasting(&node.id, &namespaces)),
                kind,
                variables: vec![],
                methods: vec![],
            });
        }
        for (device, variable) in variables {
            if let Some(found) = of.get(&device).and_then(|at| found.get_mut(*at)) {
                found.variables.push(variable);
            }
        }
        for (device, method) in methods {
            if let Some(found) = of.get(&device).and_then(|at| found.get_mut(*at)) {
                found.methods.push(method);
            }
        }
        found.retain(|one| !one.variables.is_empty());
        Ok(found)
    }
}

#[derive(Debug, Clone, Default)]
struct About {
    unit: String,
    range: Option<(f64, f64)>,
}

fn bar(done: usize, all: usize) -> String {
    const WIDE: usize = 30;
    let full = (done * WIDE).checked_div(all).unwrap_or(WIDE).min(WIDE);
    format!("[{}{}] {done} of {all} variables", "#".repeat(full), " ".repeat(WIDE - full))
}

/// A text with a language.
fn words(said: &DataValue) -> String {
    match &said.value {
        Some(Variant::LocalizedText(words)) => string(&words.text).trim().to_owned(),
        _ => String::new(),
    }
}

/// What a node says of itself beside its name.
fn description(said: &DataValue, node: &Node) -> String {
    let says_more = |words: &String| !words.is_empty() && *words != string(&node.name.name);
    [words(said), node.shown.clone()].into_iter().find(says_more).unwrap_or_default()
}
