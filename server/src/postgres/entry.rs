//! The way in: who the client is, proven, and whether it may ask anything at all. Whatever goes wrong here ends the
//! connection.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use credwatch_schemas::access::Right;
use futures::SinkExt;
use pgwire::api::auth::{
    ServerParameterProvider, finish_authentication, protocol_negotiation, save_startup_parameters_to_metadata,
};
use pgwire::api::{ClientInfo, METADATA_DATABASE, METADATA_USER, PgWireConnectionState};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::startup::Authentication;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};

use super::cancel::Whose;
use super::connection::Connection;
use super::refusal::{error, fatal};
use super::settings::Settings;
use super::talk::{self, Socket};
use super::{Office, WHATEVER_IS_REACHED};
use crate::access::{Arrived, Key, MECHANISM, Resident, Surface};
use crate::problem::Problem;

/// The user who has no key but a token.
const BRINGS_TOKEN: &str = "token";

/// Lets a client in, or does what else its first message asks for.
pub(super) async fn enter(
    socket: &mut Socket,
    office: &Office,
    address: SocketAddr,
) -> PgWireResult<Option<Connection>> {
    let startup = match next(socket).await? {
        PgWireFrontendMessage::CancelRequest(request) => {
            office.cancels.cancel(request.pid, &request.secret_key);
            return Ok(None);
        }
        PgWireFrontendMessage::Startup(startup) => startup,
        _ => return Err(not_expected()),
    };
    protocol_negotiation(socket, &startup).await?;
    save_startup_parameters_to_metadata(socket, &startup);
    socket.set_state(PgWireConnectionState::AuthenticationInProgress);
    let resident = recognised(socket, office, address).await?;
    let org = socket.metadata().get(METADATA_DATABASE).filter(|name| *name != WHATEVER_IS_REACHED).cloned();
    let (settings, owner) = admitted(socket, office, &resident, org.as_deref(), address).await?;
    let (shown, settings) = (Shown(settings.clone()), Arc::new(Mutex::new(settings)));
    let whose = Whose { owner, since: (office.api.access.clock)(), settings: Arc::clone(&settings) };
    let cancel = office.cancels.enter(socket.protocol_version(), whose);
    let cancel = cancel.map_err(|cause| fatal(&Problem::internal("drawing a secret", &cause)))?;
    socket.set_pid_and_secret_key(cancel.number, cancel.secret());
    let connection = Connection::new(office.clone(), resident, org, address, settings, cancel);
    let connection = connection.map_err(|problem| fatal(&problem))?;
    finish_authentication(socket, &shown).await?;
    Ok(Some(connection))
}

async fn recognised(socket: &mut Socket, office: &Office, address: SocketAddr) -> PgWireResult<Resident> {
    let (access, arrived) =
        (&office.api.access, Arrived::on(Surface::Postgres, &office.api.access, "connect", Some(address)));
    let user = socket.metadata().get(METADATA_USER).cloned().unwrap_or_default();
    // Who brings a key or a token is its holder, also where none is asked for.
    let local = Resident::local(office.door).filter(|_| !is_a_keys_id(&user) && user != BRINGS_TOKEN);
    let recognised = match local {
        _ if office.asks_for_tls && !socket.is_secure() => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "tls_needed",
            "this server is reached over TLS only: sslmode=verify-full",
        )),
        Some(resident) => Ok(resident),
        None if user == BRINGS_TOKEN => shown(socket).await?,
        None => proven(socket, office, &user).await?,
    };
    match recognised {
        Ok(resident) => Ok(resident),
        Err(problem) => Err(fatal(&access.turn_away(&arrived, None, problem).await)),
    }
}

/// The password is the token itself: nobody can prove to have one but by showing it.
async fn shown(socket: &mut Socket) -> PgWireResult<Result<Resident, Problem>> {
    tell(socket, Authentication::CleartextPassword).await?;
    let PgWireFrontendMessage::PasswordMessageFamily(message) = next(socket).await? else { return Err(not_expected()) };
    Ok(Resident::with_token(&message.into_password()?.password))
}

