use super::*;
use crate::field;
use crate::json::{Document, read as read_json};
use credwatch_schemas::time::Micros;

fn draft_of(text: &str) -> (Draft<'_>, Result<(), Rejection>) {
    let Ok(Document::One(json)) = read_json(text, 64) else { panic!("{text}") };
    let mut draft = Draft::new();
    let read = read(json, &mut draft);
    draft.settle_source();
    draft.settle_attributes();
    (draft, read)
}

fn column<'d>(draft: &'d Draft<'_>, name: &str) -> Option<&'d str> {
    draft.text(field::find(name).unwrap())
}

fn columns<'d, const N: usize>(draft: &'d Draft<'_>, names: [&str; N]) -> [Option<&'d str>; N] {
    names.map(|name| column(draft, name))
}

const ROLE: &str = r#"{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"AROA1:build-7",
    "arn":"arn:aws:sts::111:assumed-role/deploy/build-7","accountId":"111","accessKeyId":"ASIA1",
    "sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111:role/deploy","userName":"deploy"},
    "attributes":{"creationDate":"2023-07-10T11:54:47Z","mfaAuthenticated":"false"}}},
    "eventTime":"2023-07-10T11:55:00Z","eventSource":"s3.amazonaws.com","eventName":"GetBucketAcl","awsRegion":"eu-west-1",
    "sourceIPAddress":"192.0.2.7","userAgent":"aws-cli","errorCode":"AccessDenied","errorMessage":"no",
    "additionalEventData":{"bytesTransferredIn":1,"bytesTransferredOut":289},
    "resources":[{"ARN":"arn:aws:s3:::b","accountId":"222"}],"readOnly":true,"eventID":"e1","eventType":"AwsApiCall",
    "recipientAccountId":"111","tlsDetails":{"clientProvidedHostHeader":"B.s3.amazonaws.com:443"}}"#;

#[test]
fn a_role_session_is_the_agent_and_the_role_its_owner() {
    let (draft, read) = draft_of(ROLE);
    read.unwrap();
    let names = ["agent_id", "user_id", "owner_id", "credential_class", "owner_kind"];
    let role = Some("arn:aws:iam::111:role/deploy");
    assert_eq!(columns(&draft, names), [Some("build-7"), role, role, Some("service"), Some("service")]);
    assert_eq!(column(&draft, "connection_id"), Some("AROA1:build-7@arn:aws:iam::111:role/deploy"));
    assert_eq!(columns(&draft, ["credential_id", "token_fp"]), [Some("ASIA1"), Some("ASIA1")]);
    let issued = draft.value(field::find("token_issued_at").unwrap());
    assert_eq!(issued, Some(&Value::Time(Micros::parse("2023-07-10T11:54:47Z").unwrap())));
}

#[test]
fn a_call_has_target_and_result() {
    let (draft, read) = draft_of(ROLE);
    read.unwrap();
    let names = ["kind", "operation", "dest_host", "provider", "outcome", "error_code", "src_ip"];
    let expected = ["tool_call", "s3:GetBucketAcl", "b.s3.amazonaws.com", "aws", "denied", "AccessDenied", "192.0.2.7"];
    assert_eq!(columns(&draft, names), expected.map(Some));
    assert_eq!(columns(&draft, ["resource", "target_account_id"]), [Some("arn:aws:s3:::b"), Some("222")]);
    let number = |name| draft.value(field::find(name).unwrap());
    assert_eq!(number("dest_port"), Some(&Value::Int32(443)));
    assert_eq!([number("bytes_in"), number("bytes_out")], [Some(&Value::Int64(289)), Some(&Value::Int64(1))]);
}

