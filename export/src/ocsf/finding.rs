//! Detection Finding: one revision. All revisions of a finding have the same `finding_info.uid`.

use credwatch_schemas::finding::{Comparison, Finding, Severity, Status, Triage};
use serde_json::{Map, Value, json};

use super::{Activity, Class, OcsfVersion, begin, millis};
use crate::fields::{object, put};

const RULE: u32 = 1;

pub(super) fn finding(finding: &Finding) -> Value {
    let mut record = begin(Class { category: 2, uid: 2004 }, Activity::known(activity(finding)));
    put(
        &mut record,
        [
            ("time", Some(millis(finding.raised_time.0))),
            ("severity_id", Some(severity(finding.severity).into())),
            ("status_id", Some(status(finding).into())),
            ("status_detail", finding.status_reason.clone().map(Value::from)),
            ("is_alert", Some((finding.status == Status::Open).into())),
            ("message", Some(finding.summary.clone().into())),
            ("comment", finding.comment.clone().map(Value::from)),
            ("metadata", Some(metadata(finding))),
            ("finding_info", Some(info(finding))),
            ("anomaly_analyses", analyses(finding)),
            ("evidences", Some(json!([{"data": {"sql": finding.sql, "data_seq": finding.data_seq}}]))),
            ("unmapped", Some(json!({"credwatch": rest(finding)}))),
        ],
    );
    Value::Object(record)
}

fn activity(finding: &Finding) -> u32 {
    match (is_over(finding), finding.revision) {
        (true, _) => 3,
        (false, 1) => 1,
        (false, _) => 2,
    }
}

fn is_over(finding: &Finding) -> bool {
    matches!(finding.status, Status::Resolved | Status::Withdrawn) || finding.triage == Triage::Closed
}

fn status(finding: &Finding) -> u32 {
    match (finding.status, finding.triage) {
        (Status::Suppressed, _) => 3,
        (Status::Resolved | Status::Withdrawn, _) | (_, Triage::Closed) => 4,
        (_, Triage::Acknowledged | Triage::InProgress) => 2,
        (Status::Open | Status::Digest, Triage::New) => 1,
    }
}

fn severity(severity: Severity) -> u32 {
    match severity {
        Severity::Info => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    }
}

fn metadata(finding: &Finding) -> Value {
    let members = object([
        ("product", Some(json!({"name": "credwatch", "vendor_name": "credwatch"}))),
        ("version", Some(OcsfVersion::V1_8.number().into())),
        ("uid", Some(format!("{}.{}", finding.finding_id, finding.revision).into())),
        ("sequence", finding.seq.map(Value::from)),
        ("tenant_uid", finding.org_id.as_ref().map(|org| org.as_str().into())),
        ("modified_time", Some(millis(finding.recorded_time.0))),
    ]);
    members.unwrap_or_default()
}

fn info(finding: &Finding) -> Value {
    let events: Vec<Value> = finding.event_ids.iter().map(|id| json!({"uid": id})).collect();
    json!({
        "uid": finding.finding_id,
        "title": finding.title,
        "desc": finding.summary,
        "analytic": {"uid": finding.detector_id, "name": finding.detector_id, "type_id": RULE, "version": finding.detector_version},
        "first_seen_time": millis(finding.first_time.0),
        "last_seen_time": millis(finding.last_time.0),
        "modified_time": millis(finding.recorded_time.0),
        "related_events": events,
        "related_events_count": finding.event_count,
    })
}

/// What was compared, number by number.
fn analyses(finding: &Finding) -> Option<Value> {
    let target = finding.subject.iter().map(|(name, value)| json!({"name": value, "type": name}));
    let mut targets: Vec<Value> = target.collect();
    if targets.is_empty() {
        targets.push(json!({"name": finding.detector_id}));
    }
    let all: Vec<Value> = finding.compared.iter().filter_map(|one| analysis(one, &targets)).collect();
    (!all.is_empty()).then(|| all.into())
}

fn analysis(compared: &Comparison, targets: &[Value]) -> Option<Value> {
    let parameter = format!("{} ({})", compared.name, compared.unit);
    let seen =
        |value: f64| json!([{"observation_parameter": parameter, "observations": [{"value": value.to_string()}]}]);
    object([
        ("analysis_targets", Some(json!(targets))),
        ("anomalies", Some(seen(compared.observed?))),
        ("baselines", compared.expected.map(seen)),
    ])
}

/// What has no attribute of its own, in the words of `finding-v1`.
fn rest(finding: &Finding) -> Value {
    const HOMELESS: [&str; 16] = [
        "revision",
        "subject",
        "episode",
        "status",
        "provisional",
        "triage",
        "verdict",
        "assignee",
        "changed_by",
        "compared",
        "members",
        "not_seen",
        "replaced_by",
        "severity",
        "org_id",
        "data_seq",
    ];
    let all = match serde_json::to_value(finding) {
        Ok(Value::Object(all)) => all,
        Ok(_) | Err(_) => Map::new(),
    };
    let rest = all.into_iter().filter(|(name, value)| HOMELESS.contains(&name.as_str()) && !value.is_null());
    Value::Object(rest.collect())
}
