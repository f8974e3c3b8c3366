//! Names of nodes as people write them to node ids of one session: namespaces by their URI, which a server may number anew at each
//! start, and browse paths by TranslateBrowsePathsToNodeIds (Part 4, 5.9.4).
use crate::{
    error::{Code, Error, Result},
    limits::{Operation, in_parts},
    session::{Namespaces, Session},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use opcua::types::{
    BrowsePath, BrowsePathResult, ByteString, Guid, NodeId, ObjectId, QualifiedName, ReferenceTypeId, RelativePath,
    RelativePathElement, StatusCode, TranslateBrowsePathsToNodeIdsRequest, UAString,
};
use pollux_crds::{OpcUaIdentifier, OpcUaNamespace, OpcUaNode, OpcUaNodeId, OpcUaPath, OpcUaStep};
use pollux_mapper::{ErrorKind, Instant, PointFault};

/// What a name is at the server, or why it is nothing there.
pub(crate) type Found = std::result::Result<NodeId, PointFault>;

/// From a node, step by step. Without a node: from the Objects folder.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Way<'a> {
    from: Option<&'a OpcUaNodeId>,
    steps: Vec<&'a OpcUaStep>,
}

impl<'a> Way<'a> {
    /// Each name begins where the one before ends; an id begins anew.
    fn of(names: &[&'a OpcUaNode]) -> Self {
        let begin = Self { from: None, steps: vec![] };
        names.iter().fold(begin, |mut way, name| match name {
            OpcUaNode::Id(id) => Self { from: Some(id), steps: vec![] },
            OpcUaNode::Path(OpcUaPath(steps)) => {
                way.steps.extend(steps);
                way
            }
        })
    }
    fn path(&self) -> OpcUaPath {
        OpcUaPath(self.steps.iter().map(|step| (*step).clone()).collect())
    }
    fn start(&self, namespaces: &Namespaces) -> Found {
        self.from.map_or_else(|| Ok(NodeId::from(ObjectId::ObjectsFolder)), |id| node_id(id, namespaces))
    }
    /// Each step over a hierarchical reference of any kind, forward.
    fn request(&self, namespaces: &Namespaces) -> std::result::Result<BrowsePath, PointFault> {
        let element = |step: &&OpcUaStep| {
            Ok(RelativePathElement {
                reference_type_id: ReferenceTypeId::HierarchicalReferences.into(),
                is_inverse: false,
                include_subtypes: true,
                target_name: QualifiedName::new(index(&step.namespace, namespaces)?, step.name.as_str()),
            })
        };
        let elements = self.steps.iter().map(element).collect::<std::result::Result<_, PointFault>>()?;
        Ok(BrowsePath {
            starting_node: self.start(namespaces)?,
            relative_path: RelativePath { elements: Some(elements) },
        })
    }
}

/// What each of them is now, paths from `root` on.
pub(crate) async fn resolve(
    session: &Session,
    names: &[&OpcUaNode],
    root: &OpcUaNode,
    until: Instant,
) -> Result<Vec<Found>> {
    let chains: Vec<Vec<&OpcUaNode>> = names.iter().map(|name| vec![root, *name]).collect();
    resolve_chains(session, &chains, until).await
}

/// The same, where each name of a chain begins at the one before.
pub(crate) async fn resolve_chains(
    session: &Session,
    chains: &[Vec<&OpcUaNode>],
    until: Instant,
) -> Result<Vec<Found>> {
    let namespaces = session.namespaces();
    let ways: Vec<Way<'_>> = chains.iter().map(|chain| Way::of(chain)).collect();
    let mut found: Vec<Found> = ways.iter().map(|way| way.start(&namespaces)).collect();
    let mut asked = vec![];
    for (at, way) in ways.iter().enumerate().filter(|(_, way)| !way.steps.is_empty()) {
        match (way.request(&namespaces), found.get_mut(at)) {
            (Ok(request), _) => asked.push((at, request)),
            (Err(fault), Some(slot)) => *slot = Err(fault),
            (Err(_), None) => {}
        }
    }
    let paths: Vec<BrowsePath> = asked.iter().map(|(_, path)| path.clone()).collect();
    let results = translate(session, &paths, until).await?;
    for ((at, _), result) in asked.iter().zip(results) {
        if let (Some(slot), Some(way)) = (found.get_mut(*at), ways.get(*at)) {
            *slot = target(&result, way);
        }
    }
    Ok(found)
}

/// In as many requests as the server wants.
pub(crate) async fn translate(
    session: &Session,
    paths: &[BrowsePath],
    until: Instant,
) -> Result<Vec<BrowsePathResult>> {
    let send = |part: Vec<BrowsePath>| async move {
        let wire = session.wire(until).await?;
        let request =
            TranslateBrowsePathsToNodeIdsRequest { request_header: wire.header(until), browse_paths: Some(part) };
        Ok::<_, Error>(wire.call(request, until).await?.results.unwrap_or_default())
    };
    in_parts(session.limits(), Operation::Translate, paths, send).await
}

/// The one node that a path leads to.
fn target(result: &BrowsePathResult, way: &Way<'_>) -> Found {
    let from = way.from.map_or_else(|| "the Objects folder".to_owned(), ToString::to_string);
    let code = Code::from(result.status_code);
    if code.is_bad() {
        return Err(PointFault::new(code.kind(), format!("{code}: {} from {from}", way.path())));
    }
    // What is left of the path, or is at another server, is not the node itself.
    let whole = result.targets.iter().flatten().filter(|target| {
        target.remaining_path_index == u32::MAX
            && target.target_id.server_index == 0
            && target.target_id.namespace_uri.is_null()
    });
    let mut nodes: Vec<&NodeId> = whole.map(|target| &target.target_id.node_id).collect();
    nodes.dedup();
    match nodes.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let code = Code::from(StatusCode::BadNoMatch);
            Err(PointFault::new(code.kind(), format!("{code}: {} from {from}", way.path())))
        }
        [one, other, ..] => {
            let text = format!("{} from {from} leads to {one} and to {other}: use nodeId", way.path());
            Err(PointFault::new(ErrorKind::Config, text))
        }
    }
}