fn is_a_keys_id(user: &str) -> bool {
    user.starts_with("cwk_") || user.len() == 16 && user.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// SCRAM: the client says who it is, is asked for a proof, and is told ours.
async fn proven(socket: &mut Socket, office: &Office, user: &str) -> PgWireResult<Result<Resident, Problem>> {
    tell(socket, Authentication::SASL(vec![MECHANISM.to_owned()])).await?;
    let PgWireFrontendMessage::PasswordMessageFamily(message) = next(socket).await? else { return Err(not_expected()) };
    let first = message.into_sasl_initial_response()?;
    if first.auth_method != MECHANISM {
        return Err(error("FATAL", "28000", "SCRAM-SHA-256 is the only way to prove a key here"));
    }
    let id = Key::id_in(user.strip_prefix("cwk_").filter(|rest| !rest.contains('_')).unwrap_or(user));
    let claim = match office.api.access.claim(id, &first.data.unwrap_or_default()).await {
        Ok(claim) => claim,
        Err(problem) => return Ok(Err(problem)),
    };
    tell(socket, Authentication::SASLContinue(claim.question().to_owned().into())).await?;
    let PgWireFrontendMessage::PasswordMessageFamily(message) = next(socket).await? else { return Err(not_expected()) };
    match claim.prove(&message.into_sasl_response()?.data) {
        Ok((resident, ours)) => {
            tell(socket, Authentication::SASLFinal(ours.into())).await?;
            Ok(Ok(resident))
        }
        Err(problem) => Ok(Err(problem)),
    }
}

/// Whether it may ask for these rows at all; recorded, whatever comes of it. Gives what it has set, and its owner.
async fn admitted(
    socket: &Socket,
    office: &Office,
    resident: &Resident,
    org: Option<&str>,
    address: SocketAddr,
) -> PgWireResult<(Settings, String)> {
    let asked = socket.metadata();
    let arrived = Arrived::on(Surface::Postgres, &office.api.access, "connect", Some(address));
    let admitted = office.api.access.attend(resident, &arrived, |caller| async {
        let permit = caller.within(org)?.may(Right::RunSql)?;
        permit.says(asked.get("application_name").map_or("", String::as_str));
        Ok((settings(asked)?, permit.principal()))
    });
    admitted.await.map_err(|problem| fatal(&problem))
}

/// What the client has set in its first message: by name, or in `options` as for a command line.
fn settings(asked: &HashMap<String, String>) -> Result<Settings, Problem> {
    let mut settings = Settings::default();
    for (name, value) in asked.iter().collect::<BTreeMap<_, _>>() {
        // What is not known here is some other server's; what a driver sets by itself is not refused.
        if !matches!(name.as_str(), "user" | "database" | "options") {
            settings.set(name, Some(value)).ok();
        }
    }
    let options = asked.get("options").map_or("", String::as_str);
    let mut words = options.split_whitespace();
    while let Some(word) = words.next() {
        let assigned = if word == "-c" { words.next() } else { word.strip_prefix("--").or(word.strip_prefix("-c")) };
        let pair = assigned.and_then(|assigned| assigned.split_once('='));
        let (name, value) = pair.ok_or_else(|| Problem::bad_request("sql.parameter", "options are -c name=value"))?;
        settings.set(name, Some(value))?;
    }
    Ok(settings.starting())
}

async fn next(socket: &mut Socket) -> PgWireResult<PgWireFrontendMessage> {
    let gone = || PgWireError::IoError(std::io::ErrorKind::UnexpectedEof.into());
    talk::next(socket).await.unwrap_or_else(|| Err(gone()))
}

async fn tell(socket: &mut Socket, what: Authentication) -> PgWireResult<()> {
    Ok(socket.send(PgWireBackendMessage::Authentication(what)).await?)
}

fn not_expected() -> PgWireError {
    error("FATAL", "08P01", "the message is not the one that was expected")
}

/// What clients are told of this server when they are in.
struct Shown(Settings);

const TOLD: [&str; 12] = [
    "server_version",
    "application_name",
    "client_encoding",
    "DateStyle",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "server_encoding",
    "standard_conforming_strings",
    "TimeZone",
];

impl ServerParameterProvider for Shown {
    fn server_parameters<C: ClientInfo>(&self, _client: &C) -> Option<HashMap<String, String>> {
        let told = TOLD.iter().filter_map(|name| Some(((*name).to_owned(), self.0.show(name).ok()?)));
        Some(told.collect())
    }
}
