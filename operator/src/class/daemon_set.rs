//! The `DaemonSet` of a class. Pure.
use crate::world::{facts::CLASS_LABEL, made::MADE_LABEL};
use kube::ResourceExt;
use pollux_crds::{MAPPERS_NAMESPACE, MapperClass, PullPolicy, mapper_name, node_label};
use serde_json::{Value as Json, json};

/// The user that mappers run as; the init container gives it the state folder.
pub const USER: i64 = 65_532;
/// Port of a mapper's API and probes inside its Pod.
pub const PORT: u16 = 8_080;
const STATE: &str = "/state";
/// Where the system bus has its socket, on every Linux.
const BUS: &str = "/run/dbus";
/// By this, whoever speaks D-Bus finds the system bus.
const BUS_ADDRESS: &str = "DBUS_SYSTEM_BUS_ADDRESS";

/// The `DaemonSet`: Pods only on nodes that have devices of the class. `owners` as in metadata.
pub fn daemon_set(class: &MapperClass, owners: &Json) -> Json {
    let name = class.name_any();
    let labels = json!({
        "app.kubernetes.io/name": "pollux-mapper", (MADE_LABEL): crate::FIELD_MANAGER, (CLASS_LABEL): name,
    });
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {
            "name": mapper_name(&name), "namespace": MAPPERS_NAMESPACE, "labels": labels, "ownerReferences": owners,
        },
        "spec": {
            "selector": {"matchLabels": {(CLASS_LABEL): name}},
            // The old one first: two mappers must not drive one device.
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": max_unavailable(class)}},
            "template": {"metadata": {"labels": labels}, "spec": pod(class, &name)},
        },
    })
}

fn max_unavailable(class: &MapperClass) -> Json {
    let text = class.spec.max_unavailable.as_deref().unwrap_or("10%");
    text.parse::<u32>().map_or_else(|_| json!(text), |number| json!(number))
}

fn pod(class: &MapperClass, name: &str) -> Json {
    let spec = &class.spec;
    json!({
        "serviceAccountName": mapper_name(name),
        "automountServiceAccountToken": true,
        "nodeSelector": {(node_label(name)): "true"},
        "tolerations": spec.tolerations,
        "imagePullSecrets": spec.image_pull_secrets.iter().map(|s| json!({"name": s.0})).collect::<Vec<_>>(),
        "hostNetwork": spec.host_network,
        "dnsPolicy": if spec.host_network { "ClusterFirstWithHostNet" } else { "ClusterFirst" },
        "terminationGracePeriodSeconds": 15,
        "securityContext": {
            "seccompProfile": {"type": "RuntimeDefault"},
            "supplementalGroups": spec.host_devices.iter().flat_map(|host| &host.groups).map(|group| group.0).collect::<Vec<_>>(),
        },
        "initContainers": [init(class)],
        "containers": [mapper(class, name)],
        "volumes": volumes(class, name),
    })
}

fn volumes(class: &MapperClass, name: &str) -> Vec<Json> {
    let folder = |name: &str, path: &str, kind: &str| json!({"name": name, "hostPath": {"path": path, "type": kind}});
    let mut volumes = vec![folder("state", &format!("/var/lib/pollux/{name}"), "DirectoryOrCreate")];
    volumes.extend(class.spec.host_devices.is_some().then(|| folder("dev", "/dev", "Directory")));
    // The folder, not the socket: one that is made anew when the bus starts again is seen. OrCreate: a Pod would wait for ever on a
    // node that has no bus (yet), and nobody would say why.
    volumes.extend(class.spec.host_bus.then(|| folder("bus", BUS, "DirectoryOrCreate")));
    volumes
}

fn mounts(class: &MapperClass) -> Vec<Json> {
    let mut mounts = vec![json!({"name": "state", "mountPath": STATE})];
    mounts.extend(class.spec.host_devices.is_some().then(|| json!({"name": "dev", "mountPath": "/dev"})));
    mounts.extend(class.spec.host_bus.then(|| json!({"name": "bus", "mountPath": BUS, "readOnly": true})));
    mounts
}

