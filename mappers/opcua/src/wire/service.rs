//! Services: a request, and the answer that belongs to it.
use super::{Cursor, Raw, limits::COMPOUND};
use crate::error::{Error, Result};
use opcua::{
    core::sync::RwLock,
    types::{
        ActivateSessionRequest, ActivateSessionResponse, BinaryDecodable, BinaryEncodable, BrowseNextRequest,
        BrowseNextResponse, BrowseRequest, BrowseResponse, CallRequest, CallResponse, CloseSessionRequest,
        CloseSessionResponse, ContextOwned, CreateMonitoredItemsRequest, CreateMonitoredItemsResponse,
        CreateSessionRequest, CreateSessionResponse, CreateSubscriptionRequest, CreateSubscriptionResponse,
        DeleteMonitoredItemsRequest, DeleteMonitoredItemsResponse, DeleteSubscriptionsRequest,
        DeleteSubscriptionsResponse, GetEndpointsRequest, GetEndpointsResponse, ModifyMonitoredItemsRequest,
        ModifyMonitoredItemsResponse, ObjectId, OpenSecureChannelRequest, OpenSecureChannelResponse, ReadRequest,
        ReadResponse, RegisterNodesRequest, RegisterNodesResponse, RepublishRequest, RepublishResponse,
        TransferSubscriptionsRequest, TransferSubscriptionsResponse, TranslateBrowsePathsToNodeIdsRequest,
        TranslateBrowsePathsToNodeIdsResponse, UnregisterNodesRequest, UnregisterNodesResponse, WriteRequest,
        WriteResponse,
    },
};

/// A request that knows its answer.
pub(crate) trait Service: BinaryEncodable + Send {
    /// What answers it.
    type Answer: BinaryDecodable;
    /// For messages, as the standard calls it.
    const NAME: &'static str;
    /// Type id of the request.
    const REQUEST: ObjectId;
    /// Type id of the answer.
    const ANSWER: ObjectId;
}

macro_rules! services {
    ($($name:literal $request:ident $request_id:ident $answer:ident $answer_id:ident;)*) => {$(
        impl Service for $request {
            type Answer = $answer;
            const NAME: &'static str = $name;
            const REQUEST: ObjectId = ObjectId::$request_id;
            const ANSWER: ObjectId = ObjectId::$answer_id;
        }
    )*};
}
services! {
    "GetEndpoints" GetEndpointsRequest GetEndpointsRequest_Encoding_DefaultBinary GetEndpointsResponse GetEndpointsResponse_Encoding_DefaultBinary;
    "OpenSecureChannel" OpenSecureChannelRequest OpenSecureChannelRequest_Encoding_DefaultBinary OpenSecureChannelResponse OpenSecureChannelResponse_Encoding_DefaultBinary;
    "CreateSession" CreateSessionRequest CreateSessionRequest_Encoding_DefaultBinary CreateSessionResponse CreateSessionResponse_Encoding_DefaultBinary;
    "ActivateSession" ActivateSessionRequest ActivateSessionRequest_Encoding_DefaultBinary ActivateSessionResponse ActivateSessionResponse_Encoding_DefaultBinary;
    "CloseSession" CloseSessionRequest CloseSessionRequest_Encoding_DefaultBinary CloseSessionResponse CloseSessionResponse_Encoding_DefaultBinary;
    "Read" ReadRequest ReadRequest_Encoding_DefaultBinary ReadResponse ReadResponse_Encoding_DefaultBinary;
    "Write" WriteRequest WriteRequest_Encoding_DefaultBinary WriteResponse WriteResponse_Encoding_DefaultBinary;
    "Call" CallRequest CallRequest_Encoding_DefaultBinary CallResponse CallResponse_Encoding_DefaultBinary;
    "Browse" BrowseRequest BrowseRequest_Encoding_DefaultBinary BrowseResponse BrowseResponse_Encoding_DefaultBinary;
    "BrowseNext" BrowseNextRequest BrowseNextRequest_Encoding_DefaultBinary BrowseNextResponse BrowseNextResponse_Encoding_DefaultBinary;
    "TranslateBrowsePaths" TranslateBrowsePathsToNodeIdsRequest TranslateBrowsePathsToNodeIdsRequest_Encoding_DefaultBinary TranslateBrowsePathsToNodeIdsResponse TranslateBrowsePathsToNodeIdsResponse_Encoding_DefaultBinary;
    "RegisterNodes" RegisterNodesRequest RegisterNodesRequest_Encoding_DefaultBinary RegisterNodesResponse RegisterNodesResponse_Encoding_DefaultBinary;
    "UnregisterNodes" UnregisterNodesRequest UnregisterNodesRequest_Encoding_DefaultBinary UnregisterNodesResponse UnregisterNodesResponse_Encoding_DefaultBinary;
    "CreateSubscription" CreateSubscriptionRequest CreateSubscriptionRequest_Encoding_DefaultBinary CreateSubscriptionResponse CreateSubscriptionResponse_Encoding_DefaultBinary;
    "DeleteSubscriptions" DeleteSubscriptionsRequest DeleteSubscriptionsRequest_Encoding_DefaultBinary DeleteSubscriptionsResponse DeleteSubscriptionsResponse_Encoding_DefaultBinary;
    "TransferSubscriptions" TransferSubscriptionsRequest TransferSubscriptionsRequest_Encoding_DefaultBinary TransferSubscriptionsResponse TransferSubscriptionsResponse_Encoding_DefaultBinary;
    "CreateMonitoredItems" CreateMonitoredItemsRequest CreateMonitoredItemsRequest_Encoding_DefaultBinary CreateMonitoredItemsResponse CreateMonitoredItemsResponse_Encoding_DefaultBinary;
    "ModifyMonitoredItems" ModifyMonitoredItemsRequest ModifyMonitoredItemsRequest_Encoding_DefaultBinary ModifyMonitoredItemsResponse ModifyMonitoredItemsResponse_Encoding_DefaultBinary;
    "DeleteMonitoredItems" DeleteMonitoredItemsRequest DeleteMonitoredItemsRequest_Encoding_DefaultBinary DeleteMonitoredItemsResponse DeleteMonitoredItemsResponse_Encoding_DefaultBinary;
    "Republish" RepublishRequest RepublishRequest_Encoding_DefaultBinary RepublishResponse RepublishResponse_Encoding_DefaultBinary;
}

/// The request as bytes.
pub(super) fn encode<S: Service>(request: &S, context: &RwLock<ContextOwned>) -> Result<Raw> {
    Raw::encoded(S::REQUEST, S::NAME, request, context)
}
/// Its answer; another type, or a service result that is bad, is the error.
pub(super) fn decode<S: Service>(answer: &[u8], context: &RwLock<ContextOwned>) -> Result<S::Answer> {
    // Those that hold values, and objects, which are decoded all at once.
    let holds = matches!(S::NAME, "Read" | "Call" | "CreateMonitoredItems" | "ModifyMonitoredItems");
    if holds && answer.len() > COMPOUND {
        return Err(Error::TooLarge(S::NAME));
    }
    let owned = context.read();
    let ctx = owned.context();
    let mut cursor = Cursor::new(answer, S::NAME, &ctx);
    cursor.expect_kind(S::ANSWER)?;
    let mut peek = cursor.clone();
    peek.header()?;
    cursor.decode()
}
