//! Browsing and paths. References are listed forward; continuation points where the client wants few at once.
use super::{Heard, World};
use opcua::{
    core::{RequestMessage, ResponseMessage},
    types::{
        AttributeId, BrowseDescription, BrowseDirection, BrowseNextResponse, BrowsePath, BrowsePathResult,
        BrowsePathTarget, BrowseResponse, BrowseResult, ByteString, LocalizedText, NodeClass, NodeId,
        ReferenceDescription, ReferenceTypeId, ResponseHeader, StatusCode, TranslateBrowsePathsToNodeIdsResponse,
        Variant,
    },
};

/// A reference and all that are one of it, of those that are here.
fn is_a(reference: &NodeId, wanted: &NodeId, subtypes: bool) -> bool {
    let hierarchical =
        [ReferenceTypeId::HierarchicalReferences, ReferenceTypeId::References, ReferenceTypeId::Aggregates];
    let of_type = NodeId::from(ReferenceTypeId::HasTypeDefinition);
    wanted.is_null()
        || reference == wanted
        || (subtypes && *wanted == ReferenceTypeId::References)
        || (subtypes && *reference != of_type && hierarchical.iter().any(|kind| *wanted == *kind))
}

impl World {
    pub(super) fn view(&mut self, heard: &Heard, response_header: ResponseHeader) -> ResponseMessage {
        match &heard.request {
            RequestMessage::Browse(browse) => {
                let most = usize::try_from(browse.requested_max_references_per_node).expect("64 bits");
                let nodes = browse.nodes_to_browse.iter().flatten();
                let results = nodes.map(|node| self.browse(node, most)).collect();
                BrowseResponse { response_header, results: Some(results), diagnostic_infos: None }.into()
            }
            RequestMessage::BrowseNext(next) => {
                let points = next.continuation_points.iter().flatten();
                let results = points.map(|point| self.browse_next(point, next.release_continuation_points)).collect();
                BrowseNextResponse { response_header, results: Some(results), diagnostic_infos: None }.into()
            }
            RequestMessage::TranslateBrowsePathsToNodeIds(translate) => {
                let results = translate.browse_paths.iter().flatten().map(|path| self.translate(path)).collect();
                TranslateBrowsePathsToNodeIdsResponse {
                    response_header,
                    results: Some(results),
                    diagnostic_infos: None,
                }
                .into()
            }
            _ => super::line::fault(heard, StatusCode::BadServiceUnsupported),
        }
    }
    fn browse(&mut self, wanted: &BrowseDescription, most: usize) -> BrowseResult {
        let Some(node) = self.nodes.get(&wanted.node_id) else {
            return BrowseResult { status_code: StatusCode::BadNodeIdUnknown, ..BrowseResult::default() };
        };
        let references = match wanted.browse_direction {
            BrowseDirection::Inverse => vec![],
            _ => node
                .references
                .iter()
                .filter(|(kind, _)| is_a(kind, &wanted.reference_type_id, wanted.include_subtypes))
                .map(|(kind, other)| self.described(kind, other))
                .filter(|found| wanted.node_class_mask == 0 || wanted.node_class_mask & found.node_class as u32 != 0)
                .collect(),
        };
        self.page(references, most)
    }
    fn described(&self, kind: &NodeId, other: &NodeId) -> ReferenceDescription {
        let node = self.nodes.get(other);
        let of_type = NodeId::from(ReferenceTypeId::HasTypeDefinition);
        let type_of = node.and_then(|node| node.references.iter().find(|(kind, _)| *kind == of_type));
        let name = node.map(|node| node.browse_name.clone()).unwrap_or_default();
        ReferenceDescription {
            reference_type_id: kind.clone(),
            is_forward: true,
            node_id: other.clone().into(),
            display_name: LocalizedText::from(name.name.as_ref()),
            browse_name: name,
            node_class: node.map_or(NodeClass::ObjectType, |node| node.class),
            type_definition: type_of.map(|(_, id)| id.clone()).unwrap_or_default().into(),
        }
    }
    /// What does not fit waits under a point that says what it is.
    fn page(&mut self, mut references: Vec<ReferenceDescription>, most: usize) -> BrowseResult {
        let rest = if most > 0 && references.len() > most { references.split_off(most) } else { vec![] };
        let point = if rest.is_empty() {
            ByteString::null()
        } else {
            let point = ByteString::from(format!("{}", self.points.len()).into_bytes());
            self.points.insert(point.as_ref().to_vec(), (rest, most));
            point
        };
        BrowseResult { status_code: StatusCode::Good, continuation_point: point, references: Some(references) }
    }
    fn browse_next(&mut self, point: &ByteString, release: bool) -> BrowseResult {
        match self.points.remove(point.as_ref()) {
            None => BrowseResult { status_code: StatusCode::BadContinuationPointInvalid, ..BrowseResult::default() },
            Some(_) if release => BrowseResult::default(),
            Some((rest, most)) => self.page(rest, most),
        }
    }
    fn translate(&self, path: &BrowsePath) -> BrowsePathResult {
        let refused = |status_code| BrowsePathResult { status_code, targets: None };
        if !self.nodes.contains_key(&path.starting_node) {
            return refused(StatusCode::BadNodeIdUnknown);
        }
        let mut at = path.starting_node.clone();
        for element in path.relative_path.elements.iter().flatten() {
            let node = self.nodes.get(&at);
            let next = node.into_iter().flat_map(|node| &node.references).find(|(kind, other)| {
                is_a(kind, &element.reference_type_id, element.include_subtypes)
                    && self.nodes.get(other).is_some_and(|node| node.browse_name == element.target_name)
            });
            match next {
                Some((_, other)) => at = other.clone(),
                None => return refused(StatusCode::BadNoMatch),
            }
        }
        let target = BrowsePathTarget { target_id: at.into(), remaining_path_index: u32::MAX };
        BrowsePathResult { status_code: StatusCode::Good, targets: Some(vec![target]) }
    }
    /// Only read, from now on.
    pub(crate) fn read_only(&mut self, name: &str) {
        let (id, read) = (Self::id(name), Variant::Byte(1));
        for attribute in [AttributeId::AccessLevel, AttributeId::UserAccessLevel] {
            self.attribute(&id, attribute, opcua::types::DataValue::value_only(read.clone()));
        }
    }
}
