//! The adapter of AWS CloudTrail records: what an identity of an AWS account asked of an AWS service.
//!
//! | field | from |
//! | --- | --- |
//! | event_id, time, org_id | eventID, eventTime, recipientAccountId |
//! | kind | `auth` for console sign-ins and for calls that issue a session; `credential_created`, `credential_deleted` and `secret_rotated` for the calls that do that; `tool_call` for every other call; `other.cloudtrail.<eventName>` for what AWS reports by itself |
//! | operation | service and eventName, as IAM names actions: `s3:GetBucketAcl` |
//! | user_id | the source identity, else the role that was assumed, else the identity's own ARN |
//! | agent_id | the role session name, else who invoked on the identity's behalf, else the user's own name. Never the user agent: that is the caller's own word and stands in `user_agent` |
//! | connection_id | the principal, and the role where there is one |
//! | credential_id | the access key's id, which is no secret; of a temporary key it is the `token_fp` too, because the id names one session |
//! | dest_host | the host that the client asked for; where TLS details are absent the service's name. None of what AWS reports by itself |
//! | outcome | `success` of a call without error; `denied` where the error says so; else `failure` |
//! | src_ip | sourceIPAddress, where it is an address and not a service's name |
//!
//! Everything else, and everything that was only read in part, is kept in the attributes under its own name.

use std::borrow::Cow;
use std::net::IpAddr;

use credwatch_schemas::reject::Reason;

use crate::draft::Draft;
use crate::field::{EVENT_ID, ORG_ID, TIME};
use crate::json::{Json, Member};
use crate::rejection::Rejection;
use crate::typed::{Value, time};

/// The source of records whose binding names none.
const SOURCE_NAME: &str = "cloudtrail";
/// The three keys by which a record is recognised.
const MARKS: [&str; 3] = ["eventSource", "eventName", "userIdentity"];

pub(crate) fn recognises(object: &Json<'_>) -> bool {
    MARKS.iter().all(|key| object.get(key).is_some())
}

/// Reads an object into `draft`. After an error the draft holds what is known of it all the same.
pub(crate) fn read<'a>(json: Json<'a>, draft: &mut Draft<'a>) -> Result<(), Rejection> {
    draft.suppose_source(SOURCE_NAME);
    if !recognises(&json) {
        return Err(Rejection::new(Reason::UnknownShape, "it is not a CloudTrail record"));
    }
    let Json::Object(members) = json else {
        return Err(Rejection::new(Reason::UnknownShape, "it is not a CloudTrail record"));
    };
    let mut call = Call::default();
    // What names the event comes first, so that a fault elsewhere does not hide it.
    let (names, others): (Vec<_>, Vec<_>) = members.into_iter().partition(|(key, _)| NAMES.contains(&key.as_ref()));
    for member in names.into_iter().chain(others).filter(|(_, json)| *json != Json::Null) {
        call.take(member, draft)?;
    }
    call.finish(draft);
    Ok(())
}

const NAMES: [&str; 3] = ["eventID", "recipientAccountId", "eventTime"];

/// What only makes sense together.
#[derive(Debug, Default)]
struct Call<'a> {
    event_type: Option<Cow<'a, str>>,
    service: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    host: Option<Cow<'a, str>>,
    error_code: Option<Cow<'a, str>>,
    error_message: Option<Cow<'a, str>>,
    /// What the console said of a sign-in.
    sign_in: Option<String>,
}

