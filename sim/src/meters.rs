//! Energy meters behind one gateway: units 1 to N, each with the input registers of an Eastron SDM630, for which
//! `models/eastron-sdm630.yaml` is the model. What the meter refuses is refused: odd addresses, more than 40 values, other functions.
use crate::server::{Answers, Framing, answering};
use std::{collections::BTreeMap, f32::consts::TAU, io, time::Instant};
use tokio::net::TcpListener;
use tokio_modbus::{
    ExceptionCode::{self, GatewayTargetDevice, IllegalDataAddress, IllegalDataValue, IllegalFunction},
    Request, Response, SlaveRequest,
};

/// Behind the last register of the table (30381).
const END: u16 = 382;
/// At most 40 values in a request.
const MOST: u16 = 80;

/// N meters. Clones are the same.
#[derive(Debug, Clone, Copy)]
pub struct Meters {
    count: u8,
    time_lapse: f32,
    since: Instant,
}

impl Meters {
    /// `time_lapse`: simulated seconds per second.
    pub fn new(count: u8, time_lapse: f32) -> Self {
        Self { count, time_lapse, since: Instant::now() }
    }

    fn respond(self, SlaveRequest { slave, request }: &SlaveRequest<'_>) -> Result<Response, ExceptionCode> {
        if !(1..=self.count).contains(slave) {
            return Err(GatewayTargetDevice);
        }
        let Request::ReadInputRegisters(at, count) = request else { return Err(IllegalFunction) };
        let seconds = self.since.elapsed().as_secs_f32() * self.time_lapse;
        read(&values(*slave, seconds), *at, *count).map(Response::ReadInputRegisters)
    }
}

fn read(values: &BTreeMap<u16, f32>, at: u16, count: u16) -> Result<Vec<u16>, ExceptionCode> {
    if count == 0 || count > MOST || !count.is_multiple_of(2) {
        return Err(IllegalDataValue);
    }
    let end = at.checked_add(count).filter(|end| at.is_multiple_of(2) && *end <= END).ok_or(IllegalDataAddress)?;
    // What the meter does not have in between reads 0.
    let words = (at..end).step_by(2).flat_map(|at| {
        let [a, b, c, d] = values.get(&at).copied().unwrap_or_default().to_be_bytes();
        [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
    });
    Ok(words.collect())
}

/// By address. Every meter is somewhere else in its day.
fn values(unit: u8, seconds: f32) -> BTreeMap<u16, f32> {
    let mut out = BTreeMap::new();
    let (mut power, mut reactive, mut currents) = (0.0, 0.0, 0.0);
    for (phase, at) in [(0.0, 0), (1.0, 2), (2.0, 4)] {
        let turn = (seconds / 60.0 + f32::from(unit) / 40.0 + phase / 3.0) * TAU;
        let (volts, amps) = (230.0 + 2.0 * turn.sin(), 6.0 + 4.0 * (turn / 3.0).sin());
        let (watts, vars) = (volts * amps * 0.96, volts * amps * 0.28);
        for (start, value) in [(0, volts), (6, amps), (12, watts), (18, volts * amps), (24, vars), (30, 0.96)] {
            out.insert(start + at, value);
        }
        (power, reactive, currents) = (power + watts, reactive + vars, currents + amps);
    }
    let apparent = power.hypot(reactive);
    let energy = 1000.0 * f32::from(unit) + 5.0 * seconds / 3600.0;
    let rest = [
        (42, 230.0),
        (46, currents / 3.0),
        (48, currents),
        (52, power),
        (56, apparent),
        (60, reactive),
        (62, 0.96),
        (70, 50.0),
        (72, energy),
        (76, energy * 0.3),
        (80, energy * 1.05),
        (84, power),
        (86, 6900.0),
        (200, 398.4),
        (202, 398.9),
        (204, 397.8),
        (206, 398.4),
        (224, 0.2),
        (342, energy),
    ];
    out.extend(rest);
    out
}

impl Answers for Meters {
    fn answer(&self, request: &SlaveRequest<'_>) -> Result<Option<Response>, ExceptionCode> {
        self.respond(request).map(Some)
    }
}

/// Answers until it is dropped.
pub async fn serve_meters(listener: TcpListener, meters: Meters) -> io::Result<()> {
    answering(listener, meters, Framing::Tcp).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_answers_as_the_document_has_it() {
        let meters = Meters::new(2, 1.0);
        let ask = |slave, request| meters.respond(&SlaveRequest { slave, request });
        for (request, refused) in [
            (Request::ReadInputRegisters(1, 2), IllegalDataAddress),
            (Request::ReadInputRegisters(0, 3), IllegalDataValue),
            (Request::ReadInputRegisters(0, 82), IllegalDataValue),
            (Request::ReadInputRegisters(382, 2), IllegalDataAddress),
            (Request::ReadHoldingRegisters(0, 2), IllegalFunction),
        ] {
            assert_eq!(ask(1, request.clone()), Err(refused), "{request:?}");
        }
        assert_eq!(ask(3, Request::ReadInputRegisters(0, 2)), Err(GatewayTargetDevice));
        let Ok(Response::ReadInputRegisters(words)) = ask(2, Request::ReadInputRegisters(0, 80)) else {
            panic!("40 values are answered")
        };
        let volts = f32::from_bits(u32::from(words[0]) << 16 | u32::from(words[1]));
        assert!(words.len() == 80 && (227.0..233.0).contains(&volts), "{volts}");
    }
}