/// Nothing beyond its own files. With devices of the node: privileged, for the kernel's list of devices that a container may
/// open is made when it starts, and a port that is plugged in again has another number. As this user it has no capability.
fn rights(class: &MapperClass) -> Json {
    let mut rights = json!({
        "runAsUser": USER, "runAsGroup": USER, "runAsNonRoot": true, "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    });
    let (name, value) =
        if class.spec.host_devices.is_some() { ("privileged", true) } else { ("allowPrivilegeEscalation", false) };
    rights[name] = json!(value);
    if let Some(profile) = &class.spec.app_armor_profile {
        rights["appArmorProfile"] = json!(profile);
    }
    rights
}

fn policy(class: &MapperClass) -> &'static str {
    match class.spec.image_pull_policy {
        PullPolicy::IfNotPresent => "IfNotPresent",
        PullPolicy::Always => "Always",
        PullPolicy::Never => "Never",
    }
}

/// Gives the state folder, which the kubelet makes as root, to the mapper's user. The image has no shell, so the mapper's
/// own binary does it.
fn init(class: &MapperClass) -> Json {
    let user = USER.to_string();
    json!({
        "name": "init-state",
        "image": class.spec.image,
        "imagePullPolicy": policy(class),
        "args": ["init-state", "--dir", STATE, "--uid", user, "--gid", user],
        "volumeMounts": [{"name": "state", "mountPath": STATE}],
        "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"memory": "32Mi"}},
        "securityContext": {
            "runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": false, "readOnlyRootFilesystem": true,
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"], "add": ["CHOWN"]},
        },
    })
}

fn mapper(class: &MapperClass, name: &str) -> Json {
    let spec = &class.spec;
    // On the node's network the port is not the Pod's own: the loopback only, and one of its own for each class.
    let (listen, port) = if spec.host_network { ("127.0.0.1", host_port(name)) } else { ("0.0.0.0", PORT) };
    let mut args = vec!["--state-dir".to_owned(), STATE.into(), "--listen".into(), format!("{listen}:{port}")];
    args.extend(spec.args.iter().map(|a| a.0.clone()));
    let field = |path: &str| json!({"fieldRef": {"fieldPath": path}});
    let mut env = vec![
        json!({"name": "POLLUX_CLASS", "value": name}),
        json!({"name": "NODE_NAME", "valueFrom": field("spec.nodeName")}),
        json!({"name": "POD_NAME", "valueFrom": field("metadata.name")}),
    ];
    // D-Bus' own default is below /var/run, which an image need not have.
    let said = spec.env.contains_key(BUS_ADDRESS);
    let address = || json!({"name": BUS_ADDRESS, "value": format!("unix:path={BUS}/system_bus_socket")});
    env.extend((spec.host_bus && !said).then(address));
    env.extend(spec.env.iter().map(|(name, value)| json!({"name": name, "value": value.0})));
    let resources = spec.resources.as_ref().map_or_else(|| json!({}), |r| json!(r));
    json!({
        "name": "mapper",
        "image": spec.image,
        "imagePullPolicy": policy(class),
        "args": args,
        "env": env,
        "ports": [{"name": "http", "containerPort": port}],
        "readinessProbe": probe("/readyz", listen, 2, 3),
        "livenessProbe": probe("/healthz", listen, 10, 6),
        "resources": resources,
        "volumeMounts": mounts(class),
        // Not below /dev, which may be the node's own.
        "terminationMessagePath": "/termination-log",
        "securityContext": rights(class),
    })
}

fn probe(path: &str, listen: &str, period: u32, failures: u32) -> Json {
    let host = if listen == "0.0.0.0" { json!(null) } else { json!(listen) };
    let mut get = json!({"path": path, "port": "http"});
    if !host.is_null() {
        get["host"] = host;
    }
    json!({"httpGet": get, "periodSeconds": period, "timeoutSeconds": 2, "failureThreshold": failures})
}

/// A port for a class on the nodes' own network, always the same.
fn host_port(name: &str) -> u16 {
    let sum = name.bytes().fold(0_u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(u16::from(byte)));
    18_000 + sum % 2_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::apps::v1::DaemonSet;

    fn class(spec: &Json) -> MapperClass {
        serde_json::from_value(json!({"metadata": {"name": "modbus", "uid": "u1"}, "spec": spec})).unwrap()
    }
    fn typed(spec: &Json) -> DaemonSet {
        serde_json::from_value(daemon_set(&class(spec), &json!([]))).unwrap()
    }

    #[test]
    fn pods_run_only_where_the_label_is_and_without_rights() {
        let set = typed(&json!({"image": "localhost/pollux-modbus:1"}));
        let pod = set.spec.unwrap().template.spec.unwrap();
        assert_eq!(pod.node_selector.unwrap()["pollux.node-restriction.kubernetes.io/modbus"], "true");
        let context = pod.containers[0].security_context.clone().unwrap();
        assert_eq!((context.run_as_non_root, context.read_only_root_filesystem), (Some(true), Some(true)));
        assert_eq!(context.capabilities.unwrap(), serde_json::from_value(json!({"drop": ["ALL"]})).unwrap());
        let init = pod.init_containers.unwrap().remove(0);
        assert_eq!(init.args.unwrap(), ["init-state", "--dir", "/state", "--uid", "65532", "--gid", "65532"]);
        let may = init.security_context.unwrap().capabilities.unwrap();
        assert_eq!((may.add.unwrap(), may.drop.unwrap()), (vec!["CHOWN".into()], vec!["ALL".into()]));
    }

    #[test]
    fn what_the_class_says_is_in_the_pod() {
        let set = typed(&json!({
            "image": "i", "imagePullPolicy": "Never", "args": ["--log-format", "json"], "env": {"RUST_LOG": "debug"},
            "hostNetwork": true, "maxUnavailable": "3", "resources": {"limits": {"memory": "64Mi"}},
            "tolerations": [{"operator": "Exists"}], "imagePullSecrets": ["registry"],
        }));
        let spec = set.spec.unwrap();
        let update = spec.update_strategy.unwrap().rolling_update.unwrap();
        assert_eq!(serde_json::to_value(update.max_unavailable).unwrap(), json!(3));
        let pod = spec.template.spec.unwrap();
        let mapper = &pod.containers[0];
        assert_eq!(mapper.image_pull_policy.as_deref(), Some("Never"));
        assert!(mapper.args.as_ref().unwrap().ends_with(&["--log-format".into(), "json".into()]));
        let names: Vec<_> = mapper.env.iter().flatten().map(|e| &*e.name).collect();
        assert_eq!(names, ["POLLUX_CLASS", "NODE_NAME", "POD_NAME", "RUST_LOG"]);
        assert_eq!(mapper.resources.as_ref().unwrap().limits.as_ref().unwrap()["memory"].0, "64Mi");
        let get = mapper.readiness_probe.as_ref().unwrap().http_get.as_ref().unwrap();
        assert_eq!((pod.host_network, get.host.as_deref()), (Some(true), Some("127.0.0.1")));
        assert_eq!(pod.image_pull_secrets.unwrap()[0].name, "registry");
    }

    #[test]
    fn a_class_with_devices_of_the_node_opens_them_as_a_user_without_capabilities() {
        let set = typed(&json!({"image": "i", "hostDevices": {"groups": [20, 986]}}));
        let pod = set.spec.unwrap().template.spec.unwrap();
        assert_eq!(pod.security_context.unwrap().supplemental_groups, Some(vec![20, 986]));
        let dev = pod.volumes.unwrap().into_iter().find(|v| v.name == "dev").and_then(|v| v.host_path).unwrap();
        assert_eq!((dev.path.as_str(), dev.type_.as_deref()), ("/dev", Some("Directory")));
        let mapper = &pod.containers[0];
        assert!(mapper.volume_mounts.iter().flatten().any(|m| m.name == "dev" && m.mount_path == "/dev"));
        let context = mapper.security_context.clone().unwrap();
        assert_eq!((context.privileged, context.allow_privilege_escalation), (Some(true), None));
        assert_eq!((context.run_as_user, context.run_as_non_root), (Some(USER), Some(true)));
        assert_eq!(pod.init_containers.unwrap()[0].security_context.clone().unwrap().privileged, None);
        let plain = typed(&json!({"image": "i"})).spec.unwrap().template.spec.unwrap();
        assert_eq!(plain.volumes.unwrap().len(), 1);
        assert_eq!(plain.containers[0].security_context.clone().unwrap().privileged, None);
    }

    /// Where it looks for the system bus.
    fn address(mapper: &k8s_openapi::api::core::v1::Container) -> Vec<&str> {
        let bus = mapper.env.iter().flatten().filter(|env| env.name == "DBUS_SYSTEM_BUS_ADDRESS");
        bus.filter_map(|env| env.value.as_deref()).collect()
    }

    #[test]
    fn a_class_on_the_system_bus_sees_its_folder_and_may_no_more_than_others() {
        let set = typed(&json!({
            "image": "i", "hostBus": true, "appArmorProfile": {"type": "Localhost", "localhostProfile": "pollux-ble"},
        }));
        let pod = set.spec.unwrap().template.spec.unwrap();
        let volumes = pod.volumes.unwrap();
        assert_eq!(volumes.len(), 2, "{volumes:?}");
        let bus = volumes.into_iter().find(|v| v.name == "bus").and_then(|v| v.host_path).unwrap();
        assert_eq!((bus.path.as_str(), bus.type_.as_deref()), ("/run/dbus", Some("DirectoryOrCreate")));
        let mapper = &pod.containers[0];
        let mount = mapper.volume_mounts.iter().flatten().find(|m| m.name == "bus").unwrap();
        assert_eq!((mount.mount_path.as_str(), mount.read_only), ("/run/dbus", Some(true)));
        assert_eq!(address(mapper), ["unix:path=/run/dbus/system_bus_socket"]);
        let context = mapper.security_context.clone().unwrap();
        assert_eq!((context.privileged, context.allow_privilege_escalation), (None, Some(false)));
        assert_eq!((context.run_as_user, context.run_as_non_root), (Some(USER), Some(true)));
        assert_eq!(context.capabilities.unwrap(), serde_json::from_value(json!({"drop": ["ALL"]})).unwrap());
        let profile = context.app_armor_profile.unwrap();
        assert_eq!((profile.type_.as_str(), profile.localhost_profile.as_deref()), ("Localhost", Some("pollux-ble")));
        assert_eq!((pod.host_network, pod.security_context.unwrap().supplemental_groups), (Some(false), Some(vec![])));
        let init = pod.init_containers.unwrap().remove(0);
        assert!(init.volume_mounts.iter().flatten().all(|m| m.name == "state"), "root does not see the bus");
        let own = json!({"image": "i", "hostBus": true, "env": {"DBUS_SYSTEM_BUS_ADDRESS": "tcp:host=b"}});
        assert_eq!(address(&typed(&own).spec.unwrap().template.spec.unwrap().containers[0]), ["tcp:host=b"]);
        let plain = typed(&json!({"image": "i"})).spec.unwrap().template.spec.unwrap();
        assert!(address(&plain.containers[0]).is_empty());
        assert_eq!(
            (plain.volumes.unwrap().len(), plain.containers[0].security_context.clone().unwrap().app_armor_profile),
            (1, None)
        );
    }

    #[test]
    fn on_the_nodes_network_classes_do_not_share_a_port() {
        let ports: std::collections::BTreeSet<_> = ["modbus", "opcua", "ble", "mqtt"].map(host_port).into();
        assert_eq!(ports.len(), 4);
    }
}