impl<'a> Call<'a> {
    fn take(&mut self, member: Member<'a>, draft: &mut Draft<'a>) -> Result<(), Rejection> {
        let (key, json) = member;
        match key.as_ref() {
            "eventID" => draft.set(EVENT_ID, Value::Text(text(&key, json)?)),
            "recipientAccountId" => draft.set(ORG_ID, Value::Text(text(&key, json)?)),
            "eventTime" => {
                let unreadable = || Rejection::new(Reason::BadTime, "its time is not one that can be read");
                draft.set(TIME, Value::Time(time(&json).ok_or_else(unreadable)?));
            }
            "eventType" => self.event_type = Some(kept_text(key, json, draft)?),
            "eventSource" => self.service = Some(kept_text(key, json, draft)?),
            "eventName" => self.name = Some(kept_text(key, json, draft)?),
            "errorCode" => self.error_code = Some(text(&key, json)?),
            "errorMessage" => self.error_message = Some(text(&key, json)?),
            "userAgent" => draft.set_text("user_agent", Some(text(&key, json)?)),
            "sourceIPAddress" => read_address(key, json, draft)?,
            "userIdentity" => Identity::read(&key, json)?.fill(draft),
            "tlsDetails" => {
                self.host =
                    json.get("clientProvidedHostHeader").and_then(Json::text).map(|host| host.to_owned().into());
                draft.keep(key, json);
            }
            "additionalEventData" => {
                read_traffic(&json, draft);
                draft.keep(key, json);
            }
            "resources" => {
                read_resource(&json, draft);
                draft.keep(key, json);
            }
            "responseElements" => {
                self.sign_in = json.get("ConsoleLogin").and_then(Json::text).map(str::to_owned);
                draft.keep(key, json);
            }
            _ => draft.keep(key, json),
        }
        Ok(())
    }

    fn finish(self, draft: &mut Draft<'a>) {
        let kind = self.kind();
        draft.set_text("kind", kind);
        draft.set_text("outcome", self.outcome());
        draft.set_text("provider", Some("aws"));
        if let (Some(service), Some(name)) = (&self.service, &self.name) {
            draft.set_text("operation", Some(format!("{}:{name}", short(service))));
        }
        // What AWS reports by itself went nowhere.
        let service = self.service.filter(|_| self.event_type.as_deref() != Some("AwsServiceEvent"));
        let (host, port) = host_and_port(self.host.or(service));
        draft.set_text("dest_host", host);
        draft.set_named("dest_port", port.map(Value::Int32));
        draft.set_text("error_code", self.error_code);
        draft.set_text("error_message", self.error_message);
    }

    fn kind(&self) -> Option<Cow<'static, str>> {
        let name = self.name.as_deref().filter(|name| !name.is_empty())?;
        Some(match (self.event_type.as_deref(), self.service.as_deref().map(short), name) {
            (Some("AwsServiceEvent"), ..) => Cow::Owned(format!("other.{SOURCE_NAME}.{name}")),
            (Some("AwsConsoleSignIn"), ..) => "auth".into(),
            (_, Some("sts"), "GetSessionToken" | "GetFederationToken") => "auth".into(),
            (_, Some("sts"), name) if name.starts_with("AssumeRole") => "auth".into(),
            (_, Some("iam"), "CreateAccessKey" | "CreateLoginProfile" | "CreateServiceSpecificCredential") => {
                "credential_created".into()
            }
            (_, Some("iam"), "DeleteAccessKey" | "DeleteLoginProfile" | "DeleteServiceSpecificCredential") => {
                "credential_deleted".into()
            }
            (_, Some("secretsmanager"), "RotateSecret") => "secret_rotated".into(),
            _ => "tool_call".into(),
        })
    }

    /// What AWS reports by itself has no outcome unless it names an error.
    fn outcome(&self) -> Option<&'static str> {
        let is_denied = |code: &str| {
            ["AccessDenied", "Unauthorized", "NotAuthorized", "InsufficientPrivileges"]
                .iter()
                .any(|word| code.contains(word))
        };
        match (&self.error_code, &self.error_message) {
            (Some(code), _) if is_denied(code) => Some("denied"),
            (Some(_), _) | (None, Some(_)) => Some("failure"),
            (None, None) if self.sign_in.as_deref() == Some("Failure") => Some("failure"),
            (None, None) if self.event_type.as_deref() == Some("AwsServiceEvent") => None,
            (None, None) => Some("success"),
        }
    }
}

