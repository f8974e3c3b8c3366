//! What a reading means.
use super::exponent::Scale;
use crate::{
    Precision, Value,
    convert::{self, Cell},
};
use pollux_crds::EffectiveProperty;
use std::borrow::Cow;

/// How a reading is understood.
#[derive(Debug)]
pub(super) struct Meaning<'a> {
    pub(super) property: &'a EffectiveProperty,
    pub(super) scale: Scale,
    pub(super) precision: Precision,
}

impl Meaning<'_> {
    pub(super) fn cell(&self, raw: &Value) -> Result<Cell, Cow<'static, str>> {
        let scale = self.scale.clone().map_err(Cow::Owned)?;
        convert::cell(self.property, raw, self.precision, scale).map_err(|reason| reason.0)
    }
    /// Its exponent, which is another property, may change while the reading does not.
    pub(super) fn is_shared(&self) -> bool {
        self.property.scale_exponent_from.is_some()
    }
}
