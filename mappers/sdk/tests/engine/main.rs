//! The engine against toy drivers, by subject. All but one of these run on a paused clock.
#![allow(unreachable_pub, clippy::wildcard_imports, clippy::unreadable_literal, clippy::needless_pass_by_value)]
mod arbiter;
mod bounds;
mod common;
mod health;
mod life;
mod radio;
mod story;
mod toys;
mod writes;
