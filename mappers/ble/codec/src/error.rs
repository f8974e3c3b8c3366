//! What is wrong with bytes, with a value, or with how a format is set.
use crate::DataType;
use crate::near::hint;

/// Why bytes cannot be decoded, or a value not encoded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// Fewer bytes than the format has.
    #[error("{got} bytes are too few: {what} needs {needed}")]
    TooShort {
        /// What was read.
        what: &'static str,
        /// Bytes that it needs, from the first byte of the value on.
        needed: usize,
        /// Bytes that are there.
        got: usize,
    },
    /// More bytes than the format has.
    #[error("{got} bytes are too many: {what} has {needed}; to read a part, set its offset")]
    TooLong {
        /// What was read.
        what: &'static str,
        /// Bytes that it has.
        needed: usize,
        /// Bytes that are there.
        got: usize,
    },
    /// Bytes that are no text.
    #[error("the bytes are not {0}")]
    NotText(&'static str),
    /// A number that the format cannot carry.
    #[error("{value} does not fit {what}: {min} to {max}")]
    OutOfRange {
        /// The number.
        value: String,
        /// Its format.
        what: &'static str,
        /// Least.
        min: String,
        /// Greatest.
        max: String,
    },
    /// An integer format was given a fraction.
    #[error("{value} is not a whole number, and {what} carries no other")]
    NotWhole {
        /// The number.
        value: f64,
        /// Its format.
        what: &'static str,
    },
    /// The number would be read back as "not known" or the like.
    #[error("{value} is encoded as the pattern for a missing value")]
    Special {
        /// The number.
        value: f64,
    },
    /// A value of another type.
    #[error("{what} takes {wanted}, not {given}")]
    WrongType {
        /// The format, or the field.
        what: &'static str,
        /// What it takes.
        wanted: &'static str,
        /// What it was given.
        given: &'static str,
    },
    /// Text or bytes that do not fit.
    #[error("{got} bytes are too long: there is room for {room}")]
    NoRoom {
        /// Bytes there is room for.
        room: usize,
        /// Bytes that the value takes.
        got: usize,
    },
    /// Settings that contradict each other.
    #[error("{0}")]
    Settings(String),
    /// No such data type.
    #[error("{text:?} is no data type{}", hint(*.nearest))]
    DataType {
        /// What was written.
        text: String,
        /// What may have been meant.
        nearest: Option<&'static str>,
    },
    /// No such field.
    #[error("there is no field {text:?} in {what}{}", hint(*.nearest))]
    Field {
        /// Of what.
        what: &'static str,
        /// What was written.
        text: String,
        /// What may have been meant.
        nearest: Option<&'static str>,
    },
    /// A field that cannot be written.
    #[error("{0} cannot be encoded")]
    ReadOnly(&'static str),
    /// Another format than was asked for.
    #[error("not {what}: {why}")]
    Other {
        /// What was expected.
        what: &'static str,
        /// What speaks against it.
        why: &'static str,
    },
    /// Encrypted, and the key is not known.
    #[error("the advertisement is encrypted: a key is needed")]
    Encrypted,
    /// In the clear, though a key is known: anybody may have sent it.
    #[error("the advertisement is not encrypted, though there is a key: not taken")]
    NotEncrypted,
    /// The message integrity check failed.
    #[error("the message integrity check failed: wrong key, or not sent by the device")]
    Integrity,
    /// A key of another form.
    #[error("a key has 32 hexadecimal digits, not {0} characters")]
    Key(usize),
    /// A key with other characters.
    #[error("a key has 32 hexadecimal digits; there are other characters in it")]
    KeyDigits,
}

impl Error {
    pub(crate) fn out_of_range<T: ToString>(value: &T, data_type: DataType, (min, max): (T, T)) -> Self {
        let (value, min, max) = (value.to_string(), min.to_string(), max.to_string());
        Self::OutOfRange { value, what: data_type.name(), min, max }
    }
}
