//! The API's description in OpenAPI 3.1, from the types it serves.
use super::problem;
use crate::metrics;
use pollux_crds::{DeviceSpec, DeviceStatus};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value as Json, json};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The whole document.
pub fn document() -> Json {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Pollux mapper",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths(),
        "components": {"schemas": schemas(), "parameters": parameters()},
    })
}

const DESCRIPTION: &str = "The devices of one mapper, as the API server has or would have them. With files the spec of a Device is \
    the one of its file. In a cluster a mapper does not see the Device, but what the operator made of it: model and Channel \
    stand in the spec itself, parameters filled in, under properties and protocol; in place of model, parameters and channel.";

fn paths() -> Json {
    let parts = [devices(), commands(), events(), about()].into_iter().filter_map(|part| match part {
        Json::Object(part) => Some(part),
        _ => None,
    });
    Json::Object(parts.flatten().collect())
}

fn devices() -> Json {
    json!({
        "/v1/devices": {"get": {
            "operationId": "listDevices",
            "summary": "All devices of this mapper",
            "responses": answers([ok(JSON, &reference("DeviceList"), "The devices.")]),
        }},
        "/v1/devices/{namespace}/{name}": {
            "parameters": at(),
            "get": {
                "operationId": "getDevice",
                "summary": "One device, spec and status",
                "responses": answers([ok(JSON, &reference("Device"), "The device."), bad_path(), no_device()]),
            },
        },
        "/v1/devices/{namespace}/{name}/read": {
            "parameters": at(),
            "post": {
                "operationId": "readDevice",
                "summary": "Read every readable property now",
                "description": "Answers when the values are there. It writes nothing.",
                "responses": answers([
                    ok(JSON, &reference("Device"), "The device with what was read."),
                    bad_path(),
                    no_device(),
                    refused("502", "The device does not answer, in the protocol's words."),
                    refused("503", "The mapper is busy or shutting down; try again."),
                    refused("504", "The device did not answer in time."),
                ]),
            },
        },
        "/v1/devices/{namespace}/{name}/learned": {
            "parameters": at(),
            "delete": {
                "operationId": "forgetLearned",
                "summary": "Forget what was learned of the device",
                "description": "What it refuses is found out again. It writes nothing to the device. Only from the mapper's own \
                    machine or Pod.",
                "responses": answers([
                    ("204", json!({"description": "Forgotten."})),
                    bad_path(),
                    refused("403", "Asked from elsewhere."),
                    no_device(),
                    refused("503", "The mapper is busy or shutting down; try again."),
                ]),
            },
        },
    })
}

fn commands() -> Json {
    json!({
        "/v1/devices/{namespace}/{name}/commands/{command}": {
            "parameters": command_at(),
            "post": {
                "operationId": "callCommand",
                "summary": "Carry out a command of the device's model",
                "description": "It is sent once at most, in its turn among the device's writes. Only from the mapper's own machine \
                    or Pod, of a device in mode Control, and where writes are allowed.",
                "requestBody": {
                    "description": "Arguments by name; where there are none, {}.",
                    "required": true,
                    "content": {JSON: {"schema": {"type": "object"}}},
                },
                "responses": answers([
                    ok(JSON, &json!({"type": "object", "required": ["result"], "properties": {"result": {}}}), "What it gave."),
                    refused("400", "The arguments do not fit: the text says what is allowed."),
                    refused("403", "Asked from elsewhere, by a web page, or by a name other than localhost."),
                    refused("404", "No such device on this mapper, or no such command of its model."),
                    refused("408", "The body did not come in time."),
                    refused("409", "The device must not be told anything: its mode, or its class."),
                    refused("413", "The body is too large."),
                    refused("415", "The content-type is not application/json."),
                    refused("502", "The device does not answer or says no, in the protocol's words; or it is unknown whether it was done."),
                    refused("503", "The mapper is busy or shutting down; try again."),
                ]),
            },
        },
    })
}

fn events() -> Json {
    json!({
        "/v1/events": {"get": {
            "operationId": "listenToEvents",
            "summary": "Every change, as server-sent events",
            "description": EVENTS,
            "parameters": [{"$ref": "#/components/parameters/lastEventId"}],
            "responses": answers([
                ok("text/event-stream", &json!({"type": "string"}), "Events until the listener leaves, for an hour at most."),
                refused("503", "Too many listeners; try again later."),
            ]),
        }},
    })
}

