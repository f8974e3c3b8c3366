//! On which node a device belongs. Pure.
use crate::world::{
    index::Nodes,
    keys::{Id, MapperKey},
};
use pollux_crds::{MAX_NODE_NAME, MapperClass};

/// Why a device has no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// One word.
    pub reason: &'static str,
    /// One sentence.
    pub message: String,
}
impl Obstacle {
    fn new(reason: &'static str, message: String) -> Self {
        Self { reason, message }
    }
}

/// What the choice depends on.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Name of the class.
    pub class: &'a str,
    /// The class, if there is one.
    pub spec: Option<&'a MapperClass>,
    /// Node that the Device names.
    pub node: Option<&'a str>,
    /// Node on which it is.
    pub now: Option<&'a str>,
}

/// The mapper that shall drive the device. One that nobody pinned stays where it is.
pub fn place(wish: &Wish<'_>, classes: &[Id], nodes: &Nodes) -> Result<MapperKey, Obstacle> {
    if wish.spec.is_none() && classes.iter().any(|class| **class == *wish.class) {
        let message = format!("MapperClass {:?} cannot be decoded: see kubectl describe mapperclass", wish.class);
        return Err(Obstacle::new("CannotDecode", message));
    }
    let Some(class) = wish.spec else {
        let known = list(classes.iter().map(|c| &**c), "there is none");
        return Err(Obstacle::new(
            "MapperClassMissing",
            format!("no MapperClass {:?}; there are: {known}", wish.class),
        ));
    };
    let node = match (wish.node, wish.now) {
        (Some(node), _) => node,
        (None, Some(node)) if nodes.contains_key(node) => node,
        (None, _) => only(class, nodes)?,
    };
    if node.len() > MAX_NODE_NAME {
        let message = format!("the name of the node has {} characters; {MAX_NODE_NAME} are allowed", node.len());
        return Err(Obstacle::new("NodeNameTooLong", message));
    }
    // Lost is not wrong: a device stays on a node that is gone, as nobody knows how its mapper stands.
    if !nodes.contains_key(node) && wish.now != Some(node) {
        let message = format!("spec.nodeName: no node {node:?}; choose one of: {}", choices(class, nodes));
        return Err(Obstacle::new("NodeMissing", message));
    }
    Ok(MapperKey::new(wish.class, node))
}

/// The only node that takes mappers of the class.
fn only<'a>(class: &MapperClass, nodes: &'a Nodes) -> Result<&'a str, Obstacle> {
    let mut fit = nodes.iter().filter(|(_, node)| node.takes(&class.spec.tolerations));
    if let (Some((name, _)), None) = (fit.next(), fit.next()) {
        return Ok(name);
    }
    let message = format!("set spec.nodeName to one of: {}", choices(class, nodes));
    Err(Obstacle::new("NodeNotChosen", message))
}

fn choices(class: &MapperClass, nodes: &Nodes) -> String {
    let mut names: Vec<_> =
        nodes.iter().filter(|(_, node)| node.takes(&class.spec.tolerations)).map(|(name, _)| &**name).collect();
    names.sort_unstable();
    list(names.into_iter(), "(no node takes mappers of this class)")
}

/// The first ten, and how many more.
fn list<'a>(names: impl Iterator<Item = &'a str>, none: &str) -> String {
    let names: Vec<_> = names.collect();
    let shown = names.iter().take(10).copied().collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => none.into(),
        n if n > 10 => format!("{shown} and {} more", n - 10),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{facts::NodeFact, views::Taint};
    use pollux_crds::Toleration;

    fn node() -> NodeFact {
        NodeFact { ready: "True".into(), unschedulable: false, taints: vec![], classes: [].into() }
    }
    fn tainted() -> NodeFact {
        let taint =
            Taint { key: "node-role.kubernetes.io/control-plane".into(), value: None, effect: "NoSchedule".into() };
        NodeFact { taints: vec![taint], ..node() }
    }
    fn nodes(list: &[(&str, NodeFact)]) -> Nodes {
        list.iter().map(|(name, fact)| ((*name).into(), fact.clone())).collect()
    }
    fn choose(node: Option<&str>, now: Option<&str>, nodes: &Nodes) -> Result<String, (&'static str, String)> {
        let class = MapperClass::default();
        let wish = Wish { class: "modbus", spec: Some(&class), node, now };
        place(&wish, &[], nodes).map(|key| key.node.to_string()).map_err(|o| (o.reason, o.message))
    }

    #[test]
    fn a_cluster_of_one_node_needs_no_choice() {
        assert_eq!(choose(None, None, &nodes(&[("a", node())])), Ok("a".into()));
        assert_eq!(choose(None, None, &nodes(&[("a", node()), ("cp", tainted())])), Ok("a".into()));
    }

    #[test]
    fn with_more_nodes_somebody_must_choose_and_is_told_from_what() {
        let two = nodes(&[("b", node()), ("a", node()), ("cp", tainted())]);
        assert_eq!(choose(None, None, &two), Err(("NodeNotChosen", "set spec.nodeName to one of: a, b".into())));
        assert_eq!(choose(Some("b"), None, &two), Ok("b".into()));
        let error = choose(Some("x"), None, &two).unwrap_err();
        assert_eq!(error, ("NodeMissing", "spec.nodeName: no node \"x\"; choose one of: a, b".into()));
    }

    #[test]
    fn what_nobody_pinned_stays_when_nodes_come_and_moves_when_its_own_is_gone() {
        let two = nodes(&[("b", node()), ("a", node())]);
        assert_eq!(choose(None, Some("b"), &two), Ok("b".into()));
        assert_eq!(choose(None, Some("gone"), &nodes(&[("a", node())])), Ok("a".into()));
    }

    #[test]
    fn a_device_stays_where_it_is_pinned_when_its_node_is_lost() {
        let one = nodes(&[("a", node())]);
        assert_eq!(choose(Some("gone"), Some("gone"), &one), Ok("gone".into()));
        assert_eq!(choose(Some("gone"), Some("a"), &one).unwrap_err().0, "NodeMissing");
    }

    #[test]
    fn names_that_fit_nowhere_and_classes_that_are_not_there() {
        let long = "n".repeat(201);
        assert_eq!(choose(Some(&long), None, &nodes(&[(&long, node())])).unwrap_err().0, "NodeNameTooLong");
        let wish = Wish { class: "opcua", spec: None, node: None, now: None };
        let error = place(&wish, &["modbus".into()], &nodes(&[])).unwrap_err();
        assert_eq!(
            (error.reason, &*error.message),
            ("MapperClassMissing", "no MapperClass \"opcua\"; there are: modbus")
        );
        let broken = Wish { class: "modbus", ..wish };
        let error = place(&broken, &["modbus".into()], &nodes(&[])).unwrap_err();
        assert_eq!(
            (error.reason, &*error.message),
            ("CannotDecode", "MapperClass \"modbus\" cannot be decoded: see kubectl describe mapperclass")
        );
    }

    #[test]
    fn a_toleration_opens_a_tainted_node() {
        let all = Toleration { operator: Some("Exists".into()), ..Toleration::default() };
        let other = Toleration { key: Some("x".into()), operator: Some("Exists".into()), ..Toleration::default() };
        assert!(tainted().takes(&[all]) && !tainted().takes(&[other]) && !tainted().takes(&[]));
        assert!(!NodeFact { unschedulable: true, ..node() }.takes(&[]));
    }
}
