//! People who bring a token of the trusted issuer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::routing::get;
use axum::{Json, Router};
use credwatch_schemas::access::Role;
use credwatch_schemas::time::SECOND;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::closed;
use crate::access::{Issuer, Trust};
use crate::book::FRESH;
use crate::world::{Answer, NOW, World, request};

pub(crate) const ONE: &str = include_str!("../keys_for_tests/one.pem");
pub(crate) const TWO: &str = include_str!("../keys_for_tests/two.pem");
const X_OF_ONE: &str = "-1oWU2LEpLE3avSV_lzHqHhTMEeMT9fryqssqGhBdAk";
const X_OF_TWO: &str = "u_hlI_zJH2h5qTmJQHJ3_828hlQ1cZxqnqjEXK_QIkw";

/// An issuer on a port of its own, and the keys that it publishes.
#[derive(Clone)]
pub(crate) struct Login {
    address: SocketAddr,
    keys: Arc<Mutex<Value>>,
}

impl Login {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let login =
            Self { address: listener.local_addr().unwrap(), keys: Arc::new(Mutex::new(keys(&[("1", X_OF_ONE)]))) };
        let routes = Router::new()
            .route("/realm/.well-known/openid-configuration", get(describe))
            .route("/realm/keys", get(publish))
            .with_state(login.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        login
    }

    fn issuer(&self) -> String {
        format!("http://{}/realm", self.address)
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust { issuer: self.issuer(), audience: "credwatch".into(), ca: None }
    }

    pub(crate) fn claims(&self) -> Value {
        let now = NOW.0 / SECOND;
        json!({
            "iss": self.issuer(), "aud": "credwatch", "sub": "u-17", "exp": now + 300, "iat": now,
            "preferred_username": "ana\u{7}", "groups": ["staff", "secops"],
        })
    }
}

async fn describe(State(login): State<Login>) -> Json<Value> {
    Json(json!({"issuer": login.issuer(), "jwks_uri": format!("{}/keys", login.issuer())}))
}

async fn publish(State(login): State<Login>) -> Result<Json<Value>, StatusCode> {
    match login.keys.lock().unwrap().clone() {
        Value::Null => Err(StatusCode::BAD_GATEWAY),
        keys => Ok(Json(keys)),
    }
}

fn keys(of: &[(&str, &str)]) -> Value {
    let key = |(kid, x): &(&str, &str)| json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": x});
    json!({"keys": of.iter().map(key).collect::<Vec<_>>()})
}

pub(crate) fn signed(pem: &str, kid: Option<&str>, claims: &Value) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::EdDSA) };
    encode(&header, claims, &EncodingKey::from_ed_pem(pem.as_bytes()).unwrap()).unwrap()
}

async fn world(login: &Login) -> World {
    let mut world = closed().await;
    world.api = world.api.clone().trusting(Issuer::hurried(login.trust()));
    world
}

pub(crate) async fn grant(world: &World, claim: &str, value: &str, role: Role, orgs: &[&str]) -> String {
    let admin = world.key(Role::Admin, &[]).await;
    let asked = json!({"claim": claim, "value": value, "role": role, "orgs": orgs});
    let granted = world.send_as(&admin, "POST", "/v1/grants", &asked).await;
    assert_eq!(granted.status, StatusCode::CREATED, "{}", granted.body);
    granted.json()["grant_id"].as_str().unwrap().to_owned()
}

pub(super) async fn with(world: &World, token: &str, path: &str) -> Answer {
    let mut request = request("GET", path, None, None);
    request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    world.ask(request).await
}

