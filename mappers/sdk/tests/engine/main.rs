//! The engine against toy drivers, by subject. All but one of these run on a paused clock.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_imports,
    clippy::float_cmp,
    clippy::cast_precision_loss
)]
mod arbiter;
mod bounds;
mod bus;
mod common;
mod dial;
mod health;
mod life;
mod pushed;
mod radio;
mod slots;
mod story;
mod toys;
mod writes;