/// Who called, as AWS knows it.
#[derive(Debug, Default)]
struct Identity<'a> {
    class: Option<Cow<'a, str>>,
    principal: Option<Cow<'a, str>>,
    arn: Option<Cow<'a, str>>,
    account: Option<Cow<'a, str>>,
    access_key: Option<Cow<'a, str>>,
    user_name: Option<Cow<'a, str>>,
    invoked_by: Option<Cow<'a, str>>,
    session: Option<Json<'a>>,
    rest: Vec<Member<'a>>,
}

impl<'a> Identity<'a> {
    fn read(key: &str, json: Json<'a>) -> Result<Self, Rejection> {
        let Json::Object(members) = json else { return Err(wrong(key, &json, "an object")) };
        let mut identity = Self::default();
        for (key, json) in members.into_iter().filter(|(_, json)| *json != Json::Null) {
            let cell = match key.as_ref() {
                "type" => &mut identity.class,
                "principalId" => &mut identity.principal,
                "arn" => &mut identity.arn,
                "accountId" => &mut identity.account,
                "accessKeyId" => &mut identity.access_key,
                "userName" => &mut identity.user_name,
                "invokedBy" => &mut identity.invoked_by,
                "sessionContext" => {
                    identity.session = Some(json);
                    continue;
                }
                _ => {
                    identity.rest.push((key, json));
                    continue;
                }
            };
            *cell = Some(text(&key, json)?).filter(|text| !text.is_empty());
        }
        Ok(identity)
    }

    fn fill(self, draft: &mut Draft<'a>) {
        let class = credential_class(self.class.as_deref());
        draft.set_text("credential_class", class);
        draft.set_text("owner_kind", class.map(|class| if class == "service" { "service" } else { "person" }));
        draft.set_text("owner_id", self.owner());
        draft.set_text("user_id", self.in_session(&["sourceIdentity"]).map(Cow::Owned).or_else(|| self.owner()));
        draft.set_text("agent_id", self.agent());
        draft.set_text("connection_id", self.connection());
        if self.session.is_some() {
            draft.set_text("token_fp", self.access_key.clone());
            let issued = self.in_session(&["attributes", "creationDate"]);
            draft.set_named("token_issued_at", issued.and_then(|text| time(&Json::Text(text.into()))).map(Value::Time));
        }
        self.keep(draft);
    }

    /// What stands whole in a column is not kept twice.
    fn keep(self, draft: &mut Draft<'a>) {
        draft.set_text("account_id", self.account);
        draft.set_text("credential_id", self.access_key);
        let texts = [
            ("userIdentity.type", self.class),
            ("userIdentity.principalId", self.principal),
            ("userIdentity.arn", self.arn),
            ("userIdentity.userName", self.user_name),
            ("userIdentity.invokedBy", self.invoked_by),
        ];
        for (key, text) in texts {
            draft.keep(key, text.map_or(Json::Null, Json::Text));
        }
        draft.keep("userIdentity.sessionContext", self.session.unwrap_or(Json::Null));
        for (key, json) in self.rest {
            draft.keep(format!("userIdentity.{key}"), json);
        }
    }

    fn in_session(&self, path: &[&str]) -> Option<String> {
        let mut json = self.session.as_ref()?;
        for key in path {
            json = json.get(key)?;
        }
        json.text().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn role(&self) -> Option<String> {
        self.in_session(&["sessionIssuer", "arn"])
    }

    fn owner(&self) -> Option<Cow<'a, str>> {
        self.role().map(Cow::Owned).or_else(|| self.arn.clone()).or_else(|| self.principal.clone())
    }

