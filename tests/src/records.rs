//! Payloads for Kafka and files: good events with names of their own, and one of each kind of bad record.

use serde_json::json;

/// A good event: `number` makes it different from all others. Its time goes forward with the number.
pub fn event(org: &str, number: u64) -> String {
    let (seconds, millis) = (1_780_305_243 + number / 1_000, number % 1_000);
    json!({
        "event_id": format!("{org}-{number}"), "time": seconds * 1_000 + millis, "kind": "tool_call",
        "source": "broker-eu", "org_id": org, "user_id": format!("usr_{}", number % 40), "agent_id": "summarizer",
        "connection_id": format!("conn_{}", number % 40), "credential_org_id": org, "provider": "slack",
        "dest_host": "slack.com", "method": "POST", "path": "/api/chat.postMessage", "outcome": "success",
        "status": 200, "duration_ms": 184, "scopes_granted": ["chat:write", "channels:read"],
    })
    .to_string()
}

/// One record for each reason to reject it, with the reason.
pub fn poison() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let huge = format!(r#"{{"time":1780305243,"kind":"auth","path":"{}"}}"#, "x".repeat(2 << 20));
    let deep = format!(r#"{{"time":1780305243,"kind":"auth","a":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
    vec![
        ("empty", text("  ")),
        ("empty", text("[]")),
        ("bad_encoding", vec![b'{', b'"', 0xff, 0xfe, b'"', b'}']),
        ("not_json", text("GET / HTTP/1.1")),
        ("not_json", text("{\"time\":\u{0}1}")),
        ("not_object", text("42")),
        ("duplicate_key", text(r#"{"time":1780305243,"time":1780305244,"kind":"auth"}"#)),
        ("too_large", huge.into_bytes()),
        ("too_deep", deep.into_bytes()),
        ("no_time", text(r#"{"kind":"auth"}"#)),
        ("bad_time", text(r#"{"time":"yesterday","kind":"auth"}"#)),
        ("bad_time", text(r#"{"time":"1999-01-01T00:00:00Z","kind":"auth"}"#)),
        ("future_time", text(r#"{"time":"2199-01-01T00:00:00Z","kind":"auth"}"#)),
        ("no_kind", text(r#"{"time":1780305243}"#)),
        ("wrong_type", text(r#"{"time":1780305243,"kind":"auth","status":"two hundred"}"#)),
        ("unknown_shape", text(r#"{"hello":"world"}"#)),
    ]
}
