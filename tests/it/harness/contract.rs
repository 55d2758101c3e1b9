//! The API's own description, `/openapi.json`: whatever the daemon answers must be as it says. The description lets
//! clients expect more fields than it names; here it has to name them all.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use hyper::{HeaderMap, Method, StatusCode};
use jsonschema::Validator;
use serde_json::{Value, json};

static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::read);

struct Contract {
    document: Value,
    /// By the schema's name; made when it is needed first.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// What each event of a stream must be.
#[derive(Debug, Clone)]
pub(super) struct Events(Arc<Validator>);

/// Checks a whole answer's status, headers and body. A path that is not described must get an error.
pub(super) fn check(method: &Method, path: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) {
    let at = format!("{method} {path}: {status}");
    let Some(schema) = schema(method, path, status, headers, &at) else { return };
    let schema = CONTRACT.validator(&schema);
    if is_stream(headers) {
        let events = Events(schema);
        body.split_inclusive(|byte| *byte == b'\n').for_each(|line| events.check(line));
        return;
    }
    let json = |text: &[u8]| serde_json::from_slice(text).unwrap_or_else(|error| panic!("{at}: {error}"));
    match content_type(headers) {
        "application/jsonl" => body.split_inclusive(|byte| *byte == b'\n').for_each(|line| {
            matches(&schema, &json(line), &at);
        }),
        "text/markdown" => matches(&schema, &json!(String::from_utf8_lossy(body)), &at),
        _ => matches(&schema, &json(body), &at),
    }
}

/// Checks a streamed answer's status and headers, and gives what its events must be. None where it is no stream.
pub(super) fn events(method: &Method, path: &str, status: StatusCode, headers: &HeaderMap) -> Option<Events> {
    let at = format!("{method} {path}: {status}");
    let schema = schema(method, path, status, headers, &at)?;
    is_stream(headers).then(|| Events(CONTRACT.validator(&schema)))
}

impl Events {
    /// Checks the `data:` lines.
    pub(super) fn check(&self, lines: &[u8]) {
        for line in lines.split(|byte| *byte == b'\n') {
            let Some(data) = line.strip_prefix(b"data: ") else { continue };
            let value = serde_json::from_slice(data).unwrap_or_else(|_| json!(String::from_utf8_lossy(data)));
            matches(&self.0, &value, "an event");
        }
    }
}

/// The name of the schema of this answer. Panics when the status or the type is not described.
fn schema(method: &Method, path: &str, status: StatusCode, headers: &HeaderMap, at: &str) -> Option<String> {
    let Some(operations) = CONTRACT.operations(path) else {
        assert!(!status.is_success(), "{at}: the path is not described");
        return None;
    };
    let operation = match &operations[method.as_str().to_ascii_lowercase()] {
        // Another method gets what any path says then: 405, or that the door is closed.
        Value::Null => operations.as_object().and_then(|operations| operations.values().next()),
        operation => Some(operation),
    };
    let operation = operation.unwrap_or_else(|| panic!("{at}: there is no operation"));
    let response = CONTRACT.resolved(&operation["responses"][status.as_str()]);
    assert!(response.is_object(), "{at}: the status is not described");
    for (name, value) in headers {
        let must = header(response, name.as_str());
        if name.as_str().starts_with("x-turnmux-")
            || matches!(name.as_str(), "x-should-retry" | "retry-after" | "allow")
        {
            assert!(must.is_some(), "{at}: the header {name}: {value:?} is not described");
        }
    }
    let kind = content_type(headers);
    let schema = &response["content"][kind]["schema"];
    // The body of a stream is text; what stands in it is described beside.
    let is_text = matches!(kind, "text/event-stream" | "application/jsonl");
    let schema = if is_text { &CONTRACT.resolved(schema)["contentSchema"] } else { schema };
    let name = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/components/schemas/"));
    Some(name.unwrap_or_else(|| panic!("{at}: the type {kind:?} is not described")).to_owned())
}

/// What an answer's description says of a header.
fn header<'a>(response: &'a Value, name: &str) -> Option<&'a Value> {
    let mut headers = response["headers"].as_object()?.iter();
    headers.find(|(described, _)| described.eq_ignore_ascii_case(name)).map(|(_, header)| header)
}

fn is_stream(headers: &HeaderMap) -> bool {
    content_type(headers) == "text/event-stream"
}

/// Without its parameters.
fn content_type(headers: &HeaderMap) -> &str {
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default()
}

fn matches(schema: &Validator, value: &Value, at: &str) {
    let errors: Vec<String> =
        schema.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{at} is not as /openapi.json says: {errors:#?}\n{value}");
}

impl Contract {
    fn read() -> Self {
        let document = include_str!("../../../src/api/openapi.json");
        let mut document = serde_json::from_str(document).expect("src/api/openapi.json is JSON");
        close(&mut document);
        Self { document, validators: Mutex::default() }
    }

    /// What can be done at this path, by method in lower case.
    fn operations(&self, path: &str) -> Option<&Value> {
        let path = path.split('?').next().unwrap_or_default().trim_matches('/');
        let paths = self.document["paths"].as_object().expect("paths");
        // A path without parameters goes before one that has some.
        let exact = paths.get(&format!("/{path}"));
        exact.or_else(|| paths.iter().find(|(template, _)| fits(template.trim_matches('/'), path)).map(|(_, it)| it))
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let pointer = value["$ref"].as_str().and_then(|it| it.strip_prefix('#'));
        pointer.and_then(|pointer| self.document.pointer(pointer)).unwrap_or(value)
    }

    fn validator(&self, name: &str) -> Arc<Validator> {
        let mut validators = self.validators.lock().expect("a validator can be made");
        let validator = validators.entry(name.to_owned()).or_insert_with(|| {
            let schema = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$ref": format!("#/components/schemas/{name}"),
                "components": {"schemas": self.document["components"]["schemas"]},
            });
            Arc::new(jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{name}: {error}")))
        });
        validator.clone()
    }
}

/// Whether the path is the template's. A model's name may have slashes.
fn fits(template: &str, path: &str) -> bool {
    if let Some(rest) = path.strip_prefix("v1/models/") {
        return template == "v1/models/{model}" && !rest.is_empty();
    }
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            (Some(part), Some(text)) if part.starts_with('{') || part == text => {}
            _ => return false,
        }
    }
}

/// Forbids all fields that are not named.
fn close(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(close);
            // Beside `properties` of a schema, that is, not a field of this name.
            if fields.get("type").is_some_and(|kind| kind == "object") && fields.contains_key("properties") {
                fields.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Value::Array(values) => values.iter_mut().for_each(close),
        _ => {}
    }
}
