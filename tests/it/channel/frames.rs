//! The frames themselves: the golden files, which other people's plugins can be checked against, and whatever else may come.

use std::path::Path;

use proptest::prelude::*;
use serde_json::value::RawValue;
use turnmux::wire::channel::{
    Ack, Behavior, FromPlugin, Hello, HelloAck, Hook, HookResult, Inbound, Permission, PermissionRequest, Reply,
    ToPlugin,
};

/// Every frame of a direction, by its type.
const FROM_PLUGIN: [&str; 7] = ["ack", "hello", "hook", "permission_request", "ping", "pong", "reply"];
const TO_PLUGIN: [&str; 7] = ["ack", "hello_ack", "hook_result", "inbound", "permission", "ping", "pong"];

/// The frames in the files of a direction. A file's name is its frame's type, and a word more where there are several.
fn golden(direction: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/channel").join(direction);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = files
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), text.trim_end().to_owned())
        })
        .collect();
    found.sort();
    found
}

/// The types that the files show, without repetitions.
fn types(files: &[(String, String)]) -> Vec<&str> {
    let mut types: Vec<_> = files.iter().map(|(name, _)| name.split('.').next().unwrap()).collect();
    types.dedup();
    types
}

#[test]
fn golden_frames_from_the_plugin() {
    let files = golden("from_plugin");
    assert_eq!(types(&files), FROM_PLUGIN);
    for (name, text) in &files {
        let frame = FromPlugin::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(serde_json::to_string(&frame).unwrap(), *text, "{name}");
    }
}

#[test]
fn golden_frames_to_the_plugin() {
    let files = golden("to_plugin");
    assert_eq!(types(&files), TO_PLUGIN);
    for (name, text) in &files {
        let frame = ToPlugin::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(serde_json::to_string(&frame).unwrap(), *text, "{name}");
    }
}

#[test]
fn what_may_be_left_out() {
    let again = |text: &str| serde_json::to_string(&FromPlugin::parse(text).unwrap()).unwrap();
    let hello = r#"{"type":"hello","pid":0,"session":"a::b","token":"","protocol":1,"received":0}"#;
    assert_eq!(again(r#"{"openclaw_session":"a::b","type":"hello"}"#), hello);
    assert_eq!(again(r#" {"type":"reply"}"#), r#"{"type":"reply","content":"","final":true}"#);
    let unknown = FromPlugin::parse(r#"{"type":"mood","seq":7}"#).unwrap();
    assert!(matches!(unknown, FromPlugin::Unknown(unknown) if unknown.kind == "mood" && unknown.seq == Some(7)));
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::hash_map(name(), inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// Names that mean something are likelier than others.
fn name() -> impl Strategy<Value = String> {
    let known =
        ["type", "seq", "content", "final", "id", "event", "token", "pid", "received", "request_id", "tool_name"];
    prop_oneof![3 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => ".{0,8}"]
}

/// An object with one of the types.
fn nearly_a_frame() -> impl Strategy<Value = String> {
    let kinds = [&FROM_PLUGIN[..], &TO_PLUGIN[..], &["mood"][..]].concat();
    let members = prop::collection::hash_map(name(), json(), 0..6);
    (prop::sample::select(kinds), members).prop_map(|(kind, members)| {
        let mut object: serde_json::Map<_, _> = members.into_iter().collect();
        object.insert("type".into(), kind.into());
        serde_json::Value::Object(object).to_string()
    })
}

/// What is read is what was said: reading it once more changes nothing.
fn settles(parse: impl Fn(&str) -> serde_json::Result<String>, frame: &impl serde::Serialize) {
    let text = serde_json::to_string(frame).unwrap();
    assert_eq!(parse(&text).unwrap(), text);
}

fn check(text: &str) {
    let from = |text: &str| FromPlugin::parse(text).and_then(|frame| serde_json::to_string(&frame));
    let to = |text: &str| ToPlugin::parse(text).and_then(|frame| serde_json::to_string(&frame));
    if let Ok(frame) = FromPlugin::parse(text)
        && !matches!(frame, FromPlugin::Unknown(_))
    {
        settles(from, &frame);
    }
    if let Ok(frame) = ToPlugin::parse(text)
        && !matches!(frame, ToPlugin::Unknown(_))
    {
        settles(to, &frame);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_without_a_panic(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn so_is_any_json(value in json()) {
        check(&value.to_string());
    }

    #[test]
    fn so_is_what_is_nearly_a_frame(text in nearly_a_frame(), cut in any::<prop::sample::Index>()) {
        check(&text);
        let cut = (0..=cut.index(text.len() + 1)).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        check(&text[..cut]);
    }

    #[test]
    fn frames_from_the_plugin_come_back(
        texts in prop::array::uniform4(any::<String>()), seq in any::<Option<u64>>(), number in any::<u64>(), yes in any::<bool>(),
        event in json(),
    ) {
        let [a, b, c, d] = &texts;
        let event = RawValue::from_string(event.to_string()).unwrap();
        for frame in [
            FromPlugin::Hello(Hello {
                pid: 1, session: a.into(), token: b.into(), protocol: 2, received: number,
            }),
            FromPlugin::Reply(Reply { seq, content: a.into(), is_final: yes }),
            FromPlugin::Hook(Hook { id: number, event: &event }),
            FromPlugin::PermissionRequest(PermissionRequest {
                seq, request_id: a.into(), tool_name: b.into(), description: c.into(), input_preview: d.into(),
            }),
            FromPlugin::Ack(Ack { seq: number }),
        ] {
            let text = serde_json::to_string(&frame).unwrap();
            let read = FromPlugin::parse(&text).unwrap();
            prop_assert_eq!(std::mem::discriminant(&read), std::mem::discriminant(&frame));
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }

    #[test]
    fn frames_to_the_plugin_come_back(
        content in any::<String>(), seq in any::<Option<u64>>(), number in any::<u64>(), output in json(),
        meta in prop::collection::btree_map("[A-Za-z_][A-Za-z0-9_]{0,8}", any::<String>(), 0..5),
    ) {
        let output = RawValue::from_string(output.to_string()).unwrap();
        let borrowed = meta.iter().map(|(name, value)| (name.into(), value.into())).collect();
        for frame in [
            ToPlugin::HelloAck(HelloAck { protocol: 2, received: number }),
            ToPlugin::Inbound(Inbound { seq, content: (&content).into(), meta: borrowed }),
            ToPlugin::Permission(Permission { seq, request_id: (&content).into(), behavior: Behavior::Allow }),
            ToPlugin::HookResult(HookResult { id: number, output: &output }),
        ] {
            let text = serde_json::to_string(&frame).unwrap();
            let read = ToPlugin::parse(&text).unwrap();
            prop_assert_eq!(std::mem::discriminant(&read), std::mem::discriminant(&frame));
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }
}
