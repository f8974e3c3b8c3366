//! Honest answers.
use super::{Heard, Shared, World, channel::Channel, line::Line, line::fault};
use opcua::{
    core::{RequestMessage, ResponseMessage},
    types::{
        AttributeId, CallMethodRequest, CallMethodResult, CallResponse, ChannelSecurityToken, DataValue, DateTime,
        NodeId, OpenSecureChannelRequest, OpenSecureChannelResponse, PublishResponse, ReadResponse, ReadValueId,
        RegisterNodesResponse, RequestHeader, ResponseHeader, StatusCode, TimestampsToReturn, UnregisterNodesResponse,
        VariableId, Variant, WriteResponse, WriteValue,
    },
};
use std::sync::Arc;

/// Good, by the server's clock.
pub(super) fn good(world: &World, request: &RequestHeader) -> ResponseHeader {
    ResponseHeader { timestamp: world.now(), ..ResponseHeader::new_good(request) }
}

pub(super) fn answer(world: &mut World, shared: &Shared, heard: &Heard, line: &Arc<Line>) -> Option<ResponseMessage> {
    if let Some(code) = world.refused(heard, line) {
        return Some(fault(heard, code));
    }
    let header = good(world, heard.request.request_header());
    Some(match &heard.request {
        RequestMessage::OpenSecureChannel(open) => opened(world, shared, open, &mut line.channel(), header).into(),
        RequestMessage::CloseSecureChannel(_) => return None,
        RequestMessage::GetEndpoints(_)
        | RequestMessage::CreateSession(_)
        | RequestMessage::ActivateSession(_)
        | RequestMessage::CloseSession(_) => world.session(shared, heard, line, header),
        RequestMessage::Read(read) => {
            let nodes = read.nodes_to_read.iter().flatten();
            let results = nodes.map(|node| world.read(node, read.timestamps_to_return)).collect();
            ReadResponse { response_header: header, results: Some(results), diagnostic_infos: None }.into()
        }
        RequestMessage::Write(write) => {
            let results = write.nodes_to_write.iter().flatten().map(|node| world.write(node)).collect();
            WriteResponse { response_header: header, results: Some(results), diagnostic_infos: None }.into()
        }
        RequestMessage::Call(call) => {
            let results = call.methods_to_call.iter().flatten().map(|call| world.call(call)).collect();
            CallResponse { response_header: header, results: Some(results), diagnostic_infos: None }.into()
        }
        RequestMessage::RegisterNodes(nodes) => {
            let registered_node_ids = nodes.nodes_to_register.clone();
            RegisterNodesResponse { response_header: header, registered_node_ids }.into()
        }
        RequestMessage::UnregisterNodes(_) => UnregisterNodesResponse { response_header: header }.into(),
        RequestMessage::Publish(_) => PublishResponse { response_header: header, ..PublishResponse::default() }.into(),
        RequestMessage::Browse(_)
        | RequestMessage::BrowseNext(_)
        | RequestMessage::TranslateBrowsePathsToNodeIds(_) => world.view(heard, header),
        _ => match world.subscription(heard, header) {
            Some(answer) => answer,
            None => fault(heard, StatusCode::BadServiceUnsupported),
        },
    })
}

fn opened(
    world: &World,
    shared: &Shared,
    open: &OpenSecureChannelRequest,
    channel: &mut Channel,
    response_header: ResponseHeader,
) -> OpenSecureChannelResponse {
    let channel_id = if channel.id() == 0 { Channel::number(shared) } else { channel.id() };
    let asked = open.requested_lifetime;
    let revised_lifetime = if world.token_lifetime == 0 { asked } else { world.token_lifetime };
    // Created by our clock: the codec forgets keys by it.
    let security_token = ChannelSecurityToken {
        channel_id,
        token_id: Channel::number(shared),
        created_at: DateTime::now(),
        revised_lifetime,
    };
    OpenSecureChannelResponse {
        response_header,
        server_protocol_version: 0,
        security_token,
        server_nonce: channel.nonce(),
    }
}