    fn agent(&self) -> Option<Cow<'a, str>> {
        let session = match self.class.as_deref() {
            Some("AssumedRole" | "FederatedUser") => {
                after(self.principal.as_deref(), ':').or_else(|| after(self.arn.as_deref(), '/'))
            }
            _ => None,
        };
        let root = || (self.class.as_deref() == Some("Root")).then_some(Cow::Borrowed("root"));
        let own_name = || self.user_name.clone().or_else(root);
        session.map(|name| Cow::Owned(name.to_owned())).or_else(|| self.invoked_by.clone()).or_else(own_name)
    }

    fn connection(&self) -> Option<Cow<'a, str>> {
        let principal = self.principal.clone()?;
        Some(match self.role() {
            Some(role) => Cow::Owned(format!("{principal}@{role}")),
            None => principal,
        })
    }
}

fn credential_class(class: Option<&str>) -> Option<&'static str> {
    match class? {
        "AssumedRole" | "Role" | "AWSService" => Some("service"),
        "IAMUser" | "Root" | "FederatedUser" | "SAMLUser" | "WebIdentityUser" | "IdentityCenterUser" => {
            Some("per_user")
        }
        _ => None,
    }
}

fn after(text: Option<&str>, separator: char) -> Option<&str> {
    text?.rsplit_once(separator).map(|(_, name)| name).filter(|name| !name.is_empty())
}

fn short(service: &str) -> &str {
    service.strip_suffix(".amazonaws.com").unwrap_or(service)
}

fn host_and_port(host: Option<Cow<'_, str>>) -> (Option<Cow<'_, str>>, Option<i32>) {
    let Some(host) = host else { return (None, None) };
    match host.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse::<u16>().ok()?))) {
        Some((name, port)) if !name.contains(':') => (Some(Cow::Owned(name.to_ascii_lowercase())), Some(port.into())),
        _ if host.bytes().any(|byte| byte.is_ascii_uppercase()) => (Some(Cow::Owned(host.to_ascii_lowercase())), None),
        _ => (Some(host), None),
    }
}

fn read_address<'a>(key: Cow<'a, str>, json: Json<'a>, draft: &mut Draft<'a>) -> Result<(), Rejection> {
    let address = text(&key, json)?;
    if address.parse::<IpAddr>().is_ok() {
        draft.set_text("src_ip", Some(address));
    } else {
        draft.keep(key, Json::Text(address));
    }
    Ok(())
}

/// CloudTrail counts from where the service stands, the event from where the caller does.
fn read_traffic<'a>(json: &Json<'a>, draft: &mut Draft<'a>) {
    for (key, field) in [("bytesTransferredIn", "bytes_out"), ("bytesTransferredOut", "bytes_in")] {
        if let Some(Json::Number(digits)) = json.get(key) {
            // S3 writes some counts with a fraction; they stay in the attributes alone.
            draft.set_named(field, digits.parse().ok().map(Value::Int64));
        }
    }
}

/// The resource, and whose it is, where there is exactly one.
fn read_resource<'a>(json: &Json<'a>, draft: &mut Draft<'a>) {
    let Json::List(resources) = json else { return };
    let [resource] = resources.as_slice() else { return };
    let member = |key| resource.get(key).and_then(Json::text).map(str::to_owned);
    draft.set_text("resource", member("ARN"));
    draft.set_text("target_account_id", member("accountId"));
}

/// A text that is kept under its own name as well.
fn kept_text<'a>(key: Cow<'a, str>, json: Json<'a>, draft: &mut Draft<'a>) -> Result<Cow<'a, str>, Rejection> {
    let text = text(&key, json)?;
    draft.keep(key, Json::Text(text.clone()));
    Ok(text)
}

fn text<'a>(key: &str, json: Json<'a>) -> Result<Cow<'a, str>, Rejection> {
    match json {
        Json::Text(text) => Ok(text),
        other => Err(wrong(key, &other, "a string")),
    }
}

fn wrong(key: &str, found: &Json<'_>, expected: &str) -> Rejection {
    let detail = format!("its {key:?} is {} where {expected} is expected", found.what());
    Rejection::new(Reason::AdapterFailed, detail)
}

#[cfg(test)]
mod tests;
