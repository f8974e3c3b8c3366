//! How much memory one value may take as JSON. What is asked for is about what maps, lists and strings take of the heap.

/// Bytes that are left.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(Self::MOST << 20)
    }
}

impl Budget {
    /// In MiB.
    const MOST: usize = 32;
    /// One value, wherever it stands.
    pub(crate) const VALUE: usize = 32;
    /// A list in another, beside its elements.
    pub(crate) const LIST: usize = 64;
    /// A map that has something in it.
    pub(crate) const FIELDS: usize = 640;
    /// A field's name in it, beside its letters.
    pub(crate) const NAME: usize = 32;

    /// Before they are taken.
    pub(crate) fn pay(&mut self, bytes: usize) -> Result<(), String> {
        match self.0.checked_sub(bytes) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(format!("BadEncodingLimitsExceeded: as JSON it takes more than {} MiB", Self::MOST)),
        }
    }
}
