use super::*;
use pollux_crds::Value;
use std::{fs, time::Duration};
use tokio_util::sync::CancellationToken;

const MODEL: &str = "
apiVersion: pollux.rs/v1alpha1
kind: DeviceModel
metadata: {name: boiler}
spec:
  properties:
  - {name: setpoint, type: number, access: ReadWrite, maximum: 90, binding: {modbus: {table: holding, address: 0, dataType: float32}}}
";
fn device(name: &str, setpoint: &str) -> String {
    format!(
        "---\napiVersion: pollux.rs/v1alpha1\nkind: Device\nmetadata: {{name: {name}}}\nspec: {{model: boiler, protocol: \
         {{modbus: {{tcp: {{host: h}}}}}}, desired: {{setpoint: {setpoint}}}}}\n"
    )
}

struct Files {
    folder: tempfile::TempDir,
    source: FileSource,
}
impl Files {
    fn with(files: &[(&str, &str)]) -> (Self, Report) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let (source, report) = FileSource::open(vec![folder.path().to_owned()], "modbus", Writes::Enabled);
        (Self { folder, source }, report)
    }
    fn edit(&mut self, name: &str, text: &str) -> Report {
        fs::write(self.folder.path().join(name), text).unwrap();
        self.source.reread().expect("it changed")
    }
    fn devices(&self) -> Vec<Arc<EffectiveDevice>> {
        self.source.config().borrow().devices.clone()
    }
    /// Name, generation, desired setpoint.
    fn story(&self) -> Vec<String> {
        let told = |d: &Arc<EffectiveDevice>| {
            format!("{} {} {}", d.name, d.generation, d.desired.get("setpoint").map_or("-".into(), Value::short))
        };
        self.devices().iter().map(told).collect()
    }
}
fn problems(report: &Report, folder: &tempfile::TempDir) -> Vec<String> {
    let folder = format!("{}/", folder.path().display());
    report.problems.iter().map(|p| p.to_string().replace(&folder, "")).collect()
}

#[test]
fn devices_come_from_the_files_in_their_order() {
    let text = format!("{}{}", device("b", "20"), device("a", "21.5"));
    let (files, report) =
        Files::with(&[("1.yaml", MODEL), ("2.yml", &text), ("3.txt", "nonsense: ["), (".4.yaml", "[")]);
    assert_eq!((report.problems.clone(), report.devices, report.models), (vec![], 2, 1));
    assert_eq!(files.story(), ["b 1 20", "a 1 21.5"]);
    let device = &files.devices()[0];
    assert_eq!((device.namespace.as_str(), device.key().as_str()), ("default", "default/b"));
    assert!(device.uid.starts_with("file-") && device.uid.len() <= 64 && device.uid != files.devices()[1].uid);
}

#[test]
fn an_invalid_edit_of_one_device_leaves_its_last_valid_entry_and_the_others_go_on() {
    let two = |a: &str, b: &str| format!("{}{}", device("a", a), device("b", b));
    let (mut files, _) = Files::with(&[("m.yaml", MODEL), ("d.yaml", &two("20", "30"))]);
    // Refused by the schema's side, by resolve, and as YAML.
    let report = files.edit("d.yaml", &two("{\"on\": 1", "31").replace("{{\"on\": 1}", "{\"on\": 1}"));
    assert!(!report.problems.is_empty());
    let report = files.edit("d.yaml", &two("20, typo: 1", "31"));
    let told = problems(&report, &files.folder);
    assert_eq!(told, ["d.yaml: Device a: spec.desired.typo: no such property; writable are: setpoint"]);
    assert_eq!(files.story(), ["a 1 20", "b 2 31"]);
    let report = files.edit("d.yaml", &two("91", "32"));
    assert_eq!(
        problems(&report, &files.folder),
        ["d.yaml: Device a: spec.desired.setpoint: must be a number of at most 90, is 91"]
    );
    assert_eq!(files.story(), ["a 1 20", "b 3 32"]);
    let report = files.edit("d.yaml", "a: [");
    assert!(report.problems[0].to_string().contains("d.yaml: line 1:"), "{report:?}");
    assert_eq!(files.story(), ["a 1 20", "b 3 32"]);
    let report = files.edit("d.yaml", &two("22", "32"));
    assert_eq!(report.problems, []);
    assert_eq!(files.devices()[0].desired["setpoint"], 22.into());
    assert!(files.devices()[0].generation > 1);
    assert_eq!(files.devices()[1].generation, 3, "untouched");
}

#[test]
fn an_object_that_the_api_server_would_refuse_leaves_the_one_before() {
    let (mut files, _) = Files::with(&[("m.yaml", MODEL), ("d.yaml", &device("a", "20"))]);
    let report = files.edit("m.yaml", &MODEL.replace("maximum", "maximun"));
    assert_eq!(
        problems(&report, &files.folder),
        ["m.yaml: DeviceModel boiler: spec.properties[0].maximun: unknown field, did you mean maximum?"]
    );
    assert_eq!(files.story(), ["a 1 20"]);
    // A model that is taken and breaks the device: the device's last entry stays.
    let report = files.edit("m.yaml", &MODEL.replace("90", "15"));
    assert_eq!(report.problems.len(), 1);
    assert_eq!(files.story(), ["a 1 20"]);
    fs::remove_file(files.folder.path().join("d.yaml")).unwrap();
    assert_eq!(files.source.reread().map(|r| r.problems), Some(vec![]));
    assert_eq!(files.story(), Vec::<String>::new());
}