#[tokio::test]
async fn a_person_has_the_role_and_the_rows_that_a_grant_gives_them_and_is_recorded() {
    let login = Login::start().await;
    let world = world(&login).await;
    grant(&world, "groups", "secops", Role::Analyst, &["org_a"]).await;
    let token = signed(ONE, Some("1"), &login.claims());
    let who = with(&world, &token, "/v1/whoami").await.json();
    assert_eq!(
        (&who["principal"], &who["name"], &who["role"]),
        (&json!("oidc:u-17"), &json!("ana"), &json!("analyst"))
    );
    assert_eq!(with(&world, &token, "/v1/findings?all=true").await.ids(), ["f_d", "f_a"]);
    with(&world, &token, "/v1/findings?org=org_b").await.is_problem(StatusCode::FORBIDDEN, "forbidden");
    let rows = world.audit().await;
    let denied = rows.last().unwrap();
    let said = (denied.principal.as_deref(), denied.principal_name.as_deref(), denied.status);
    assert_eq!(said, (Some("oidc:u-17"), Some("ana"), Some(403)));
    assert!(!rows.iter().any(|row| format!("{row:?}").contains(&token)));
}

#[tokio::test]
async fn a_token_that_does_not_count_opens_nothing_and_never_falls_back() {
    let login = Login::start().await;
    let world = world(&login).await;
    grant(&world, "groups", "secops", Role::Admin, &["org_a"]).await;
    let good = login.claims();
    let with_claim = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        signed(ONE, Some("1"), &claims)
    };
    let secret = EncodingKey::from_secret(include_bytes!("../keys_for_tests/one.public.pem")).unwrap();
    let confused = Header { kid: Some("1".into()), ..Header::new(Algorithm::HS256) };
    let whole = signed(ONE, Some("1"), &good);
    let unsigned = format!("eyJhbGciOiJub25lIiwia2lkIjoiMSJ9.{}.AA", whole.split('.').nth(1).unwrap());
    for (token, code) in [
        (signed(TWO, Some("1"), &good), "token_unknown"),
        (signed(ONE, Some("2"), &good), "token_unknown"),
        (signed(ONE, None, &good), "token_unreadable"),
        (encode(&confused, &good, &secret).unwrap(), "token_unreadable"),
        (unsigned, "token_unreadable"),
        (with_claim("exp", json!(NOW.0 / SECOND - 61)), "token_expired"),
        (with_claim("nbf", json!(NOW.0 / SECOND + 120)), "token_expired"),
        (with_claim("aud", json!("another-service")), "token_not_for_us"),
        (with_claim("iss", json!("https://other.example")), "token_not_for_us"),
        (with_claim("sub", Value::Null), "token_not_for_us"),
    ] {
        with(&world, &token, "/v1/findings").await.is_problem(StatusCode::UNAUTHORIZED, code);
    }
    let anew = with(&world, &with_claim("exp", json!(0)), "/v1/findings").await;
    assert!(anew.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    assert_eq!(with(&world, &whole, "/v1/findings").await.status, StatusCode::OK);
}

#[tokio::test]
async fn without_a_grant_a_good_token_opens_nothing_and_a_withdrawn_one_is_none() {
    let login = Login::start().await;
    let world = world(&login).await;
    let token = signed(ONE, Some("1"), &login.claims());
    with(&world, &token, "/v1/whoami").await.is_problem(StatusCode::FORBIDDEN, "nothing_granted");
    let id = grant(&world, "sub", "u-17", Role::Viewer, &["org_a"]).await;
    assert_eq!(with(&world, &token, "/v1/whoami").await.status, StatusCode::OK);
    let (all, of_b) = (world.key(Role::Admin, &[]).await, world.key(Role::Admin, &["org_b"]).await);
    let path = format!("/v1/grants/{id}");
    let foreign = world.ask(request("DELETE", &path, Some(&of_b), None)).await;
    foreign.is_problem(StatusCode::NOT_FOUND, "not_found");
    assert_eq!(world.get_as(&of_b, "/v1/grants").await.json(), json!({"grants": []}));
    assert_eq!(world.ask(request("DELETE", &path, Some(&all), None)).await.status, StatusCode::OK);
    tokio::time::sleep(FRESH).await;
    with(&world, &token, "/v1/whoami").await.is_problem(StatusCode::FORBIDDEN, "nothing_granted");
}

