//! A number with a unit, as the GATT Specification Supplement represents it: raw × M × 10^d × 2^b (2.4).
use crate::format::{Shape, scalar};
use crate::{Bits, ByteOrder, DataType, Decoded, Error, NoValue, Value, ValueKind};

/// A raw number, what it is multiplied with, and the patterns that are none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number {
    shape: Shape,
    scale: Scale,
    specials: &'static [(u64, NoValue)],
    /// Of the value, where not all that the data type carries is allowed.
    range: Option<(f64, f64)>,
}

/// Value = (raw + add) × m × 10^d × 2^b × factor. The factor is for fields that the device may send in either of two units.
#[derive(Debug, Clone, Copy)]
struct Scale {
    m: i32,
    d: i32,
    b: i32,
    factor: f64,
    add: f64,
}

impl Number {
    pub(crate) const fn new(data_type: DataType) -> Self {
        let scale = Scale { m: 1, d: 0, b: 0, factor: 1.0, add: 0.0 };
        Self { shape: scalar::little(data_type), scale, specials: &[], range: None }
    }
    pub(crate) const fn big(mut self) -> Self {
        self.shape.order = ByteOrder::Big;
        self
    }
    pub(crate) const fn bits(mut self, first: u32, count: u32) -> Self {
        self.shape.bits = Some(Bits { first, count });
        self
    }
    pub(crate) const fn scaled(mut self, m: i32, d: i32, b: i32) -> Self {
        (self.scale.m, self.scale.d, self.scale.b) = (m, d, b);
        self
    }
    pub(crate) const fn times(mut self, factor: f64) -> Self {
        self.scale.factor = factor;
        self
    }
    pub(crate) const fn plus(mut self, add: f64) -> Self {
        self.scale.add = add;
        self
    }
    pub(crate) const fn special(mut self, specials: &'static [(u64, NoValue)]) -> Self {
        self.specials = specials;
        self
    }

    pub(crate) const fn within(mut self, min: f64, max: f64) -> Self {
        self.range = Some((min, max));
        self
    }

    pub(crate) const fn data_type(&self) -> DataType {
        self.shape.data_type
    }
    pub(crate) fn kind(&self) -> ValueKind {
        if self.scale.is_one() { self.shape.data_type.kind() } else { ValueKind::Float }
    }

    /// The value in bytes that are as many as the data type has.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Decoded {
        let decoded = match scalar::decode(self.shape, bytes, self.specials) {
            Decoded::Value(value) if !self.scale.is_one() => match value.as_f64() {
                Some(raw) => Value::Float(self.scale.value(raw)).into(),
                None => value.into(),
            },
            decoded => decoded,
        };
        match &decoded {
            Decoded::Value(value) if self.outside(value).is_some() => NoValue::NotValid.into(),
            _ => decoded,
        }
    }

    /// Puts the value into bytes that are as many as the data type has: the nearest that the format can say.
    pub(crate) fn encode(&self, bytes: &mut [u8], value: &Value) -> Result<(), Error> {
        if let Some((number, (min, max))) = self.outside(value) {
            return Err(Error::out_of_range(&number, self.shape.data_type, (min, max)));
        }
        let raw = match value.as_f64().filter(|_| !self.scale.is_one()) {
            Some(number) => Value::Float(self.round(self.scale.raw(number))),
            None => value.clone(),
        };
        let pattern = scalar::encode(self.shape, &raw).map_err(|error| self.in_own_unit(error, value))?;
        if self.specials.iter().any(|(special, _)| *special == pattern) {
            return Err(Error::Special { value: value.as_f64().unwrap_or_default() });
        }
        self.shape.put(bytes, pattern);
        Ok(())
    }

    /// The number, and what is allowed, if it is not.
    fn outside(&self, value: &Value) -> Option<(f64, (f64, f64))> {
        let (number, (min, max)) = (value.as_f64()?, self.range?);
        (!(min..=max).contains(&number)).then_some((number, (min, max)))
    }
    fn round(&self, raw: f64) -> f64 {
        if self.shape.data_type.takes_bits() { raw.round_ties_even() } else { raw }
    }
    /// Limits are said in the unit of the value, not in steps of the wire.
    fn in_own_unit(&self, error: Error, given: &Value) -> Error {
        match (error, given.as_f64()) {
            (Error::OutOfRange { what, min, max, .. }, Some(number)) if !self.scale.is_one() => {
                let limit =
                    |raw: &str| raw.parse().map_or_else(|_| raw.to_owned(), |raw| self.scale.value(raw).to_string());
                Error::OutOfRange { value: number.to_string(), what, min: limit(&min), max: limit(&max) }
            }
            (error, _) => error,
        }
    }
}

impl Scale {
    #[expect(clippy::float_cmp, reason = "as it was set, not calculated")]
    fn is_one(&self) -> bool {
        (self.m, self.d, self.b) == (1, 0, 0) && self.factor == 1.0 && self.add == 0.0
    }
    /// Divided by a power of ten, not multiplied by its inverse, which no binary number is: 2506 / 100 is 25.06.
    fn value(&self, raw: f64) -> f64 {
        let scaled = (raw + self.add) * f64::from(self.m) * 2_f64.powi(self.b);
        let power = 10_f64.powi(self.d.abs());
        let scaled = if self.d < 0 { scaled / power } else { scaled * power };
        scaled * self.factor
    }
    fn raw(&self, value: f64) -> f64 {
        let scaled = value / self.factor / 2_f64.powi(self.b);
        let power = 10_f64.powi(self.d.abs());
        let scaled = if self.d < 0 { scaled * power } else { scaled / power };
        scaled / f64::from(self.m) - self.add
    }
}
