//! `read` of a URL: values of nodes, before there is any YAML.
use super::{access::Access, end, print, table::aligned};
use crate::{
    Code, Error,
    browse::{attribute, read},
    kinds::node_types,
    resolve::resolve,
    session::Session,
    types::NodeType,
    values::{json, stamp, value},
};
use clap::{ArgMatches, Args, Command, FromArgMatches};
use opcua::types::{AttributeId, DataValue, NodeId};
use pollux_crds::{OpcUaNode, OpcUaNodeError};
use pollux_mapper::{Exit, Instant, Out, PointFault, Value, printable};

/// Characters of a value in a table.
const WIDE: usize = 200;
const EXAMPLES: &str = "\
Examples:
  pollux-opcua read opc.tcp://plc-1 'ns=2;s=Boiler.Temp' i=2258
  pollux-opcua read opc.tcp://plc-1 /2:Boiler/2:Temp                 a path of browse names from the Objects folder
  pollux-opcua read opc.tcp://plc-1 i=2258 --insecure                without security, for a first look
  POLLUX_OPCUA_PASSWORD=… pollux-opcua read opc.tcp://plc-1 i=2258 --user alice --trust 3F:78:…

Nothing is ever written to the server.";

/// Read nodes of a server for which there is no YAML yet
#[derive(Debug, Args)]
struct Options {
    #[command(flatten)]
    access: Access,
    /// Node ids (ns=2;s=Boiler.Temp, nsu=urn:vendor:plc;i=1001, i=2258) or browse paths from the Objects folder (/2:Boiler/2:Temp)
    #[arg(required = true, value_parser = node, value_name = "NODE")]
    nodes: Vec<(String, OpcUaNode)>,
}

fn node(text: &str) -> Result<(String, OpcUaNode), OpcUaNodeError> {
    Ok((text.to_owned(), text.parse()?))
}

pub(super) fn command() -> Command {
    Options::augment_args(Command::new("url")).after_help(EXAMPLES)
}

pub(super) async fn run(matches: ArgMatches, mut out: Out) -> Exit {
    let options = match Options::from_arg_matches(&matches) {
        Ok(options) => options,
        Err(error) => return end(&mut out, Exit::Usage, &error.to_string()),
    };
    match options.rows().await {
        Err(error @ Error::Config(_)) => end(&mut out, Exit::Usage, &printable(&error.to_string())),
        Err(error) => end(&mut out, Exit::Fault, &printable(&format!("{}: {error}", options.access.url))),
        Ok((rows, all_good)) => match print(&mut out, &aligned(&rows, &[])) {
            Exit::Ok if !all_good => Exit::Fault,
            exit => exit,
        },
    }
}

impl Options {
    /// A line for each node, and whether all have values.
    async fn rows(&self) -> Result<(Vec<Vec<String>>, bool), Error> {
        let session = self.access.open().await?;
        let rows = self.of(&session).await;
        session.close().await;
        rows
    }
    async fn of(&self, session: &Session) -> Result<(Vec<Vec<String>>, bool), Error> {
        let until = || Instant::now() + self.access.timeout.duration();
        let names: Vec<&OpcUaNode> = self.nodes.iter().map(|(_, node)| node).collect();
        let objects = OpcUaNode::Path(pollux_crds::OpcUaPath(vec![]));
        let found = resolve(session, &names, &objects, until()).await?;
        let ids: Vec<NodeId> = found.iter().filter_map(|found| found.as_ref().ok()).cloned().collect();
        let mut types = node_types(session, &ids, until()).await?.into_iter();
        let asked: Vec<_> = ids.iter().map(|id| attribute(id, AttributeId::Value)).collect();
        let mut values = read(session, &asked, until()).await?.into_iter();
        let mut rows = vec![["NODE", "VALUE", "TYPE", "STATUS", "TIME"].map(str::to_owned).to_vec()];
        let mut all_good = true;
        for ((text, _), found) in self.nodes.iter().zip(found) {
            let cells = match found {
                Ok(_) => told(types.next(), values.next()),
                Err(fault) => Err(fault),
            };
            all_good &= cells.as_ref().is_ok_and(|(_, good)| *good);
            let cells = cells
                .map_or_else(|fault| ["-".into(), "-".into(), fault.text.into_owned(), "-".into()], |(cells, _)| cells);
            rows.push(std::iter::once(text.clone()).chain(cells).map(|cell| printable(&cell)).collect());
        }
        Ok((rows, all_good))
    }
}

type Cells = ([String; 4], bool);

fn told(kind: Option<Result<NodeType, PointFault>>, said: Option<DataValue>) -> Result<Cells, PointFault> {
    let missing = || PointFault::new(pollux_mapper::ErrorKind::Protocol, "no answer");
    let (kind, said) = (kind.ok_or_else(missing)??, said.ok_or_else(missing)?);
    let status = Code(said.status.map_or(0, |status| status.bits()));
    let shown = match (&said.value, status.is_bad()) {
        (Some(variant), false) => match value(variant, &kind)? {
            // Beyond 2⁵³ too, and without quotes.
            Value::Int(number) if !matches!(kind.kind, crate::types::Kind::Enum(_)) => number.to_string(),
            Value::Uint(number) => number.to_string(),
            _ => json(variant, &kind.kind)?.to_string(),
        },
        _ => "-".into(),
    };
    let list =
        if kind.is_array() { "[]".repeat(usize::try_from(kind.rank.max(1)).unwrap_or(1)) } else { String::new() };
    let time = said.source_timestamp.map_or_else(|| "-".to_owned(), |time| stamp(time.ticks()));
    Ok(([short(&shown), format!("{}{list}", kind.kind.name()), status.to_string(), time], !status.is_bad()))
}

fn short(text: &str) -> String {
    if text.chars().count() <= WIDE { text.to_owned() } else { text.chars().take(WIDE).chain(['…']).collect() }
}
