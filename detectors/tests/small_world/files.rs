//! Two small detectors, one eager and one of windows.

/// The first call of an org to a host.
pub(crate) const FIRST_HOST: &str = r#"
id: first-host
title: First host
severity: medium
scope: tenant
dependence: org
judged: eager
needs:
  - {when: "kind = 'tool_call'", columns: [dest_host]}
ledgers:
  hosts: {keys: [org_id, dest_host], when: "dest_host IS NOT NULL"}
subject: [dest_host]
claims: |
  SELECT h.org_id, h.dest_host, h.first_record_id AS episode,
    h.first_time AS raised_time, h.first_time, h.first_time AS last_time,
    CAST(1 AS BIGINT) AS event_count, make_array(h.first_event_id) AS event_ids,
    'medium' AS severity, 'open' AS status, CAST(NULL AS VARCHAR) AS status_reason
  FROM hosts h
text:
  title: "first call to {dest_host}"
  summary: "{dest_host} was called at {raised_time}"
evidence: "dest_host = {dest_host}"
meaning: m
false_positives: f
next_step: n
stories:
  - name: the first call of each org to a host
    defaults: {org_id: org_a, kind: tool_call, dest_host: x.example}
    events:
      - {event_id: second, time: 2026-06-01T00:05:00Z}
      - {event_id: first, time: 2026-06-01T00:01:00Z}
      - {event_id: other, time: 2026-06-01T00:03:00Z, org_id: org_b}
    findings:
      - {org_id: org_a, subject: {dest_host: x.example}, event_ids: [first], raised_time: 2026-06-01T00:01:00Z}
      - {org_id: org_b, event_ids: [other]}
    outcomes:
      - {org_id: org_a, source: story, outcome: findings}
"#;

/// Three calls or more of an org within an hour.
pub(crate) const BUSY_HOUR: &str = r#"
id: busy-hour
title: Busy hour
severity: low
scope: tenant
dependence: org
judged: {every: 1h}
parameters:
  least: {value: 3, unit: integer, why: "fewer are a quiet hour"}
subject: [kind]
claims: |
  SELECT org_id, kind, CAST(start AS VARCHAR) AS episode, start + INTERVAL '1 hour' AS raised_time,
    min(time) AS first_time, max(time) AS last_time, count(*) AS event_count,
    array_agg(event_id ORDER BY time, event_id, content_hash) AS event_ids,
    'low' AS severity, 'open' AS status, CAST(NULL AS VARCHAR) AS status_reason
  FROM (SELECT *, window_start(time, 3600000000) AS start FROM events)
  GROUP BY org_id, kind, start HAVING count(*) >= $least
text:
  title: "a busy hour"
  summary: "{event_count} calls"
evidence: "kind = {kind}"
meaning: m
false_positives: f
next_step: n
stories:
  - name: three calls within an hour, and two in the next
    defaults: {org_id: org_a, kind: tool_call}
    events:
      - {event_id: a, time: 2026-06-01T00:10:00Z}
      - {event_id: b, time: 2026-06-01T00:00:00Z}
      - {event_id: c, time: 2026-06-01T00:59:59Z}
      - {event_id: d, time: 2026-06-01T01:00:00Z}
      - {event_id: e, time: 2026-06-01T01:30:00Z}
    until: 2026-06-01T03:00:00Z
    findings:
      - {event_count: 3, event_ids: [b, a, c], raised_time: 2026-06-01T01:00:00Z}
  - name: an hour that is not over is not judged
    events:
      - {repeat: 4, every: 1m, from: 2026-06-01T00:00:00Z, kind: tool_call, org_id: org_a}
    findings: []
"#;
