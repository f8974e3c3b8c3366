//! How much a server may send.
use opcua::types::DecodingOptions;

/// Bytes of one frame that we offer and take.
pub(super) const CHUNK: usize = 65_536;
/// Requests that may wait for their turn to be sent.
pub(super) const ASKS: usize = 256;

/// Most bytes that are decoded at once of what may take a hundred times as many then: values of values, and objects.
pub(super) const COMPOUND: usize = 2 << 20;

/// Bounds of what is kept of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Limits {
    /// Bytes of one answer.
    pub message: usize,
    /// Bytes of all answers that are not whole yet.
    pub held: usize,
    /// Elements of an array.
    pub array: usize,
    /// Bytes of a string.
    pub string: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: 16 << 20, held: 64 << 20, array: 65_535, string: 1 << 20 }
    }
}

impl Limits {
    /// The same for the codec.
    pub(super) fn options(self) -> DecodingOptions {
        DecodingOptions {
            max_message_size: self.message,
            max_chunk_count: 0, // counted in bytes, by us
            max_string_length: self.string,
            max_byte_string_length: self.message,
            max_array_length: self.array,
            ..DecodingOptions::default()
        }
    }
}
