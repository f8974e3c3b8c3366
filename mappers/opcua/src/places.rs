//! Where the points of a device stand at the server of now: their node ids, and what their values are. Found at each new session anew,
//! for a server may number its namespaces, and define its types, otherwise after a restart.
use crate::{
    error::Result,
    kinds::node_types,
    limits::{Operation, in_parts},
    link::Link,
    resolve::{Found, resolve},
    session::Epoch,
    types::NodeType,
    unit::{Item, Unit},
};
use opcua::types::{NodeId, RegisterNodesRequest};
use pollux_mapper::{Instant, PointFault};
use std::sync::Arc;

/// All points of one device, by position.
#[derive(Debug)]
pub(crate) struct Places {
    /// Which link's they are.
    pub link: u64,
    /// Of which session.
    pub epoch: Epoch,
    /// By position in `points` of `prepare`.
    pub points: Vec<Place>,
}

/// One point.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The node, or why there is none.
    pub node: Found,
    /// What its values are, or why that is not known.
    pub kind: std::result::Result<Arc<NodeType>, PointFault>,
    /// What this session calls it, where it registered it.
    pub alias: Option<NodeId>,
    /// It is read by itself, for the answer that held it could not be decoded.
    pub alone: bool,
}

impl Place {
    /// Node and type, or the first of both that is missing.
    pub(crate) fn known(&self) -> std::result::Result<(&NodeId, &Arc<NodeType>), &PointFault> {
        Ok((self.node.as_ref()?, self.kind.as_ref()?))
    }
    /// What it is asked by.
    pub(crate) fn asked(&self) -> std::result::Result<&NodeId, &PointFault> {
        match &self.alias {
            Some(alias) => Ok(alias),
            None => self.node.as_ref(),
        }
    }
}

impl Link {
    /// Where the points stand now; looked up again where the session is another.
    pub(crate) async fn places(&self, unit: &Unit, until: Instant) -> Result<Arc<Places>> {
        if unit.forgets() {
            self.session().limits().forget();
            unit.learn(self.session().limits());
        }
        let fits = |places: &Arc<Places>| places.link == self.id() && places.epoch == self.session().epoch();
        match unit.places().filter(fits) {
            Some(places) => Ok(places),
            None => self.place_all(unit, until).await,
        }
    }
    /// All points, looked up anew.
    pub(crate) async fn place_all(&self, unit: &Unit, until: Instant) -> Result<Arc<Places>> {
        let epoch = self.session().epoch();
        let all: Vec<usize> = (0..unit.items().len()).collect();
        let points = self.place(unit, &all, until).await?;
        let places = Arc::new(Places { link: self.id(), epoch, points });
        unit.set_places(places.clone());
        unit.learn(self.session().limits());
        Ok(places)
    }
    /// Some points, looked up anew, in their order.
    pub(crate) async fn place(&self, unit: &Unit, points: &[usize], until: Instant) -> Result<Vec<Place>> {
        let items: Vec<&Item> = points.iter().filter_map(|at| unit.items().get(*at)).collect();
        let names: Vec<_> = items.iter().map(|item| &item.node).collect();
        let found = resolve(self.session(), &names, unit.root(), until).await?;
        let nodes: Vec<NodeId> = found.iter().flatten().cloned().collect();
        let mut kinds = node_types(self.session(), &nodes, until).await?.into_iter();
        let mut places: Vec<Place> = vec![];
        for (item, node) in items.iter().zip(found) {
            let kind = match &node {
                Ok(_) => kinds.next().unwrap_or_else(|| Err(unknown())),
                Err(fault) => Err(fault.clone()),
            };
            let kind = kind.map(|kind| Arc::new(NodeType { element: item.element, ..kind }));
            places.push(Place { node, kind, alias: None, alone: false });
        }
        self.register(&items, &mut places, until).await;
        Ok(places)
    }
    /// What is read again and again is registered (Part 4, 5.9.5). A server that will not: its nodes are asked by their ids.
    async fn register(&self, items: &[&Item], places: &mut [Place], until: Instant) {
        let mut wanted: Vec<(&mut Place, NodeId)> = vec![];
        for (item, place) in items.iter().zip(places) {
            if let (true, Ok(node), Ok(_)) = (item.polled && item.readable, &place.node, &place.kind) {
                let node = node.clone();
                wanted.push((place, node));
            }
        }
        let nodes: Vec<NodeId> = wanted.iter().map(|(_, node)| node.clone()).collect();
        let send = |part: Vec<NodeId>| async move {
            let wire = self.session().wire(until).await?;
            let request = RegisterNodesRequest { request_header: wire.header(until), nodes_to_register: Some(part) };
            Ok(wire.call(request, until).await?.registered_node_ids.unwrap_or_default())
        };
        match in_parts(self.session().limits(), Operation::Register, &nodes, send).await {
            Ok(aliases) => {
                for ((place, _), alias) in wanted.into_iter().zip(aliases) {
                    place.alias = Some(alias).filter(|alias| !alias.is_null());
                }
            }
            Err(error) => tracing::debug!(%error, "nodes are not registered"),
        }
    }
}

fn unknown() -> PointFault {
    PointFault::new(pollux_mapper::ErrorKind::Protocol, "the server does not say what its type is")
}
