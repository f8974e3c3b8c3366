//! What a link can carry and what it counts, what is asked of it, and what it may ask.
use crate::{Call, Exchange, Value};
use std::{collections::HashMap, path::PathBuf};

/// What a link can carry. Made by [`Limits::default`] or [`Limits::at_once`], so that more of it may be asked one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Exchanges under way at once on the link.
    pub in_flight: usize,
    /// Exchanges under way at once for one unit.
    pub per_unit: usize,
    /// Units attached at once (slots of a radio). The engine attaches and detaches for it: longest waiting first.
    pub attached: Option<usize>,
    /// All wait for one that is silent: a suspect is given less than its whole time-out.
    pub bus: bool,
    /// An answer says neither which request it belongs to nor what it is of: one that comes too late would pass for the next of
    /// its form. A unit that was silent is left alone for its whole time-out from when it was given up; others go first.
    pub nameless: bool,
}

/// A bus: one at a time.
impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 1, per_unit: 1, attached: None, bus: true, nameless: false }
    }
}

impl Limits {
    /// So many exchanges at once, one for each unit; no bus, and no slots.
    #[must_use]
    pub const fn at_once(in_flight: usize) -> Self {
        Self { in_flight, per_unit: 1, attached: None, bus: false, nameless: false }
    }
    /// So many exchanges at once for one unit.
    #[must_use]
    pub const fn per_unit(self, per_unit: usize) -> Self {
        Self { per_unit, ..self }
    }
    /// So many units attached at once.
    #[must_use]
    pub const fn attached(self, slots: Option<usize>) -> Self {
        Self { attached: slots, ..self }
    }
    /// Whether all wait for one that is silent.
    #[must_use]
    pub const fn bus(self, bus: bool) -> Self {
        Self { bus, ..self }
    }
    /// Whether an answer that comes too late could pass for another's.
    #[must_use]
    pub const fn nameless(self, nameless: bool) -> Self {
        Self { nameless, ..self }
    }
}

/// A piece of work on a link, as [`Protocol::patience`] judges it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Job<'a, R> {
    /// [`Link::attach`].
    Attach,
    /// [`Link::detach`].
    Detach,
    /// [`Link::read`].
    Read(&'a Exchange<R>),
    /// [`Link::write`]: position in `points` of `prepare`, value.
    Write(&'a [(usize, Value)]),
    /// [`Link::call`].
    Call(&'a Call),
}

/// What a driver may ask of its surroundings while connecting.
#[derive(Clone, Default)]
pub struct Cx {
    /// Contents of Secrets: the name that the configuration gives one (in a cluster and in files `namespace.name`), a dot, the key.
    pub secrets: HashMap<String, Vec<u8>>,
    /// The mapper's folder for what is learned; none: nothing is kept.
    pub state_dir: Option<PathBuf>,
    /// Differs whenever the contents of the secrets do: a link of another rotation is dialled anew.
    pub rotation: u64,
}

/// Never shows a secret.
impl std::fmt::Debug for Cx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cx")
            .field("secrets", &self.secrets.len())
            .field("state_dir", &self.state_dir)
            .field("rotation", &self.rotation)
            .finish()
    }
}

/// What a link counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkCounters {
    /// Connections that it mended itself, without a new dial of the engine's.
    pub healed: u64,
    /// Samples that the source had and that never came (gaps, overflow).
    pub samples_lost: u64,
}
impl LinkCounters {
    /// Both at once.
    #[must_use]
    pub const fn new(healed: u64, samples_lost: u64) -> Self {
        Self { healed, samples_lost }
    }
}