fn elements(request: &RequestMessage) -> usize {
    fn of<T>(list: Option<&Vec<T>>) -> usize {
        list.map_or(0, Vec::len)
    }
    match request {
        RequestMessage::Read(request) => of(request.nodes_to_read.as_ref()),
        RequestMessage::Write(request) => of(request.nodes_to_write.as_ref()),
        RequestMessage::Call(request) => of(request.methods_to_call.as_ref()),
        RequestMessage::Browse(request) => of(request.nodes_to_browse.as_ref()),
        RequestMessage::RegisterNodes(request) => of(request.nodes_to_register.as_ref()),
        RequestMessage::TranslateBrowsePathsToNodeIds(request) => of(request.browse_paths.as_ref()),
        RequestMessage::CreateMonitoredItems(request) => of(request.items_to_create.as_ref()),
        RequestMessage::DeleteMonitoredItems(request) => of(request.monitored_item_ids.as_ref()),
        _ => 0,
    }
}

impl World {
    /// Why a service as a whole is refused.
    pub(super) fn refused(&self, heard: &Heard, line: &Arc<Line>) -> Option<StatusCode> {
        if let Some((most, code)) = self.limits.get(heard.request.type_name())
            && elements(&heard.request) > *most
        {
            return Some(*code);
        }
        self.not_in_session(heard, line)
    }
    /// One node of a Read.
    pub(super) fn read(&self, node: &ReadValueId, times: TimestampsToReturn) -> DataValue {
        let bad = |code| DataValue { status: Some(code), ..DataValue::null() };
        if node.node_id == VariableId::Server_NamespaceArray {
            return DataValue::value_only(self.namespaces.clone());
        }
        let Some(found) = self.nodes.get(&node.node_id) else { return bad(StatusCode::BadNodeIdUnknown) };
        let Some(value) = found.attributes.get(&node.attribute_id) else {
            return bad(StatusCode::BadAttributeIdInvalid);
        };
        let mut value = value.clone();
        if !node.index_range.is_none() {
            match value.value.take().unwrap_or_default().range_of(&node.index_range) {
                Ok(part) => value.value = Some(part),
                Err(code) => return bad(code),
            }
        }
        if matches!(times, TimestampsToReturn::Source | TimestampsToReturn::Neither) {
            value.server_timestamp = None;
        }
        if matches!(times, TimestampsToReturn::Server | TimestampsToReturn::Neither) {
            value.source_timestamp = None;
        }
        value
    }
    fn write(&mut self, write: &WriteValue) -> StatusCode {
        let Some(node) = self.nodes.get(&write.node_id) else { return StatusCode::BadNodeIdUnknown };
        if write.attribute_id != AttributeId::Value as u32 {
            return StatusCode::BadNotWritable;
        }
        let access = node.attributes.get(&(AttributeId::AccessLevel as u32)).and_then(|level| level.value.clone());
        if !matches!(access, Some(Variant::Byte(level)) if level & 2 != 0) {
            return StatusCode::BadNotWritable;
        }
        let value = &write.value;
        if value.status.is_some() || value.source_timestamp.is_some() || value.server_timestamp.is_some() {
            return StatusCode::BadWriteNotSupported; // as most servers
        }
        let old = node.attributes.get(&(AttributeId::Value as u32)).and_then(|value| value.value.clone());
        let (mut old, new) = (old.unwrap_or_default(), value.value.clone().unwrap_or_default());
        if old.scalar_type_id() != new.scalar_type_id() && old.data_type() != new.data_type() {
            return StatusCode::BadTypeMismatch;
        }
        if write.index_range.is_none() {
            old = new;
        } else if let Err(code) = old.set_range_of(&write.index_range, &new) {
            return code;
        }
        let written = DataValue { server_timestamp: None, ..DataValue::new_at(old, self.now()) };
        self.put(&write.node_id, &written);
        StatusCode::Good
    }
    fn call(&mut self, call: &CallMethodRequest) -> CallMethodResult {
        let arguments = call.input_arguments.clone().unwrap_or_default();
        let result = match self.methods.get_mut(&call.method_id) {
            None => Err(StatusCode::BadMethodInvalid),
            Some(run) => run(&arguments),
        };
        let (status_code, output_arguments) = match result {
            Ok(values) => (StatusCode::Good, Some(values)),
            Err(code) => (code, None),
        };
        CallMethodResult { status_code, output_arguments, ..CallMethodResult::default() }
    }
}
