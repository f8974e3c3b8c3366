//! A boiler's registers and bits, as README.md lists them. Pure.
use crate::boiler::{Boiler, BurnerState, Mode, Settings};
use tokio_modbus::ExceptionCode::{self, IllegalDataAddress, IllegalDataValue, IllegalFunction};
use tokio_modbus::{Request, Response};

const FIRMWARE: u16 = 0x0203;
const RATED_POWER: u16 = 500;
const LOCATION: u16 = 10;
const READ_ONLY: u16 = 100;

/// What the device answers.
pub(crate) fn answer(boiler: &mut Boiler, request: &Request<'_>) -> Result<Response, ExceptionCode> {
    match request {
        Request::ReadCoils(at, count) => bits(&coils(boiler), *at, *count).map(Response::ReadCoils),
        Request::ReadDiscreteInputs(at, count) => {
            bits(&discretes(boiler), *at, *count).map(Response::ReadDiscreteInputs)
        }
        Request::ReadHoldingRegisters(at, count) => {
            registers(&holding(boiler), *at, *count).map(Response::ReadHoldingRegisters)
        }
        Request::ReadInputRegisters(at, count) => {
            registers(&[(0, input(boiler))], *at, *count).map(Response::ReadInputRegisters)
        }
        Request::WriteSingleCoil(at, on) => {
            write_coils(boiler, *at, &[*on]).map(|()| Response::WriteSingleCoil(*at, *on))
        }
        Request::WriteMultipleCoils(at, on) => {
            write_coils(boiler, *at, on).map(|()| Response::WriteMultipleCoils(*at, quantity(on.len())))
        }
        Request::WriteSingleRegister(at, word) => {
            write_registers(boiler, *at, &[*word]).map(|()| Response::WriteSingleRegister(*at, *word))
        }
        Request::WriteMultipleRegisters(at, words) => {
            write_registers(boiler, *at, words).map(|()| Response::WriteMultipleRegisters(*at, quantity(words.len())))
        }
        _ => Err(IllegalFunction),
    }
}

fn quantity(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

fn coils(boiler: &Boiler) -> Vec<bool> {
    vec![boiler.settings.enable, boiler.settings.night_setback]
}

fn discretes(boiler: &Boiler) -> Vec<bool> {
    vec![boiler.pump(), boiler.flame(), boiler.too_hot()]
}

fn bits(all: &[bool], at: u16, count: u16) -> Result<Vec<bool>, ExceptionCode> {
    if !(1..=2000).contains(&count) {
        return Err(IllegalDataValue);
    }
    let (from, count) = (usize::from(at), usize::from(count));
    all.get(from..from + count).map(<[bool]>::to_vec).ok_or(IllegalDataAddress)
}

/// Blocks of registers by their first address; a request lies within one.
type Blocks = [(u16, Vec<u16>)];

fn registers(blocks: &Blocks, at: u16, count: u16) -> Result<Vec<u16>, ExceptionCode> {
    if !(1..=125).contains(&count) {
        return Err(IllegalDataValue);
    }
    let within = |(start, words): &(u16, Vec<u16>)| {
        let from = usize::from(at.checked_sub(*start)?);
        words.get(from..from + usize::from(count)).map(<[u16]>::to_vec)
    };
    blocks.iter().find_map(within).ok_or(IllegalDataAddress)
}

fn input(boiler: &Boiler) -> Vec<u16> {
    let swapped = boiler.word_swapped;
    let mut out = Vec::with_capacity(20);
    out.extend(pair(boiler.temperature().to_bits(), swapped));
    out.extend(pair(boiler.pressure().to_bits(), swapped));
    out.push(boiler.flue_temperature().cast_unsigned());
    out.push(match boiler.burner() {
        BurnerState::Off => 0,
        BurnerState::Ignition => 1,
        BurnerState::Running => 2,
    });
    out.push(boiler.modulation());
    // Counters came with a later firmware, which has them in plain order on all makes.
    out.extend(pair(boiler.energy(), false));
    out.extend(pair(boiler.starts(), false));
    out.extend(text(&boiler.serial_number));
    out.push(u16::from(boiler.flame()) | u16::from(boiler.pump()) << 1 | u16::from(boiler.too_hot()) << 2);
    out
}

fn holding(boiler: &Boiler) -> [(u16, Vec<u16>); 3] {
    let Settings {
        setpoint, mode, maximum_modulation, night_setback, hot_water_priority, hysteresis, location, ..
    } = &boiler.settings;
    let mode = match mode {
        Mode::Off => 0,
        Mode::Auto => 1,
        Mode::Manual => 2,
    };
    let control = u16::from(*night_setback) | u16::from(*hot_water_priority) << 1;
    let mut first = pair(setpoint.to_bits(), boiler.word_swapped).to_vec();
    first.extend([mode, *maximum_modulation, control, hysteresis.cast_unsigned()]);
    [(0, first), (LOCATION, text(location)), (READ_ONLY, vec![FIRMWARE, RATED_POWER])]
}

fn pair(bits: u32, swapped: bool) -> [u16; 2] {
    let [a, b, c, d] = bits.to_be_bytes();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    if swapped { [low, high] } else { [high, low] }
}

fn text(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).filter_map(|pair| pair.first_chunk()).map(|pair| u16::from_be_bytes(*pair)).collect()
}

