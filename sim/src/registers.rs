//! A plain device, unit 1: 65,536 coils, discrete inputs, input and holding registers that hold what they are given.
use crate::{WriteRecord, server::Answers};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};
use tokio_modbus::{
    ExceptionCode::{self, IllegalDataAddress, IllegalDataValue, IllegalFunction},
    Request, Response, SlaveRequest,
};

const UNIT: u8 = 1;
const SIZE: usize = 0x1_0000;
/// Of the standard, in one request: read and written (Application Protocol V1.1b3, 6.1, 6.3, 6.11, 6.12).
const MOST_BITS: usize = 2000;
const MOST_REGISTERS: usize = 125;
const MOST_BITS_WRITTEN: usize = 1968;
const MOST_REGISTERS_WRITTEN: usize = 123;

/// One of the four kinds of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    Coil,
    Discrete,
    Input,
    Holding,
}

/// Clones are the same device.
#[derive(Clone)]
pub struct Registers {
    state: Arc<Mutex<State>>,
}

struct State {
    tables: [Vec<u16>; 4],
    on_write: Box<dyn FnMut(WriteRecord) + Send>,
}

impl fmt::Debug for Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registers").finish_non_exhaustive()
    }
}

impl Registers {
    /// All zero. `on_write` sees every write request.
    pub fn new(on_write: impl FnMut(WriteRecord) + Send + 'static) -> Self {
        let tables = std::array::from_fn(|_| vec![0; SIZE]);
        Self { state: Arc::new(Mutex::new(State { tables, on_write: Box::new(on_write) })) }
    }

    /// From that address on; a bit is 0 or 1. What would lie beyond the last address is left out.
    pub fn set(&self, table: Table, at: u16, values: &[u16]) {
        self.with(|state| {
            let places = state.table(table).iter_mut().skip(at.into());
            places.zip(values).for_each(|(place, value)| *place = *value);
        });
    }

    pub fn get(&self, table: Table, at: u16, count: u16) -> Vec<u16> {
        self.with(|state| state.table(table).iter().skip(at.into()).take(count.into()).copied().collect())
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Answers for Registers {
    fn answer(&self, SlaveRequest { slave, request }: &SlaveRequest<'_>) -> Result<Option<Response>, ExceptionCode> {
        if *slave != UNIT {
            return Err(ExceptionCode::GatewayTargetDevice);
        }
        self.with(|state| {
            let answer = state.answer(request);
            if let Some(record) = WriteRecord::of(*slave, request, answer.as_ref().err()) {
                (state.on_write)(record);
            }
            answer.map(Some)
        })
    }
}

impl State {
    fn table(&mut self, table: Table) -> &mut Vec<u16> {
        let [coils, discretes, inputs, holdings] = &mut self.tables;
        match table {
            Table::Coil => coils,
            Table::Discrete => discretes,
            Table::Input => inputs,
            Table::Holding => holdings,
        }
    }

    fn answer(&mut self, request: &Request<'_>) -> Result<Response, ExceptionCode> {
        match request {
            Request::ReadCoils(at, count) => self.bits(Table::Coil, *at, *count).map(Response::ReadCoils),
            Request::ReadDiscreteInputs(at, count) => {
                self.bits(Table::Discrete, *at, *count).map(Response::ReadDiscreteInputs)
            }
            Request::ReadInputRegisters(at, count) => {
                self.words(Table::Input, *at, *count).map(Response::ReadInputRegisters)
            }
            Request::ReadHoldingRegisters(at, count) => {
                self.words(Table::Holding, *at, *count).map(Response::ReadHoldingRegisters)
            }
            Request::WriteSingleCoil(at, on) => {
                self.put(Table::Coil, *at, &[u16::from(*on)]).map(|_| Response::WriteSingleCoil(*at, *on))
            }
            Request::WriteMultipleCoils(at, on) => {
                let values: Vec<u16> = on.iter().map(|on| u16::from(*on)).collect();
                self.put(Table::Coil, *at, &values).map(|count| Response::WriteMultipleCoils(*at, count))
            }
            Request::WriteSingleRegister(at, word) => {
                self.put(Table::Holding, *at, &[*word]).map(|_| Response::WriteSingleRegister(*at, *word))
            }
            Request::WriteMultipleRegisters(at, words) => {
                self.put(Table::Holding, *at, words).map(|count| Response::WriteMultipleRegisters(*at, count))
            }
            Request::MaskWriteRegister(at, and, or) => {
                let current = self.words(Table::Holding, *at, 1)?.iter().fold(0, |_, word| *word);
                self.put(Table::Holding, *at, &[current & and | or & !and])?;
                Ok(Response::MaskWriteRegister(*at, *and, *or))
            }
            _ => Err(IllegalFunction),
        }
    }

    fn bits(&mut self, table: Table, at: u16, count: u16) -> Result<Vec<bool>, ExceptionCode> {
        Ok(self.part(table, at, count.into(), MOST_BITS)?.iter().map(|bit| *bit != 0).collect())
    }

    fn words(&mut self, table: Table, at: u16, count: u16) -> Result<Vec<u16>, ExceptionCode> {
        self.part(table, at, count.into(), MOST_REGISTERS).map(|part| part.to_vec())
    }

    /// How many were put.
    fn put(&mut self, table: Table, at: u16, values: &[u16]) -> Result<u16, ExceptionCode> {
        let most = if table == Table::Coil { MOST_BITS_WRITTEN } else { MOST_REGISTERS_WRITTEN };
        self.part(table, at, values.len(), most)?.copy_from_slice(values);
        u16::try_from(values.len()).map_err(|_| IllegalDataValue)
    }

    fn part(&mut self, table: Table, at: u16, count: usize, most: usize) -> Result<&mut [u16], ExceptionCode> {
        if !(1..=most).contains(&count) {
            return Err(IllegalDataValue);
        }
        let from = usize::from(at);
        self.table(table).get_mut(from..from + count).ok_or(IllegalDataAddress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_request_may_be_longer_than_the_standard_has_it() {
        let registers = Registers::new(|_| {});
        let ask = |request: Request<'static>| registers.with(|state| state.answer(&request)).map(|_| ());
        let coils = |count| Request::WriteMultipleCoils(0, vec![true; count].into());
        let words = |count| Request::WriteMultipleRegisters(0, vec![7; count].into());
        assert_eq!([ask(coils(1968)), ask(words(123))], [Ok(()), Ok(())]);
        assert_eq!([ask(coils(1969)), ask(words(124))], [Err(IllegalDataValue), Err(IllegalDataValue)]);
        let [bits, holdings] = [Request::ReadCoils(0, 2000), Request::ReadHoldingRegisters(0, 125)].map(ask);
        assert_eq!([bits, holdings], [Ok(()), Ok(())]);
        let [bits, holdings] = [Request::ReadCoils(0, 2001), Request::ReadHoldingRegisters(0, 126)].map(ask);
        assert_eq!([bits, holdings], [Err(IllegalDataValue), Err(IllegalDataValue)]);
    }
}
