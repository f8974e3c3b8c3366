//! Where a device's properties stand among the engine's points: all of them but those with an expression.
use pollux_crds::{EffectiveDevice, Source};

/// Positions of properties in the engine's points, and back. Most devices have no expression: then they are the same, and
/// nothing is kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Points {
    properties: usize,
    /// Properties with an expression, ascending.
    expressions: Box<[usize]>,
    /// How many points stand before each of them.
    before: Box<[usize]>,
}

impl Points {
    pub(super) fn of(device: &EffectiveDevice) -> Self {
        let expression = |(at, source): (usize, &Source)| matches!(source, Source::Expression(_)).then_some(at);
        let sources = device.properties.iter().map(|property| &property.source);
        Self::without(device.properties.len(), sources.enumerate().filter_map(expression).collect())
    }
    fn without(properties: usize, expressions: Box<[usize]>) -> Self {
        let before = expressions.iter().enumerate().map(|(others, at)| at - others).collect();
        Self { properties, expressions, before }
    }
    #[inline]
    pub(super) fn property(&self, point: usize) -> Option<usize> {
        let others = if self.before.is_empty() { 0 } else { self.before.partition_point(|before| *before <= point) };
        let property = point + others;
        (property < self.properties).then_some(property)
    }
    pub(super) fn point(&self, property: usize) -> Option<usize> {
        let others = self.expressions.binary_search(&property).err()?;
        (property < self.properties).then(|| property - others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn points_are_the_properties_without_expression_in_their_order(expressions in proptest::collection::vec(any::<bool>(), 0..40)) {
            let at = |wanted: bool| expressions.iter().enumerate().filter(move |(_, is)| **is == wanted).map(|(at, _)| at);
            let points = Points::without(expressions.len(), at(true).collect());
            let property_of: Vec<usize> = at(false).collect();
            for (point, property) in property_of.iter().enumerate() {
                prop_assert_eq!((points.property(point), points.point(*property)), (Some(*property), Some(point)));
            }
            prop_assert!(at(true).all(|property| points.point(property).is_none()));
            prop_assert_eq!((points.property(property_of.len()), points.point(expressions.len())), (None, None));
        }
    }
}