#[test]
fn of_two_that_open_one_gateway_the_later_is_refused_with_both_values_and_keeps_its_last() {
    let b = |more: &str| device("b", "30").replace("{host: h}}", &format!("{{host: h}}{more}}}"));
    let two = |more: &str| format!("{}{}", device("a", "20"), b(more));
    let (mut files, report) = Files::with(&[("m.yaml", MODEL), ("d.yaml", &two(""))]);
    assert_eq!(report.problems, []);
    let report = files.edit("d.yaml", &two(", connectTimeout: 2s"));
    assert_eq!(
        problems(&report, &files.folder),
        [
            "d.yaml: Device b: modbus tcp h:502: connectTimeout 2s, not 5s as in Device default/a, which was there first and \
             opens it too"
        ]
    );
    assert_eq!(files.story(), ["a 1 20", "b 1 30"]);
    assert_eq!(files.edit("d.yaml", &two(", connectTimeout: 5s")).problems, [], "the default, written out");
}

#[test]
fn a_class_of_another_protocol_is_told_as_the_operator_tells_it() {
    let class = "---\napiVersion: pollux.rs/v1alpha1\nkind: MapperClass\nmetadata: {name: mine}\nspec: {image: x}\n";
    let text = format!("{}{class}", device("a", "20").replace("model: boiler,", "model: boiler, mapperClass: mine,"));
    let (files, report) = Files::with(&[("m.yaml", MODEL), ("d.yaml", &text)]);
    assert_eq!(
        problems(&report, &files.folder),
        ["d.yaml: Device a: spec.mapperClass: class \"mine\" speaks mine, and spec.protocol is modbus"]
    );
}

#[test]
fn a_desired_value_that_the_wire_cannot_carry_is_refused() {
    let (files, report) = Files::with(&[
        ("m.yaml", &MODEL.replace("float32", "uint16").replace("maximum: 90, ", "")),
        ("d.yaml", &device("a", "70000")),
    ]);
    assert_eq!(
        problems(&report, &files.folder),
        ["d.yaml: Device a: spec.desired.setpoint: must be a number from 0 to 65535 in steps of 1 (uint16), is 70000"]
    );
}

#[test]
fn two_objects_of_one_name_are_refused_both() {
    let (mut files, _) = Files::with(&[("m.yaml", MODEL), ("1.yaml", &device("a", "20"))]);
    let report = files.edit("2.yaml", &device("a", "30"));
    let told = problems(&report, &files.folder);
    assert_eq!(told, ["2.yaml: Device a: line 2: stands there twice, first in 1.yaml line 2; neither is taken"]);
    assert_eq!(files.story(), ["a 1 20"]);
}

#[test]
fn what_is_wrong_with_a_model_is_told_once() {
    let text = format!("{}{}", device("a", "20"), device("b", "20"));
    let model = MODEL.replace("access: ReadWrite", "access: ReadWrite, scale: 0.0");
    let (files, report) = Files::with(&[("m.yaml", &model), ("d.yaml", &text)]);
    assert_eq!(
        problems(&report, &files.folder),
        ["d.yaml: Device a: DeviceModel boiler: spec.properties[setpoint].scale: must not be 0"]
    );
}

#[test]
fn others_are_passed_over_and_secrets_are_kept_but_not_shown() {
    let other = "
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}
- {apiVersion: v1, kind: Secret, metadata: {name: s, labels: {pollux.rs/for: mappers}}, data: {user: cm9vdA==}, stringData: {password: hunter2}}
- {apiVersion: v1, kind: Secret, metadata: {name: t}, stringData: {password: hunter1}}
---
apiVersion: pollux.rs/v1alpha1
kind: Device
metadata: {name: foreign}
spec: {mapperClass: mine, protocol: {custom: {}}}
---
apiVersion: v1
kind: Secret
metadata: {name: bad}
data: {key: '%%hunter3'}
";
    let (files, report) = Files::with(&[("o.yaml", other)]);
    let notes: Vec<_> = report.notes.iter().map(|n| n.split(": ").skip(1).collect::<Vec<_>>().join(": ")).collect();
    assert_eq!(
        notes,
        [
            "ConfigMap c: ignored, it is nothing of Pollux",
            "Secret t: not for mappers, it has no label pollux.rs/for=mappers",
            "Device foreign: ignored, its protocol is mine",
        ]
    );
    assert_eq!(problems(&report, &files.folder), ["o.yaml: Secret bad: data.key: is not base64"]);
    let secrets = files.source.secrets().borrow().clone();
    assert_eq!(
        (secrets.get("default.s.user"), secrets.get("default.s.password")),
        (Some(&b"root"[..]), Some(&b"hunter2"[..]))
    );
    assert_eq!(secrets.get("default.t.password"), None);
    assert!(!format!("{:?}{report:?}", files.source.world).contains("hunter"));
}