#[test]
fn nothing_of_a_record_is_lost() {
    let (draft, _) = draft_of(ROLE);
    let kept = |key: &str| draft.attributes().iter().find(|(name, _)| name == key).map(|(_, value)| value.as_ref());
    assert_eq!(kept("awsRegion"), Some("eu-west-1"));
    assert_eq!(kept("readOnly"), Some("true"));
    assert_eq!(kept("userIdentity.type"), Some("AssumedRole"));
    assert!(kept("userIdentity.sessionContext").unwrap().contains(r#""mfaAuthenticated":"false""#));
    assert_eq!(kept("resources"), Some(r#"[{"ARN":"arn:aws:s3:::b","accountId":"222"}]"#));
}

/// A record with this identity and these further members.
fn record(identity: &str, more: &str) -> String {
    format!(
        r#"{{"eventSource":"iam.amazonaws.com","eventName":"GetUser","eventType":"AwsApiCall","userIdentity":{identity}{more}}}"#
    )
}

#[test]
fn the_agent_is_session_then_invoker_then_user() {
    let user = r#""type":"IAMUser","principalId":"AIDA1","arn":"arn:aws:iam::1:user/ann","userName":"ann""#;
    for (identity, expected) in [
        (format!("{{{user}}}"), Some("ann")),
        (format!(r#"{{{user},"invokedBy":"AWS Internal"}}"#), Some("AWS Internal")),
        (r#"{"type":"AssumedRole","principalId":"AROA1:run","invokedBy":"rds.amazonaws.com"}"#.into(), Some("run")),
        (r#"{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}"#.into(), Some("ec2.amazonaws.com")),
        (r#"{"type":"Root","arn":"arn:aws:iam::1:root"}"#.into(), Some("root")),
        (r#"{"type":"AWSAccount","accountId":"9"}"#.into(), None),
    ] {
        let text = record(&identity, "");
        let (draft, read) = draft_of(&text);
        read.unwrap();
        assert_eq!(column(&draft, "agent_id"), expected, "{identity}");
    }
}

#[test]
fn a_source_identity_is_the_person_behind_a_role() {
    let identity = r#"{"type":"AssumedRole","principalId":"AROA1:run","sessionContext":{"sourceIdentity":"ann","sessionIssuer":{"arn":"role"}}}"#;
    let text = record(identity, "");
    let (draft, _) = draft_of(&text);
    assert_eq!(columns(&draft, ["user_id", "owner_id"]), [Some("ann"), Some("role")]);
}

#[test]
fn what_is_no_address_is_not_taken_for_one() {
    let text = record("{}", r#","sourceIPAddress":"rds.amazonaws.com""#);
    let (draft, _) = draft_of(&text);
    assert_eq!(column(&draft, "src_ip"), None);
    assert!(draft.attributes().contains(&("sourceIPAddress".into(), "rds.amazonaws.com".into())));
}

#[test]
fn without_tls_details_the_service_is_the_host() {
    let text = record("{}", "");
    assert_eq!(column(&draft_of(&text).0, "dest_host"), Some("iam.amazonaws.com"));
}

#[test]
fn kinds_are_those_of_the_contract() {
    for (service, name, event_type, expected) in [
        ("sts", "AssumeRoleWithSAML", "AwsApiCall", "auth"),
        ("sts", "GetCallerIdentity", "AwsApiCall", "tool_call"),
        ("iam", "CreateAccessKey", "AwsApiCall", "credential_created"),
        ("iam", "DeleteLoginProfile", "AwsApiCall", "credential_deleted"),
        ("secretsmanager", "RotateSecret", "AwsApiCall", "secret_rotated"),
        ("secretsmanager", "EndSecretVersionDelete", "AwsServiceEvent", "other.cloudtrail.EndSecretVersionDelete"),
        ("signin", "ConsoleLogin", "AwsConsoleSignIn", "auth"),
    ] {
        let call = Call {
            event_type: Some(event_type.into()),
            service: Some(format!("{service}.amazonaws.com").into()),
            name: Some(name.into()),
            ..Call::default()
        };
        assert_eq!(call.kind().as_deref(), Some(expected), "{name}");
    }
}

#[test]
fn an_outcome_is_known_or_absent() {
    let of = |event_type: &'static str, code: Option<&'static str>, sign_in: Option<&str>| {
        let (event_type, error_code) = (Some(event_type.into()), code.map(Cow::Borrowed));
        Call { event_type, error_code, sign_in: sign_in.map(str::to_owned), ..Call::default() }.outcome()
    };
    assert_eq!(of("AwsApiCall", None, None), Some("success"));
    assert_eq!(of("AwsApiCall", Some("Client.UnauthorizedOperation"), None), Some("denied"));
    assert_eq!(of("AwsApiCall", Some("ThrottlingException"), None), Some("failure"));
    assert_eq!(of("AwsConsoleSignIn", None, Some("Failure")), Some("failure"));
    assert_eq!(of("AwsServiceEvent", None, None), None);
}

#[test]
fn a_member_of_another_type_is_named_and_the_events_names_are_known() {
    for more in [r#","userAgent":7,"eventID":"e1""#, r#","eventID":"e1","userAgent":7"#] {
        let text = record("{}", more);
        let (draft, read) = draft_of(&text);
        let rejection = read.unwrap_err();
        assert_eq!(rejection.reason, Reason::AdapterFailed);
        assert_eq!(rejection.detail, r#"its "userAgent" is a number where a string is expected"#);
        assert_eq!(draft.known().event_id.as_deref(), Some("e1"));
    }
    let text = record("[]", "");
    assert_eq!(draft_of(&text).1.unwrap_err().reason, Reason::AdapterFailed);
}

#[test]
fn its_source_is_the_feeds_name_unless_somebody_names_one() {
    let text = record("{}", "");
    assert_eq!(column(&draft_of(&text).0, "source"), Some("cloudtrail"));
}
