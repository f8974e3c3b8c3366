//! Properties of BlueZ's objects, read where they stand in a message: hundreds of advertisements come in a second, and a
//! [`zbus::Variant`] of an array is a list of variants, one for each byte.
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::{fmt, marker::PhantomData};
use zbus::{Signature, Type};

/// A value, of the types that are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Property<'m> {
    Bool(bool),
    Number(i16),
    Text(&'m str),
    Texts(Vec<&'m str>),
    Bytes(&'m [u8]),
    /// Bytes by company.
    Companies(Vec<(u16, &'m [u8])>),
    /// Bytes by the UUID of a service.
    Services(Vec<(&'m str, &'m [u8])>),
    /// Of another type.
    Other,
}

/// Properties of one interface: a few, so that no table is worth its making.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Properties<'m>(Vec<(&'m str, Property<'m>)>);

impl<'m> Properties<'m> {
    pub(super) fn get(&self, name: &str) -> Option<&Property<'m>> {
        self.0.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }
    pub(super) fn bool(&self, name: &str) -> Option<bool> {
        if let Some(Property::Bool(is)) = self.get(name) { Some(*is) } else { None }
    }
    pub(super) fn number(&self, name: &str) -> Option<i16> {
        if let Some(Property::Number(number)) = self.get(name) { Some(*number) } else { None }
    }
    pub(super) fn text(&self, name: &str) -> Option<&'m str> {
        if let Some(Property::Text(text)) = self.get(name) { Some(text) } else { None }
    }
    pub(super) fn texts(&self, name: &str) -> &[&'m str] {
        if let Some(Property::Texts(texts)) = self.get(name) { texts } else { &[] }
    }
    pub(super) fn bytes(&self, name: &str) -> Option<&'m [u8]> {
        if let Some(Property::Bytes(bytes)) = self.get(name) { Some(bytes) } else { None }
    }
}
impl<'m> FromIterator<(&'m str, Property<'m>)> for Properties<'m> {
    fn from_iter<I: IntoIterator<Item = (&'m str, Property<'m>)>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

impl Type for Property<'_> {
    const SIGNATURE: &'static Signature = &Signature::Variant;
}
impl Type for Properties<'_> {
    const SIGNATURE: &'static Signature = &Signature::static_dict(&Signature::Str, &Signature::Variant);
}
impl<'de: 'm, 'm> Deserialize<'de> for Property<'m> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("Variant", &["signature", "value"], OfVariant)
    }
}
impl<'de: 'm, 'm> Deserialize<'de> for Properties<'m> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Pairs::deserialize(deserializer).map(|Pairs(all)| Self(all))
    }
}

/// Reads a variant: its signature, and a value of that.
struct OfVariant;

impl<'de> Visitor<'de> for OfVariant {
    type Value = Property<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a variant")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Property<'de>, A::Error> {
        Ok(match next::<&str, A>(&mut parts)? {
            "b" => Property::Bool(next(&mut parts)?),
            "n" => Property::Number(next(&mut parts)?),
            "s" => Property::Text(next(&mut parts)?),
            "as" => Property::Texts(next(&mut parts)?),
            "ay" => Property::Bytes(next(&mut parts)?),
            "a{qv}" => Property::Companies(bytes(next(&mut parts)?)),
            "a{sv}" => Property::Services(bytes(next(&mut parts)?)),
            "v" => next(&mut parts)?,
            _ => {
                next::<IgnoredAny, A>(&mut parts)?;
                Property::Other
            }
        })
    }
}
fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(parts: &mut A) -> Result<T, A::Error> {
    parts.next_element()?.ok_or_else(|| A::Error::custom("a variant has a signature and a value"))
}
/// Those that have bytes.
fn bytes<K>(Pairs(all): Pairs<K, Property<'_>>) -> Vec<(K, &[u8])> {
    let bytes = |(key, value)| if let Property::Bytes(bytes) = value { Some((key, bytes)) } else { None };
    all.into_iter().filter_map(bytes).collect()
}

/// A map, in its own order.
struct Pairs<K, V>(Vec<(K, V)>);

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Pairs<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfMap(PhantomData))
    }
}
struct OfMap<K, V>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for OfMap<K, V> {
    type Value = Pairs<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<K, V>, A::Error> {
        let mut all = vec![];
        while let Some(pair) = map.next_entry()? {
            all.push(pair);
        }
        Ok(Pairs(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, HashMap};
    use zbus::{Message, ObjectPath, Variant};

    #[test]
    fn each_type_is_read_and_what_nobody_asks_for_is_passed_over() {
        let data = |bytes: &[u8]| Variant::from(bytes.to_vec());
        let sets = HashMap::from([("Rank", Variant::from(1_u8))]);
        let said = BTreeMap::from([
            ("a flag", Variant::from(true)),
            ("adapter", Variant::from(ObjectPath::try_from("/org/bluez/hci0").unwrap())),
            ("advertising", Variant::from(HashMap::from([(0xFF_u8, data(&[1, 2, 3]))]))),
            ("bytes", data(&[6])),
            ("class", Variant::from(0x1234_u32)),
            (
                "companies",
                Variant::from(BTreeMap::from([(0x0499_u16, data(&[5, 18])), (1, 7_u32.into()), (2, data(&[]))])),
            ),
            ("inner", Variant::Variant(Box::new(Variant::from("a text")))),
            ("number", Variant::from(-60_i16)),
            ("pair", Variant::from((1_u8, "b"))),
            ("services", Variant::from(HashMap::from([("FCD2", data(&[0x40, 0]))]))),
            ("sets", Variant::from(HashMap::from([(ObjectPath::try_from("/set").unwrap(), sets)]))),
            ("text", Variant::from("lamp")),
            ("texts", Variant::from(vec!["read", "notify"])),
        ]);
        let message = Message::signal("/", "org.example.Test", "Test").build(&("x", said, vec!["y"])).unwrap();
        let body = message.body();
        let (before, read, after): (&str, Properties<'_>, Vec<&str>) = body.deserialize().unwrap();
        assert_eq!((before, after), ("x", vec!["y"]));
        let expected = [
            ("a flag", Property::Bool(true)),
            ("adapter", Property::Other),
            ("advertising", Property::Other),
            ("bytes", Property::Bytes(&[6])),
            ("class", Property::Other),
            ("companies", Property::Companies(vec![(2, &[]), (0x0499, &[5, 18])])),
            ("inner", Property::Text("a text")),
            ("number", Property::Number(-60)),
            ("pair", Property::Other),
            ("services", Property::Services(vec![("FCD2", &[0x40, 0])])),
            ("sets", Property::Other),
            ("text", Property::Text("lamp")),
            ("texts", Property::Texts(vec!["read", "notify"])),
        ];
        assert_eq!(read, expected.into_iter().collect());
        assert_eq!((read.number("number"), read.number("text"), read.text("absent")), (Some(-60), None, None));
    }
}