/// What is not about devices.
fn about() -> Json {
    json!({
        "/healthz": {"get": {
            "operationId": "health",
            "summary": "The process lives",
            "responses": answers([ok(TEXT, &json!({"type": "string"}), "It does.")]),
        }},
        "/readyz": {"get": {
            "operationId": "readiness",
            "summary": "There is a configuration",
            "responses": answers([ok(TEXT, &json!({"type": "string"}), "There is."), refused("503", "Not yet.")]),
        }},
        "/metrics": {"get": {
            "operationId": "metrics",
            "summary": "Metrics in the text format of Prometheus",
            "responses": answers([
                ok(metrics::CONTENT_TYPE, &json!({"type": "string"}), "The metrics."),
                refused("500", "They cannot be written."),
            ]),
        }},
        "/openapi.json": {"get": {
            "operationId": "openapi",
            "summary": "This document",
            "responses": answers([ok(JSON, &json!({"type": "object"}), "The document.")]),
        }},
    })
}

const EVENTS: &str = "First an event `device` for each device, then one for each change; its data is the Device. `event`: \
    something happened at a property of kind Event: each one, also those equal to the one before, and none a second time; its data holds the \
    metadata, `property`, `value` and `time`. `gone`: the \
    device is no longer driven here; its data holds the metadata. `lagged`: the listener was too slow or away for too long; `device` follows for \
    each device whose changes it was not told, and so does each `event` that is kept; how many of those are lost is `lost` in its data. The last \
    4096 are kept, 4 MiB at most, until the mapper ends. With Last-Event-ID what changed and what happened since then is told first; without, \
    nothing that happened before. Of a device that went in between nothing is told.";

type Answer = (&'static str, Json);

fn answers<const N: usize>(answers: [Answer; N]) -> Json {
    Json::Object(answers.into_iter().map(|(code, answer)| (code.to_owned(), answer)).collect::<Map<_, _>>())
}
fn answer(content_type: &str, schema: &Json, text: &str) -> Json {
    json!({"description": text, "content": {content_type: {"schema": schema}}})
}
fn ok(content_type: &str, schema: &Json, text: &str) -> Answer {
    ("200", answer(content_type, schema, text))
}
fn refused(code: &'static str, text: &str) -> Answer {
    (code, answer(problem::CONTENT_TYPE, &reference("Problem"), text))
}
fn bad_path() -> Answer {
    refused("400", "Namespace or name is not text in UTF-8.")
}
fn no_device() -> Answer {
    refused("404", "No such device on this mapper.")
}
fn reference(schema: &str) -> Json {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}
fn at() -> Json {
    json!([{"$ref": "#/components/parameters/namespace"}, {"$ref": "#/components/parameters/name"}])
}

fn command_at() -> Json {
    json!([
        {"$ref": "#/components/parameters/namespace"},
        {"$ref": "#/components/parameters/name"},
        {"$ref": "#/components/parameters/command"},
    ])
}

fn parameters() -> Json {
    let path = |name: &str, example: &str, text: &str| json!({"name": name, "in": "path", "required": true, "description": text, "schema": {"type": "string", "minLength": 1}, "example": example});
    json!({
        "namespace": path("namespace", "default", "Namespace of the Device; `default` for files that name none."),
        "name": path("name", "boiler-1", "Name of the Device."),
        "command": path("command", "reset", "Name of a command of the device's model."),
        "lastEventId": {
            "name": "Last-Event-ID",
            "in": "header",
            "required": false,
            "description": "id of the last event that was seen.",
            "schema": {"type": "string"},
        },
    })
}

fn schemas() -> Json {
    let text = json!({"type": "string"});
    let version = json!({"const": "pollux.rs/v1alpha1"});
    let metadata = object(&[
        ("namespace", text.clone()),
        ("name", text.clone()),
        ("uid", text.clone()),
        ("generation", json!({"type": "integer"})),
    ]);
    json!({
        "Device": object(&[
            ("apiVersion", version.clone()),
            ("kind", json!({"const": "Device"})),
            ("metadata", metadata),
            ("spec", schema::<DeviceSpec>()),
            ("status", schema::<DeviceStatus>()),
        ]),
        "DeviceList": object(&[
            ("apiVersion", version),
            ("kind", json!({"const": "DeviceList"})),
            ("items", json!({"type": "array", "items": reference("Device")})),
        ]),
        "Problem": object(&[
            ("type", text.clone()),
            ("title", text.clone()),
            ("status", json!({"type": "integer", "minimum": 400, "maximum": 599})),
            ("detail", text),
        ]),
    })
}

/// All of these and nothing else.
fn object(properties: &[(&str, Json)]) -> Json {
    let names: Vec<_> = properties.iter().map(|(name, _)| *name).collect();
    let properties: Map<_, _> = properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({"type": "object", "required": names, "properties": properties, "additionalProperties": false})
}

fn schema<T: JsonSchema>() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    for key in ["$schema", "title"] {
        schema.remove(key);
    }
    schema.to_value()
}