#[test]
fn an_edited_secret_is_handed_over_and_one_that_cannot_be_read_stays() {
    let secret = |password: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s, labels: {{pollux.rs/for: mappers}}}}\nstringData: {{password: {password}}}\n"
        )
    };
    let (mut files, _) = Files::with(&[("s.yaml", &secret("one")), ("m.yaml", MODEL)]);
    let mut secrets = files.source.secrets();
    let password = |secrets: &Receiver<Secrets>| {
        let text = secrets.borrow().get("default.s.password").map(|p| String::from_utf8_lossy(p).into_owned());
        text.unwrap_or_default()
    };
    assert_eq!(password(&secrets), "one");
    files.edit("m.yaml", &MODEL.replace("90", "80"));
    assert!(!secrets.has_changed().unwrap(), "an edit of something else is no news");
    files.edit("s.yaml", &secret("two"));
    assert!(secrets.has_changed().unwrap());
    secrets.mark_unchanged();
    for wrong in ["nonsense: [", &secret("[list]"), &format!("{}---\n{}", secret("three"), secret("four"))] {
        assert!(!files.edit("s.yaml", wrong).problems.is_empty());
        assert_eq!(password(&secrets), "two", "{wrong}");
    }
    files.edit("s.yaml", &secret("five"));
    assert_eq!(password(&secrets), "five");
}

#[test]
fn a_device_is_refused_as_in_a_cluster_until_its_secret_is_there_labelled_and_whole() {
    let secret = |labels: &str, keys: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: c, labels: {labels}}}\nstringData: {keys}\n")
    };
    let (labelled, keys) = ("{pollux.rs/for: mappers}", "{tls.crt: a, tls.key: b, ca.crt: c}");
    let secure = device("a", "20").replace("tcp: {host: h}", "tls: {host: h, secret: c}");
    let (mut files, report) = Files::with(&[("m.yaml", MODEL), ("d.yaml", &secure), ("s.yaml", "")]);
    let told = |files: &Files, report: &Report| problems(report, &files.folder);
    let field = "d.yaml: Device a: spec.protocol.modbus.tls.secret";
    let none = format!("{field}: no Secret \"c\" with label pollux.rs/for=mappers in namespace default");
    assert_eq!((told(&files, &report), files.story()), (vec![none.clone()], vec![]));
    let report = files.edit("s.yaml", &secret("{}", keys));
    assert_eq!(told(&files, &report), [none]);
    let report = files.edit("s.yaml", &secret(labelled, "{tls.crt: a, ca.crt: c}"));
    assert_eq!(told(&files, &report), [format!("{field}: Secret \"c\" has no key tls.key")]);
    let report = files.edit("s.yaml", &secret(labelled, keys));
    assert_eq!((told(&files, &report), files.story()), (vec![], vec!["a 1 20".to_owned()]));
    assert_eq!(files.devices()[0].config.value()["tls"]["secret"], "default.c");
}

#[test]
fn a_missing_path_and_an_empty_folder_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let paths = vec![folder.path().join("no.yaml"), folder.path().to_owned()];
    let (_, report) = FileSource::open(paths, "modbus", Writes::Disabled);
    let told = problems(&report, &folder);
    assert!(told[0].starts_with("no.yaml: No such file"), "{told:?}");
    assert!(told[1].ends_with("no *.yaml or *.yml in this folder"), "{told:?}");
}

/// The system's own word, so real time: each step waits for its condition, ten seconds at most.
#[tokio::test]
async fn edits_are_followed_also_where_an_editor_renames() {
    let (files, _) = Files::with(&[("m.yaml", MODEL), ("d.yaml", &device("a", "20"))]);
    let Files { folder, source } = files;
    let (mut config, stop) = (source.config(), CancellationToken::new());
    let following = tokio::spawn(source.follow(stop.clone(), |_| {}));
    let path = |name: &str| folder.path().join(name);
    let mut wait = async |setpoint: i32| {
        let there = |c: &Arc<NodeConfig>| c.devices[0].desired["setpoint"] == setpoint.into();
        tokio::time::timeout(Duration::from_secs(10), config.wait_for(there)).await.expect("in time").expect("open");
    };
    // The watch may not stand yet: what is written first is found by the next event at the latest.
    while !following.is_finished() {
        fs::write(path("d.yaml"), device("a", "21")).unwrap();
        if tokio::time::timeout(Duration::from_secs(1), wait(21)).await.is_ok() {
            break;
        }
    }
    fs::write(path("d.yaml~"), device("a", "22")).unwrap();
    fs::rename(path("d.yaml~"), path("d.yaml")).unwrap();
    wait(22).await;
    stop.cancel();
    following.await.unwrap();
}
