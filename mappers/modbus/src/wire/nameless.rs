//! What is asked of a connection whose answers may have no names.
use super::{codec::Codec, core::Core, hold::Hold, line::Line, settings::Ask};
use crate::{error::Error, frame::Request};
use pollux_mapper::{Fault, Instant};

impl Core {
    /// What may still come on a line whose answers have no names.
    pub(super) fn line(&mut self) -> Option<&mut Line> {
        if let Codec::Rtu(line) = &mut self.codec { Some(line) } else { None }
    }

    /// Whether this may be asked now, or a late answer would pass for its own.
    pub(super) fn hold(&mut self, ask: &Ask<'_>, fresh: Option<Instant>) -> Hold {
        if let Codec::Rtu(line) = &mut self.codec { line.hold(ask, fresh, Instant::now()) } else { Hold::Free }
    }

    pub(super) fn fence(
        &mut self,
        unit: u8,
        unanswered: u32,
        other: Option<Request<'static>>,
    ) -> Option<Request<'static>> {
        if let Codec::Rtu(line) = &mut self.codec { line.fence(unit, unanswered, other) } else { None }
    }

    /// Why a request is not sent.
    pub(super) fn held(&self, unit: u8) -> Fault<Error> {
        Fault::Device(if let Codec::Rtu(line) = &self.codec { line.held(unit) } else { Error::NoTurn { unit } })
    }

    /// When no answer is expected any more, earlier than the time-out.
    pub(super) fn doubted(&self) -> Option<Instant> {
        if let Codec::Rtu(line) = &self.codec { line.doubted() } else { None }
    }

    pub(super) fn wrong_crcs(&self) -> u64 {
        if let Codec::Rtu(line) = &self.codec { line.wrong_crcs } else { 0 }
    }

    pub(super) fn echoes(&self) -> bool {
        if let Codec::Rtu(line) = &self.codec { line.echoes() } else { false }
    }

    pub(super) fn tells_echoes(&self) -> bool {
        if let Codec::Rtu(line) = &self.codec { line.tells_echoes() } else { true }
    }
}
