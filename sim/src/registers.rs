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
/// Of the standard, in one request.
const MOST_BITS: usize = 2000;
const MOST_REGISTERS: usize = 125;

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
        self.part(table, at, values.len(), MOST_BITS)?.copy_from_slice(values);
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