#[tokio::test]
async fn what_one_orgs_admin_grants_changes_nothing_elsewhere() {
    let login = Login::start().await;
    let world = world(&login).await;
    let of_a = world.key(Role::Admin, &["org_a"]).await;
    let everybody = json!({"claim": "iss", "value": login.issuer(), "role": "viewer", "orgs": ["org_a"]});
    assert_eq!(world.send_as(&of_a, "POST", "/v1/grants", &everybody).await.status, StatusCode::CREATED);
    grant(&world, "groups", "secops", Role::Auditor, &["org_b"]).await;
    let token = signed(ONE, Some("1"), &login.claims());
    let ask = async |org: &str| {
        let mut asked = request("POST", &format!("/v1/sql?org={org}"), None, Some(&json!({"sql": "SELECT 1"})));
        asked.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        world.ask(asked).await.status
    };
    assert_eq!((ask("org_a").await, ask("org_b").await), (StatusCode::FORBIDDEN, StatusCode::OK));
    with(&world, &token, "/v1/findings").await.is_problem(StatusCode::BAD_REQUEST, "org_needed");
    let holdings = with(&world, &token, "/v1/whoami").await.json()["holdings"].clone();
    assert_eq!(holdings, json!([{"role": "viewer", "orgs": ["org_a"]}, {"role": "auditor", "orgs": ["org_b"]}]));
}

#[tokio::test]
async fn nobody_grants_more_than_they_have() {
    let world = closed().await;
    let of_a = world.key(Role::Admin, &["org_a"]).await;
    for orgs in [json!(null), json!(["org_b"]), json!(["org_a", "org_b"])] {
        let asked = json!({"claim": "groups", "value": "x", "role": "viewer", "orgs": orgs});
        world.send_as(&of_a, "POST", "/v1/grants", &asked).await.is_problem(StatusCode::FORBIDDEN, "forbidden");
    }
    for (claim, value) in [("", "x"), ("groups", " "), ("groups", "a\nb")] {
        let asked = json!({"claim": claim, "value": value, "role": "viewer", "orgs": ["org_a"]});
        world.send_as(&of_a, "POST", "/v1/grants", &asked).await.is_problem(StatusCode::BAD_REQUEST, "bad_grant");
    }
}

#[tokio::test]
async fn a_rotated_key_is_taken_over_and_a_retired_one_no_longer_counts() {
    let login = Login::start().await;
    let world = world(&login).await;
    grant(&world, "groups", "staff", Role::Viewer, &["org_a"]).await;
    let (old, new) = (signed(ONE, Some("1"), &login.claims()), signed(TWO, Some("2"), &login.claims()));
    assert_eq!(with(&world, &old, "/v1/whoami").await.status, StatusCode::OK);
    with(&world, &new, "/v1/whoami").await.is_problem(StatusCode::UNAUTHORIZED, "token_unknown");
    *login.keys.lock().unwrap() = keys(&[("2", X_OF_TWO)]);
    assert_eq!(with(&world, &new, "/v1/whoami").await.status, StatusCode::OK);
    with(&world, &old, "/v1/whoami").await.is_problem(StatusCode::UNAUTHORIZED, "token_unknown");
}

#[tokio::test]
async fn an_issuer_that_is_away_stops_nobody_but_those_whose_keys_are_not_known() {
    let login = Login::start().await;
    let world = world(&login).await;
    grant(&world, "groups", "staff", Role::Viewer, &["org_a"]).await;
    *login.keys.lock().unwrap() = Value::Null;
    let token = signed(ONE, Some("1"), &login.claims());
    with(&world, &token, "/v1/whoami").await.is_problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    let key = world.key(Role::Viewer, &["org_a"]).await;
    assert_eq!(world.get_as(&key, "/v1/whoami").await.status, StatusCode::OK);
    *login.keys.lock().unwrap() = keys(&[("1", X_OF_ONE)]);
    assert_eq!(with(&world, &token, "/v1/whoami").await.status, StatusCode::OK);
    *login.keys.lock().unwrap() = Value::Null;
    assert_eq!(with(&world, &token, "/v1/whoami").await.status, StatusCode::OK, "what is known holds on");
}
