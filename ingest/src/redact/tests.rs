use super::*;
use crate::json::{Document, read};
use proptest::prelude::*;

fn redactor() -> Redactor {
    Redactor::new(RedactionKey::from_bytes([7; 32]))
}

/// One secret of each shape, and the kind of its mark.
const SECRETS: &[(&str, &str)] = &[
    ("pem", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"),
    ("github", "ghp_0123456789abcdefghijklmnopqrstuvwxyz"),
    ("github", "github_pat_0123456789abcdefghijkl_mnop"),
    ("slack", "xoxb-123456789012-abcdefghij"),
    ("slack", "https://hooks.slack.com/services/T00000000/B00000000/XXXXYYYYZZZZ"),
    ("anthropic", "sk-ant-api03-0123456789abcdef"),
    ("openai", "sk-proj-0123456789abcdefghij"),
    ("google", "AIza0123456789abcdefghijklmnopqrstuvwxy"),
    ("stripe", "sk_live_0123456789"),
    ("gitlab", "glpat-0123456789abcdef"),
    ("npm", "npm_0123456789abcdefghijklmnopqrst"),
    ("pypi", "pypi-0123456789abcdefghijklmnopqrstuv"),
    ("vault", "hvs.0123456789abcdefghij"),
    ("service_token", "hf_0123456789abcdefghijklmnopqrst"),
    ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"),
    ("url_userinfo", "postgres://admin:hunter2@db/x"),
    ("auth_header", "Authorization: Basic YWxhZGRpbjpvcGVuc2VzYW1l"),
    ("auth_header", "bearer 0123456789abcdef"),
    ("named", "client_secret=abcdef123456"),
];

#[test]
fn a_secret_of_each_shape_is_found_wherever_it_stands() {
    for (kind, secret) in SECRETS {
        for text in [(*secret).to_owned(), format!("before {secret}"), format!("é, {secret} after")] {
            let clean = redactor().clean(None, &text).into_owned();
            assert!(clean.contains(&format!("[redacted:{kind}:")), "{text} -> {clean}");
        }
    }
}

#[test]
fn what_is_clean_stays_and_costs_no_copy() {
    for text in [
        "",
        "GET /v1/users",
        "AKIAIOSFODNN7EXAMPLE",
        "password reset sent",
        "sk-learn-model-comparison-page",
        "Bearer authentication",
        "arn:aws:iam::123837392027:user/benjamin",
        "1b4e28ba-2fa1-11d2-883f-0016d3cca427",
        "https://user@example.com/path",
    ] {
        assert!(matches!(redactor().clean(None, text), Cow::Borrowed(_)), "{text}");
    }
}

/// The look for anchors is what decides whether a record is looked at more closely: it may not miss what a rule finds.
#[test]
fn a_text_of_json_with_a_secret_is_suspect() {
    for (_, secret) in SECRETS {
        let text = serde_json::json!({"path": format!("x {secret} y")}).to_string();
        assert!(redactor().suspects(text.as_bytes()), "{text}");
    }
    for key in
        ["password", "Passwd", "api_key", "X-Api-Key", "cookie", "Set-Cookie", "token", "secret", "authorization"]
    {
        let text = serde_json::json!({key: "9f86d081884c7d659a2f"}).to_string();
        assert!(redactor().suspects(text.as_bytes()), "{text}");
    }
    assert!(!redactor().suspects(br#"{"kind":"tool_call","path":"/v1/users","token_fp":"ab12"}"#));
}

#[test]
fn a_mark_is_not_redacted_again() {
    for (_, secret) in SECRETS {
        let once = redactor().clean(None, secret).into_owned();
        assert_eq!(redactor().clean(None, &once), once);
    }
}

#[test]
fn the_same_secret_has_the_same_mark_and_another_key_another_one() {
    let secret = SECRETS[1].1;
    let other = Redactor::new(RedactionKey::from_bytes([8; 32]));
    assert_eq!(redactor().clean(None, secret), redactor().clean(None, secret));
    assert_ne!(redactor().clean(None, secret), other.clean(None, secret));
    assert_eq!(redactor().mask_for_hash(None, secret), other.mask_for_hash(None, secret));
    assert_eq!(redactor().mask_for_hash(None, secret).as_deref(), Some("[redacted]"));
}

#[test]
fn a_value_under_a_telling_key_is_a_secret_whatever_it_looks_like() {
    let text = r#"{"password":"correct horse","pin":1,"apiKey":123456789,"list":{"cookie":["a-session-id"]}}"#;
    let Ok(Document::One(mut json)) = read(text, 64) else { panic!() };
    redactor().clean_json(None, &mut json);
    let clean = crate::canonical::text_of(&json);
    assert!(!clean.contains("horse") && !clean.contains("123456789") && !clean.contains("a-session-id"), "{clean}");
    assert!(clean.contains(r#""pin":1"#), "{clean}");
}

/// Texts in which much looks like a secret, and some of it is one.
fn nearly_secret() -> impl Strategy<Value = String> {
    let beginnings = SECRETS.iter().map(|(_, secret)| secret.to_string()).collect::<Vec<_>>();
    let beginning =
        (proptest::sample::select(beginnings), 0..64_usize, any::<bool>()).prop_map(|(secret, cut, upper)| {
            let cut: String = secret.chars().take(cut).collect();
            if upper { cut.to_ascii_uppercase() } else { cut }
        });
    let between = proptest::sample::select(vec![
        "", " ", "_", "-", "k", "task-", "é", "\n", "\u{2028}", "\"", "\\", "/", "://", "@", ":", "=", "'", "token",
        "cookie",
    ]);
    let rest = "[a-zA-Z0-9]{0,24}";
    let piece = prop_oneof![2 => beginning, 2 => between.prop_map(str::to_owned), 1 => rest];
    proptest::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
}

/// The text as a string of JSON, with some of its characters as escapes.
fn spelled(text: &str, escaped: &[bool]) -> String {
    let spell = |(character, is_escaped): (char, &bool)| match is_escaped {
        true => character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
        false if matches!(character, '"' | '\\') => format!("\\{character}"),
        false if character < ' ' => format!("\\u{:04x}", u32::from(character)),
        false => character.to_string(),
    };
    let inside: String = text.chars().zip(escaped.iter().cycle()).map(spell).collect();
    format!("{{\"path\":\"{inside}\"}}")
}

proptest! {
    #[test]
    fn the_look_for_anchors_decides_only_how_fast_secrets_are_found(text in nearly_secret()) {
        prop_assert_eq!(RULES.find(text.as_bytes()), RULES.find_by(u64::MAX, text.as_bytes()));
    }

    #[test]
    fn a_secret_is_suspected_however_its_string_is_spelled(
        text in nearly_secret(),
        escaped in proptest::collection::vec(proptest::bool::weighted(0.1), 7),
    ) {
        let with_slashes = spelled(&text, &escaped);
        for json in [with_slashes.replace('/', r"\/"), with_slashes] {
            let Ok(Document::One(read)) = read(&json, 64) else { panic!("{json}") };
            prop_assert_eq!(read.get("path").and_then(Json::text), Some(text.as_str()));
            if !RULES.find_by(u64::MAX, text.as_bytes()).is_empty() {
                prop_assert!(redactor().suspects(json.as_bytes()), "{json}");
            }
        }
    }
}
