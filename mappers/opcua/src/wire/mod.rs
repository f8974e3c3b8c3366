//! One connection to an OPC UA server, from its bytes up (Part 6): frames, the secure channel, requests and answers. From async-opcua
//! come its types, its `SecureChannel` (keys, signing, ciphers) and its chunker for what is sent; sequence numbers, limits, renewal and
//! requests under way are ours, in a task of our own, so that whatever a server sends ends this connection at most.
mod channel;
mod decode;
mod dial;
mod encode;
mod frame;
mod limits;
mod opn;
mod own;
mod publish;
mod raw;
mod service;
mod shallow;
mod task;
#[cfg(test)]
mod tests;
mod unknown;

pub(crate) use channel::{Dial, Wire};
pub(crate) use decode::{Cursor, Sample};
pub(crate) use encode::ReadPlan;
pub(crate) use limits::Limits;
pub(crate) use own::Own;
pub(crate) use publish::{Published, publish, published, republish};
pub(crate) use raw::Raw;
pub(crate) use service::Service;
pub(crate) use unknown::RAW;
