//! What a request that may still be answered is, and whether another may be sent meanwhile.
use crate::frame::Shape;
use pollux_mapper::Instant;
use std::time::Duration;

/// A request whose answer may still come.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) shape: Shape,
    /// As it was sent.
    pub(super) sent: Box<[u8]>,
    /// How long an answer was to take.
    pub(super) timeout: Duration,
    pub(super) begun: Instant,
    /// It was asked to know what is over.
    pub(super) fence: bool,
}

/// What a unit is late with, or in time: reads of one length, a function that writes whatever it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    function: u8,
    bytes: u8,
}

impl Form {
    pub(super) fn of(shape: Shape) -> Self {
        let bytes = if let Shape::Read { bytes, .. } = shape { bytes } else { 0 };
        Self { function: shape.function(), bytes }
    }
}

/// Whether a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    Free,
    /// After a fence; so many had no answer.
    Fence(u32),
    /// Later: this unit answers no fences.
    Rest,
}

pub(super) fn is_write(shape: Shape) -> bool {
    matches!(shape, Shape::Echo { .. })
}
