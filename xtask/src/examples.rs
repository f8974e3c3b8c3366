//! YAML of the docs is such as a cluster takes, and what a newcomer is told to apply writes to no plant.
use crate::pages::Page;
use anyhow::{Context, Result};
use pollux_crds::{
    Channel, Device, DeviceModel, Mode,
    offline::{self, Object, yaml},
    resolve,
};
use std::{fs, path::Path};

const NOTES: &str = "charts/pollux/templates/NOTES.txt";
/// Models that a page may name without showing them.
const READY: &str = "models";
/// Our objects, by what stands in them.
const OURS: &str = "apiVersion: pollux.rs/";

pub(crate) fn check(root: &Path, pages: &[Page]) -> Result<Vec<String>> {
    let ready = if root.join(READY).is_dir() { read(&root.join(READY))?.models } else { vec![] };
    let mut wrong: Vec<String> = pages.iter().flat_map(|one| page(one, &ready)).collect();
    let notes = fs::read_to_string(root.join(NOTES)).context(NOTES)?;
    let texts = pages.iter().map(|page| (page.path.as_str(), page.text.as_str())).chain([(NOTES, notes.as_str())]);
    for (path, text) in texts {
        for folder in applied(text) {
            let read = read(&root.join(folder)).with_context(|| format!("{path}: {folder}"))?;
            wrong.extend(writing(&read).map(|name| {
                format!("{path}: applies {folder}, whose Device {name} is not in mode: Monitor; a reader's plant would be written")
            }));
        }
    }
    Ok(wrong)
}

/// What is wrong with the objects of one page, each judged with the models and channels beside it, and the ready models.
fn page(page: &Page, ready: &[DeviceModel]) -> Vec<String> {
    let blocks = page.blocks();
    let ours = blocks.iter().filter(|b| b.language == "yaml" && b.body.iter().any(|line| line.starts_with(OURS)));
    let (mut wrong, mut all) = (vec![], Objects::default());
    for block in ours {
        match objects(&block.body.join("\n")) {
            Ok(objects) => all.take(objects),
            Err(errors) => wrong.push(format!("{}:{}: {errors}", page.path, block.line)),
        }
    }
    all.models.extend_from_slice(ready);
    if wrong.is_empty() {
        wrong.extend(all.unresolved().map(|errors| format!("{}: {errors}", page.path)));
    }
    wrong
}

fn objects(text: &str) -> Result<Vec<Object>, String> {
    let documents = yaml::read(text).map_err(|error| error.to_string())?;
    let ours = documents.iter().filter(|document| offline::is_ours(&document.value));
    let told =
        |errors: Vec<pollux_crds::FieldError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    ours.map(|document| offline::load(&document.value).map_err(told)).collect()
}

#[derive(Debug, Default)]
struct Objects {
    models: Vec<DeviceModel>,
    channels: Vec<Channel>,
    devices: Vec<Device>,
}
impl Objects {
    fn take(&mut self, objects: Vec<Object>) {
        for object in objects {
            match object {
                Object::DeviceModel(model) => self.models.push(*model),
                Object::Channel(channel) => self.channels.push(*channel),
                Object::Device(device) => self.devices.push(std::sync::Arc::unwrap_or_clone(device)),
                Object::MapperClass(_) => {}
            }
        }
    }
    fn unresolved(&self) -> impl Iterator<Item = String> {
        self.devices.iter().filter_map(|device| {
            let model = self.models.iter().find(|m| m.metadata.name == device.spec.model);
            let channel = device.spec.protocol.channel().map(str::to_owned);
            let channel = self.channels.iter().find(|c| channel.is_some() && c.metadata.name == channel);
            let errors = resolve(device, model, channel).err()?;
            let name = device.metadata.name.as_deref().unwrap_or_default();
            Some(format!("Device {name}: {}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))
        })
    }
}

/// Folders and files of `examples/` that a text tells to apply.
fn applied(text: &str) -> Vec<&str> {
    let lines = text.lines().filter_map(|line| line.split_once("kubectl apply -f ")?.1.split_whitespace().next());
    lines.filter(|path| path.starts_with("examples/")).collect()
}

fn read(path: &Path) -> Result<Objects> {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        files = entries.into_iter().filter(|file| file.extension().is_some_and(|e| e == "yaml")).collect();
    }
    let mut all = Objects::default();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        all.take(objects(&text).map_err(anyhow::Error::msg)?);
    }
    Ok(all)
}

fn writing(objects: &Objects) -> impl Iterator<Item = &str> {
    let devices = objects.devices.iter().filter(|device| device.spec.mode == Mode::Control);
    devices.map(|device| device.metadata.name.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = "apiVersion: pollux.rs/v1alpha1\nkind: DeviceModel\nmetadata: {name: m}\nspec: {properties: [{name: p, type: number, binding: {modbus: {table: input, address: 0, dataType: int16}}}]}\n";
    const DEVICE: &str = "apiVersion: pollux.rs/v1alpha1\nkind: Device\nmetadata: {name: d}\nspec: {model: m, MODE protocol: {modbus: {tcp: {host: h}}}}\n";

    fn yaml_page(blocks: &[&str]) -> Page {
        let text = blocks.iter().fold(String::new(), |text, block| text + "```yaml\n" + block + "```\n");
        Page { path: "a.md".into(), text }
    }

    #[test]
    fn yaml_of_a_page_is_judged_as_a_cluster_would() {
        let device = DEVICE.replace("MODE", "");
        assert_eq!(page(&yaml_page(&[MODEL, &device, "spec: {of: something}\n"]), &[]), Vec::<String>::new());
        let wrong = page(&yaml_page(&[MODEL, &DEVICE.replace("MODE", "modus: Control,")]), &[]);
        assert!(wrong.len() == 1 && wrong[0].starts_with("a.md:7: spec.modus: "), "{wrong:?}");
        let wrong = page(&yaml_page(&[MODEL, &DEVICE.replace("MODE", "desired: {p: 1},")]), &[]);
        let Object::DeviceModel(ready) = objects(MODEL).unwrap().remove(0) else { panic!("a model") };
        assert_eq!(page(&yaml_page(&[&device]), &[*ready]), Vec::<String>::new(), "a ready model need not be shown");
        assert!(wrong.len() == 1 && wrong[0].contains("Device d: spec.desired.p: "), "{wrong:?}");
    }

    #[test]
    fn what_is_to_be_applied_writes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let text = "`kubectl apply -f examples/x  # one` and kubectl apply -f other/y\n";
        for (mode, count) in [("mode: Monitor,", 0), ("", 1)] {
            for (name, text) in
                [(NOTES, text), ("examples/x/m.yaml", MODEL), ("examples/x/d.yaml", &DEVICE.replace("MODE", mode))]
            {
                let path = root.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            let wrong = check(root.path(), &[]).unwrap();
            assert_eq!(wrong.len(), count, "{wrong:?}");
        }
    }
}
