//! What stands below a node: objects, variables and methods, each once, by the first way that leads there.
use crate::{
    Error,
    browse::{along, browse},
    session::Session,
};
use opcua::types::{
    BrowseDescription, BrowseDirection, NodeClass, NodeId, ObjectId, QualifiedName, ReferenceDescription,
    ReferenceTypeId,
};
use pollux_mapper::Instant;
use std::{collections::HashSet, time::Duration};

/// Steps from the first node, at most.
const DEEPEST: usize = 32;
/// Nodes of one request to the server, which may take fewer: so often is progress shown.
const AT_ONCE: usize = 250;

/// A node.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) id: NodeId,
    /// Position of the one above; its own for the first.
    pub(super) parent: usize,
    pub(super) name: QualifiedName,
    pub(super) shown: String,
    pub(super) class: NodeClass,
    /// Of which type it is.
    pub(super) kind: NodeId,
    /// It says something of the one above, as a unit does.
    pub(super) is_property: bool,
}

/// All of them, each after the one above it.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// There were more than was asked for.
    pub(super) cut: bool,
    /// Nodes that the server would not show what is below.
    pub(super) hidden: usize,
}

/// Walks below `first`, whose type is `kind`.
pub(super) async fn walk(
    session: &Session,
    first: Node,
    most: usize,
    patience: Duration,
    mut progress: impl FnMut(usize, usize),
) -> Result<Tree, Error> {
    // Of the standard's own objects (Server, Aliases and their like) only what was asked for.
    let everything = first.id == ObjectId::ObjectsFolder;
    let mut seen: HashSet<NodeId> = [first.id.clone(), ObjectId::Server.into()].into();
    let mut tree = Tree { nodes: vec![first], cut: false, hidden: 0 };
    let mut level = vec![0_usize];
    for _ in 0..DEEPEST {
        let mut below = vec![];
        for (done, part) in level.chunks(AT_ONCE).enumerate() {
            progress(tree.nodes.len(), level.len().saturating_sub(done * AT_ONCE));
            let asked: Vec<BrowseDescription> =
                part.iter().filter_map(|at| tree.nodes.get(*at)).map(downward).collect();
            for (at, found) in part.iter().zip(browse(session, &asked, Instant::now() + patience).await?) {
                let Ok(found) = found else {
                    tree.hidden += 1;
                    continue;
                };
                for reference in found.into_iter().filter(is_wanted) {
                    if everything && reference.node_id.node_id.namespace == 0 && !of_variable(&reference) {
                        continue;
                    }
                    if tree.nodes.len() >= most {
                        tree.cut = true;
                        return Ok(tree);
                    }
                    if seen.insert(reference.node_id.node_id.clone()) {
                        below.push(tree.nodes.len());
                        tree.nodes.push(node(reference, *at));
                    }
                }
            }
        }
        if below.is_empty() {
            return Ok(tree);
        }
        level = below;
    }
    tree.cut = true;
    Ok(tree)
}

fn downward(node: &Node) -> BrowseDescription {
    along(&node.id, ReferenceTypeId::HierarchicalReferences, BrowseDirection::Forward)
}
/// A unit or a range, which some servers number among the standard's nodes.
fn of_variable(reference: &ReferenceDescription) -> bool {
    reference.reference_type_id == ReferenceTypeId::HasProperty
}
fn is_wanted(reference: &ReferenceDescription) -> bool {
    let known = matches!(reference.node_class, NodeClass::Object | NodeClass::Variable | NodeClass::Method);
    known && !reference.browse_name.name.is_empty()
}
fn node(reference: ReferenceDescription, parent: usize) -> Node {
    Node {
        id: reference.node_id.node_id,
        parent,
        name: reference.browse_name,
        shown: reference.display_name.text.value().clone().unwrap_or_default(),
        class: reference.node_class,
        kind: reference.type_definition.node_id,
        is_property: reference.reference_type_id == ReferenceTypeId::HasProperty,
    }
}

impl Tree {
    /// The names that lead from one node to another below it.
    pub(super) fn steps(&self, from: usize, to: usize) -> Vec<&QualifiedName> {
        let (mut steps, mut at) = (vec![], to);
        while let Some(node) = self.nodes.get(at).filter(|_| at != from && steps.len() < DEEPEST) {
            steps.push(&node.name);
            at = node.parent;
        }
        steps.reverse();
        steps
    }
    /// Of each node, the device that it belongs to: the topmost object above it that is of a type of its own, with a variable below;
    /// the first node where there is none.
    pub(super) fn devices(&self) -> Vec<usize> {
        let mut useful = vec![false; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate().rev() {
            let below = useful.get(at).copied().unwrap_or_default();
            let is_variable = node.class == NodeClass::Variable && !node.is_property;
            if let Some(parent) = useful.get_mut(node.parent) {
                *parent |= below || is_variable;
            }
        }
        let mut devices: Vec<usize> = vec![];
        for (at, node) in self.nodes.iter().enumerate() {
            let above = devices.get(node.parent).copied().unwrap_or(0);
            let is_device = node.class == NodeClass::Object && node.kind.namespace != 0 && !node.kind.is_null();
            let begins = above == 0 && is_device && useful.get(at).copied().unwrap_or_default();
            devices.push(if begins { at } else { above });
        }
        devices
    }
}
