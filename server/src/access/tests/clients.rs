//! Machines that ask for access tokens.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use base64::Engine;
use credwatch_schemas::access::Role;
use credwatch_schemas::ids::KeyId;
use credwatch_schemas::time::{HOUR, SECOND};
use serde_json::{Value, json};

use super::closed;
use super::people::{ONE, TWO, signed, with};
use crate::access::{Key, Keys, Minting};
use crate::book::FRESH;
use crate::world::{Answer, NOW, World};

const PUBLIC: &str = include_str!("../keys_for_tests/one.public.pem");
const BASE: &str = "https://credwatch.example";
const ASSERTION: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

async fn world() -> World {
    let mut world = closed().await;
    world.api = world.api.clone().minting(Minting::new(&[7; 32]).unwrap()).reached_at(BASE).unwrap();
    world
}

async fn ask(world: &World, basic: Option<(&str, &str)>, form: &str) -> Answer {
    let request = Request::post("/oauth/token").header(header::HOST, "credwatch.example");
    let mut request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some((id, secret)) = basic {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
        request = request.header(header::AUTHORIZATION, format!("Basic {pair}"));
    }
    world.ask(request.body(Body::from(form.to_owned())).unwrap()).await
}

fn is_refused(answer: &Answer, status: StatusCode, error: &str) {
    assert_eq!((answer.status, answer.json()["error"].clone()), (status, json!(error)), "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

fn assertion(pem: &str, id: &KeyId, change: impl Fn(&mut Value)) -> String {
    let now = NOW.0 / SECOND;
    let mut claims = json!({
        "iss": id, "sub": id, "aud": format!("{BASE}/oauth/token"), "exp": now + 300, "jti": uuid::Uuid::new_v4(),
    });
    change(&mut claims);
    let token = signed(pem, None, &claims);
    format!("grant_type=client_credentials&client_assertion_type={ASSERTION}&client_assertion={token}")
}

#[tokio::test]
async fn a_token_opens_what_its_key_opens_and_goes_with_it() {
    let world = world().await;
    let key = world.key(Role::Viewer, &["org_a"]).await;
    let (id, secret) = (key.id(), key.clone().reveal());
    let by_form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    for given in [
        ask(&world, Some((id.as_str(), &secret)), "grant_type=client_credentials&scope=events%3Aread").await,
        ask(&world, None, &by_form).await,
    ] {
        assert_eq!(given.status, StatusCode::OK, "{}", given.body);
        let given = given.json();
        assert_eq!((&given["token_type"], &given["expires_in"]), (&json!("Bearer"), &json!(HOUR / SECOND)));
        let token = given["access_token"].as_str().unwrap();
        assert_eq!(with(&world, token, "/v1/whoami").await.json()["principal"], format!("key:{id}"));
        assert_eq!(with(&world, token, "/v1/findings?all=true").await.ids(), ["f_d", "f_a"]);
    }
    let token = ask(&world, None, &by_form).await.json()["access_token"].as_str().unwrap().to_owned();
    Keys::new(world.lake.clone()).revoke(&id, "operator", NOW).await.map(drop).unwrap();
    tokio::time::sleep(FRESH).await;
    with(&world, &token, "/v1/whoami").await.is_problem(StatusCode::UNAUTHORIZED, "key_revoked");
    is_refused(&ask(&world, None, &by_form).await, StatusCode::UNAUTHORIZED, "invalid_client");
}

#[tokio::test]
async fn a_key_without_a_secret_is_proven_by_a_signature_once() {
    let world = world().await;
    let admin = world.key(Role::Admin, &[]).await;
    let asked = json!({"name": "siem", "role": "exporter", "orgs": ["org_a"], "public_key": PUBLIC});
    let made = world.send_as(&admin, "POST", "/v1/keys", &asked).await;
    assert_eq!((made.status, made.json()["key"].clone()), (StatusCode::CREATED, Value::Null), "{}", made.body);
    let id = KeyId::new(made.json()["key_id"].as_str().unwrap());
    let good = assertion(ONE, &id, |_| {});
    let given = ask(&world, None, &good).await;
    assert_eq!(given.status, StatusCode::OK, "{}", given.body);
    let token = given.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(with(&world, &token, "/v1/whoami").await.json()["principal"], format!("key:{id}"));
    is_refused(&ask(&world, None, &good).await, StatusCode::UNAUTHORIZED, "invalid_client");
    let now = NOW.0 / SECOND;
    for wrong in [
        assertion(TWO, &id, |_| {}),
        assertion(ONE, &KeyId::new("0123456789abcdef"), |_| {}),
        assertion(ONE, &id, |claims| claims["sub"] = json!("other")),
        assertion(ONE, &id, |claims| claims["aud"] = json!("https://other.example/oauth/token")),
        assertion(ONE, &id, |claims| claims["exp"] = json!(now - 120)),
        assertion(ONE, &id, |claims| claims["exp"] = json!(now + 2 * 3_600)),
        assertion(ONE, &id, |claims| claims["exp"] = Value::Null),
        format!("{}&client_id=0123456789abcdef", assertion(ONE, &id, |_| {})),
    ] {
        is_refused(&ask(&world, None, &wrong).await, StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let listed = world.get_as(&admin, "/v1/keys").await.json();
    assert!(listed["keys"].as_array().unwrap().iter().any(|key| key["is_signed"] == true && key["name"] == "siem"));
}

#[tokio::test]
async fn who_is_refused_is_told_in_the_words_of_the_protocol_and_recorded() {
    let world = world().await;
    let stranger = Key::draw().unwrap();
    let secret = stranger.clone().reveal();
    let unknown = ask(&world, Some((stranger.id().as_str(), &secret)), "grant_type=client_credentials").await;
    is_refused(&unknown, StatusCode::UNAUTHORIZED, "invalid_client");
    assert_eq!(unknown.header("www-authenticate"), Some("Basic realm=\"credwatch\""));
    is_refused(&ask(&world, None, "grant_type=password").await, StatusCode::BAD_REQUEST, "unsupported_grant_type");
    is_refused(&ask(&world, None, "").await, StatusCode::BAD_REQUEST, "invalid_request");
    let key = world.key(Role::Viewer, &["org_a"]).await;
    let other = format!("grant_type=client_credentials&client_id=x&client_secret={}", key.clone().reveal());
    is_refused(&ask(&world, None, &other).await, StatusCode::UNAUTHORIZED, "invalid_client");
    let rows = world.audit().await;
    let ours: Vec<_> = rows.iter().filter(|row| row.action == "POST /oauth/token").collect();
    assert_eq!(ours.iter().map(|row| row.status.unwrap()).collect::<Vec<_>>(), [401, 400, 400, 401]);
    assert!(!format!("{ours:?}").contains(&secret[21..]));
}

#[tokio::test]
async fn a_server_without_the_secret_gives_no_tokens_and_takes_none() {
    let world = closed().await;
    let key = world.key(Role::Viewer, &["org_a"]).await;
    let form = format!("grant_type=client_credentials&client_secret={}", key.reveal());
    is_refused(&ask(&world, None, &form).await, StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
    with(&world, "aa.bb.cc", "/v1/whoami").await.is_problem(StatusCode::UNAUTHORIZED, "token_unknown");
}

#[tokio::test]
async fn clients_find_the_endpoint_by_its_metadata() {
    let world = world().await;
    let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["token_endpoint"], format!("{BASE}/oauth/token"));
    assert_eq!(metadata["issuer"], BASE);
}