/// An id at this session.
pub(crate) fn node_id(id: &OpcUaNodeId, namespaces: &Namespaces) -> Found {
    let namespace = index(&id.namespace, namespaces)?;
    let unreadable = || PointFault::new(ErrorKind::Config, format!("{id} is no node id"));
    Ok(match &id.identifier {
        OpcUaIdentifier::Numeric(number) => NodeId::new(namespace, *number),
        OpcUaIdentifier::Text(text) => NodeId::new(namespace, UAString::from(text.as_str())),
        OpcUaIdentifier::Guid(text) => NodeId::new(namespace, text.parse::<Guid>().map_err(|_| unreadable())?),
        OpcUaIdentifier::Opaque(text) => {
            let bytes = BASE64_STANDARD.decode(text).map_err(|_| unreadable())?;
            NodeId::new(namespace, ByteString::from(bytes))
        }
    })
}

fn index(namespace: &OpcUaNamespace, namespaces: &Namespaces) -> std::result::Result<u16, PointFault> {
    match namespace {
        OpcUaNamespace::Index(index) => Ok(*index),
        OpcUaNamespace::Uri(uri) => namespaces.index(uri).ok_or_else(|| {
            PointFault::new(ErrorKind::Config, format!("the server has no namespace {uri}; see its NamespaceArray"))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_where_the_name_before_ends_and_an_id_begins_anew() {
        let [root, object, method, id] =
            ["/2:Line7", "/2:Boiler", "/2:Reset", "ns=3;s=Boiler"].map(|text| text.parse().expect(text));
        let way = Way::of(&[&root, &object, &method]);
        assert_eq!((way.from, way.path().to_string()), (None, "/2:Line7/2:Boiler/2:Reset".to_owned()));
        let way = Way::of(&[&root, &id, &method]);
        assert_eq!(way.from.map(ToString::to_string).as_deref(), Some("ns=3;s=Boiler"));
        assert_eq!(way.path().to_string(), "/2:Reset");
        assert!(Way::of(&[&root, &id]).steps.is_empty());
    }
}
