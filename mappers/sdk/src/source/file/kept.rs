//! Objects in as little room as can be, for there are many, and nobody looks at them again until a file changes.
use super::accept::DEFAULT_NAMESPACE;
use pollux_crds::{
    Channel, Device, DeviceModel, JsonText, MapperClass,
    offline::{KINDS, Object},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{borrow::Cow, sync::Arc};

/// An object as it is kept.
#[derive(Debug, Clone)]
pub(crate) enum Kept {
    /// Whole: many devices look at it.
    DeviceModel(Box<DeviceModel>),
    /// Whole: many devices look at it.
    MapperClass(Box<MapperClass>),
    /// As text: an eighth of what it takes when it is read.
    Channel(JsonText),
    /// As text: an eighth of what it takes when it is read.
    Device(Arc<JsonText>),
}

impl Kept {
    /// `before`: what was accepted by that name. A device gets what an API server would have added.
    pub(super) fn new(object: Object, uid: impl FnOnce() -> String, before: Option<&Self>) -> Self {
        match object {
            Object::DeviceModel(model) => Self::DeviceModel(model),
            Object::MapperClass(class) => Self::MapperClass(class),
            Object::Channel(channel) => Self::Channel(text(&*channel)),
            Object::Device(mut device) => {
                let generation = match before.and_then(Self::device) {
                    Some(old) if old.spec == device.spec => old.metadata.generation.unwrap_or(1),
                    Some(old) => old.metadata.generation.unwrap_or(1).saturating_add(1),
                    None => 1,
                };
                let metadata = &mut Arc::make_mut(&mut device).metadata;
                (metadata.uid, metadata.generation) = (Some(uid()), Some(generation));
                Self::Device(Arc::new(text(&*device)))
            }
        }
    }
    pub(super) fn device(&self) -> Option<Device> {
        if let Self::Device(text) = self { read(text) } else { None }
    }
    pub(super) fn channel(&self) -> Option<Channel> {
        if let Self::Channel(text) = self { read(text) } else { None }
    }
}

fn text(object: &impl Serialize) -> JsonText {
    serde_json::to_value(object).unwrap_or_default().into() // never fails: it was JSON before
}
/// None: never, as it was written from one.
fn read<T: DeserializeOwned>(text: &JsonText) -> Option<T> {
    serde_json::from_str(text.as_str()).ok()
}

/// Words that most objects say are not kept by each of them.
pub(super) fn word(text: String) -> Cow<'static, str> {
    let known = KINDS.into_iter().chain([DEFAULT_NAMESPACE]).find(|known| *known == text);
    known.map_or(Cow::Owned(text), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn object(json: &Json) -> Object {
        pollux_crds::offline::load(json).unwrap_or_else(|errors| panic!("{errors:?}"))
    }
    fn device(metadata: &Json, desired: f64) -> Object {
        let protocol = json!({"modbus": {"channel": "line", "unitId": 7}});
        let spec = json!({"model": "m", "mode": "Control", "protocol": protocol, "desired": {"level": desired}});
        object(&json!({"apiVersion": "pollux.rs/v1alpha1", "kind": "Device", "metadata": metadata, "spec": spec}))
    }
    fn kept(object: Object, before: Option<&Kept>) -> Kept {
        Kept::new(object, || "file-1".into(), before)
    }

    #[test]
    fn what_is_kept_is_what_was_accepted() {
        let metadata =
            json!({"name": "a", "namespace": "x", "labels": {"l": "1"}, "annotations": {"pollux.rs/rewrite": "1"}});
        let Object::Device(mut whole) = device(&metadata, 0.1 + 0.2) else { panic!("a Device") };
        let kept = kept(device(&metadata, 0.1 + 0.2), None);
        let metadata = &mut Arc::make_mut(&mut whole).metadata;
        (metadata.uid, metadata.generation) = (Some("file-1".into()), Some(1));
        assert_eq!(kept.device().as_ref(), Some(&*whole));
        let tcp = json!({"modbus": {"tcp": {"host": "10.0.0.5", "port": 502}, "connectTimeout": "1500ms"}});
        let (metadata, spec) = (json!({"name": "c", "namespace": "x"}), json!({"protocol": tcp}));
        let json = json!({"apiVersion": "pollux.rs/v1alpha1", "kind": "Channel", "metadata": metadata, "spec": spec});
        let Object::Channel(whole) = object(&json) else { panic!("a Channel") };
        assert_eq!(Kept::new(object(&json), String::new, None).channel().as_ref(), Some(&*whole));
    }

    #[test]
    fn a_generation_is_of_the_spec() {
        let generation = |kept: &Kept| kept.device().and_then(|device| device.metadata.generation);
        let (plain, labelled) = (json!({"name": "a"}), json!({"name": "a", "labels": {"l": "1"}}));
        let first = kept(device(&plain, 1.0), None);
        let same = kept(device(&labelled, 1.0), Some(&first));
        let other = kept(device(&labelled, 2.0), Some(&same));
        assert_eq!([&first, &same, &other].map(generation), [Some(1), Some(1), Some(2)]);
    }

    #[test]
    fn words_that_most_objects_say_are_kept_once() {
        for (text, once) in [("Device", true), ("default", true), ("plant", false)] {
            let word = word(text.to_owned());
            assert_eq!((&*word, matches!(word, Cow::Borrowed(_))), (text, once));
        }
    }
}
