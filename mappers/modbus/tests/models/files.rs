//! The folder `models/` as it is.
use pollux_crds::{
    DeviceModel, DeviceModelSpec,
    offline::{self, Object, yaml},
};
use serde_json::Value as Json;
use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

/// A model that is an example and not a ready one: what its frames have of the modules is made up.
const EXAMPLE: &str = "sunspec-mppt-160";

/// Where a model of that name stands.
pub(crate) fn path(name: &str) -> PathBuf {
    if name == EXAMPLE {
        root().join("../examples/sunspec-mppt/model.yaml")
    } else {
        root().join(format!("{name}.yaml"))
    }
}

pub(crate) fn example() -> (Model, Frames) {
    let (model, frames) = (path(EXAMPLE), format!("tests/models/{EXAMPLE}.yaml"));
    let text = |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let frames = text(&Path::new(env!("CARGO_MANIFEST_DIR")).join(frames));
    (one("model.yaml".into(), text(&model)), read(&format!("{EXAMPLE}.yaml"), &frames))
}

pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) spec: DeviceModelSpec,
    pub(crate) object: DeviceModel,
}

pub(crate) fn load(object: &Json) -> Object {
    offline::load(object).unwrap_or_else(|errors| panic!("{errors:?}"))
}

pub(crate) fn models() -> Vec<Model> {
    texts(&root()).into_iter().map(|(file, text)| one(file, text)).collect()
}

fn one(file: String, text: String) -> Model {
    let documents = yaml::read(&text).unwrap_or_else(|error| panic!("{file}: {error:?}"));
    let [document] = documents.as_slice() else { panic!("{file}: one model a file") };
    let Object::DeviceModel(object) = load(&document.value) else { panic!("{file}: not a DeviceModel") };
    let name = object.metadata.name.clone().expect("a name");
    Model { name, file, text, spec: object.spec.clone(), object: *object }
}

fn texts(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("readable").path());
    let yaml = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let mut texts: Vec<(String, String)> = yaml
        .map(|path| {
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("readable"))
        })
        .collect();
    texts.sort();
    texts
}

/// What a document prints (or a program recorded) of one model.
pub(crate) struct Frames {
    pub(crate) model: String,
    pub(crate) unit: u8,
    pub(crate) offset: i64,
    /// Properties that a Device has beside the model's.
    pub(crate) properties: Vec<Json>,
    pub(crate) all: Vec<Frame>,
}

/// A question, its answer, and what the answer says, as `read` prints it: value, unit, quality.
pub(crate) struct Frame {
    pub(crate) request: Telegram,
    pub(crate) answer: Telegram,
    pub(crate) exact: bool,
    pub(crate) values: Vec<(String, String)>,
}

pub(crate) struct Telegram {
    pub(crate) unit: u8,
    pub(crate) pdu: Vec<u8>,
}

pub(crate) fn frames() -> Vec<Frames> {
    texts(&root().join("frames")).iter().map(|(file, text)| read(file, text)).collect()
}

fn read(file: &str, text: &str) -> Frames {
    let documents = yaml::read(text).unwrap_or_else(|error| panic!("{file}: {error:?}"));
    let document = &documents.first().expect("a document").value;
    let list = |name: &str| document[name].as_array().cloned().unwrap_or_default();
    let read = Frames {
        model: document["model"].as_str().expect("model").to_owned(),
        unit: document["unitId"].as_u64().and_then(|unit| u8::try_from(unit).ok()).expect("unitId"),
        offset: document["addressOffset"].as_i64().unwrap_or_default(),
        properties: list("properties"),
        all: list("frames").iter().map(frame).collect(),
    };
    assert_eq!(format!("{}.yaml", read.model), file);
    for frame in &read.all {
        assert_eq!((frame.request.unit, frame.answer.unit), (read.unit, read.unit), "{file}");
    }
    read
}

fn frame(frame: &Json) -> Frame {
    let tcp = frame["framing"] == "tcp";
    let telegram = |name: &str| {
        let text = frame[name].as_str().unwrap_or_else(|| panic!("{name} of {frame}"));
        let bytes: Vec<u8> =
            text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("bytes in hex")).collect();
        if tcp { of_tcp(&bytes) } else { of_rtu(&bytes) }
    };
    let values = frame["values"].as_object().cloned().unwrap_or_default();
    Frame {
        request: telegram("request"),
        answer: telegram("answer"),
        exact: frame["exact"] == true,
        values: values.into_iter().map(|(name, value)| (name, value.as_str().expect("text").to_owned())).collect(),
    }
}

fn of_tcp(bytes: &[u8]) -> Telegram {
    let [_, _, 0, 0, high, low, unit, pdu @ ..] = bytes else { panic!("no Modbus TCP frame: {bytes:02X?}") };
    assert_eq!(usize::from(u16::from_be_bytes([*high, *low])), pdu.len() + 1, "{bytes:02X?}");
    Telegram { unit: *unit, pdu: pdu.to_vec() }
}

fn of_rtu(bytes: &[u8]) -> Telegram {
    let [unit, pdu @ .., low, high] = bytes else { panic!("no RTU frame: {bytes:02X?}") };
    assert_eq!(crc(&bytes[..bytes.len() - 2]), [*low, *high], "CRC of {bytes:02X?}");
    Telegram { unit: *unit, pdu: pdu.to_vec() }
}

/// MODBUS over Serial Line V1.02, 6.2.2, bit by bit.
pub(crate) fn crc(bytes: &[u8]) -> [u8; 2] {
    let step = |crc: u16| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
    let crc = bytes.iter().fold(0xFFFF, |crc, byte| (0..8).fold(crc ^ u16::from(*byte), |crc, _| step(crc)));
    crc.to_le_bytes()
}