fn write_coils(boiler: &mut Boiler, at: u16, on: &[bool]) -> Result<(), ExceptionCode> {
    let mut all = coils(boiler);
    let from = usize::from(at);
    all.get_mut(from..from + on.len()).filter(|to| !to.is_empty()).ok_or(IllegalDataAddress)?.copy_from_slice(on);
    if let [enable, night_setback] = all.as_slice() {
        (boiler.settings.enable, boiler.settings.night_setback) = (*enable, *night_setback);
    }
    Ok(())
}

/// All of a request or nothing of it.
fn write_registers(boiler: &mut Boiler, at: u16, words: &[u16]) -> Result<(), ExceptionCode> {
    let [mut first, mut location, _] = holding(boiler);
    let block = if at >= LOCATION { &mut location } else { &mut first };
    let from = usize::from(at.checked_sub(block.0).ok_or(IllegalDataAddress)?);
    block
        .1
        .get_mut(from..from + words.len())
        .filter(|to| !to.is_empty())
        .ok_or(IllegalDataAddress)?
        .copy_from_slice(words);
    let half_a_setpoint = at == 1 || (at == 0 && words.len() == 1);
    let settings = if half_a_setpoint { None } else { settings(boiler, &first.1, &location.1) };
    boiler.settings = settings.ok_or(IllegalDataValue)?;
    Ok(())
}

/// None: a value is out of its range.
fn settings(boiler: &Boiler, first: &[u16], location: &[u16]) -> Option<Settings> {
    let [a, b, mode, maximum_modulation, control, hysteresis] = *first.first_chunk::<6>()?;
    let (high, low) = if boiler.word_swapped { (b, a) } else { (a, b) };
    let setpoint = f32::from_bits(u32::from(high) << 16 | u32::from(low));
    let mode = match mode {
        0 => Mode::Off,
        1 => Mode::Auto,
        2 => Mode::Manual,
        _ => return None,
    };
    let hysteresis = hysteresis.cast_signed();
    let plausible = (10.0..=90.0).contains(&setpoint)
        && (20..=100).contains(&maximum_modulation)
        && (5..=200).contains(&hysteresis)
        && control < 4;
    let location: Vec<u8> = location.iter().flat_map(|word| word.to_be_bytes()).collect();
    plausible.then_some(Settings {
        setpoint,
        mode,
        maximum_modulation,
        night_setback: control & 1 == 1,
        hot_water_priority: control & 2 == 2,
        hysteresis,
        location: location.try_into().ok()?,
        enable: boiler.settings.enable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boiler(unit: u8) -> Boiler {
        Boiler::new(unit, 1)
    }

    #[test]
    fn a_setpoint_is_taken_whole_and_in_range() {
        // 75.0 is 0x42960000, 91.0 is 0x42B60000
        let mut one = boiler(1);
        assert!(answer(&mut one, &Request::WriteMultipleRegisters(0, vec![0x4296, 0].into())).is_ok());
        assert_eq!(one.settings.setpoint.to_bits(), 75_f32.to_bits());
        let refused = answer(&mut one, &Request::WriteMultipleRegisters(0, vec![0x42B6, 0].into()));
        assert_eq!((refused, one.settings.setpoint.to_bits()), (Err(IllegalDataValue), 75_f32.to_bits()));
        assert_eq!(answer(&mut one, &Request::WriteSingleRegister(0, 0x4290)), Err(IllegalDataValue));
        let mut three = boiler(3);
        assert!(answer(&mut three, &Request::WriteMultipleRegisters(0, vec![0, 0x4296].into())).is_ok());
        assert_eq!(three.settings.setpoint.to_bits(), 75_f32.to_bits(), "word-swapped");
    }

    #[test]
    fn what_is_not_on_the_map_is_an_illegal_address() {
        let mut one = boiler(1);
        for request in [
            Request::ReadInputRegisters(19, 2),
            Request::ReadHoldingRegisters(5, 2),
            Request::ReadHoldingRegisters(0, 18),
            Request::ReadCoils(1, 2),
            Request::WriteSingleRegister(100, 1),
            Request::WriteSingleRegister(6, 1),
            Request::WriteSingleCoil(2, true),
            Request::WriteMultipleRegisters(65535, vec![1, 2].into()),
        ] {
            assert_eq!(answer(&mut one, &request), Err(IllegalDataAddress), "{request:?}");
        }
        assert_eq!(answer(&mut one, &Request::ReadHoldingRegisters(0, 126)), Err(IllegalDataValue));
        assert_eq!(answer(&mut one, &Request::ReportServerId), Err(IllegalFunction));
    }

    #[test]
    fn a_bit_of_the_control_word_and_its_coil_are_one() {
        let mut one = boiler(1);
        assert!(answer(&mut one, &Request::WriteSingleCoil(1, true)).is_ok());
        assert_eq!(answer(&mut one, &Request::ReadHoldingRegisters(4, 1)), Ok(Response::ReadHoldingRegisters(vec![1])));
    }
}
