use super::*;
use crate::functions::functions;
use datafusion::catalog::MemTable;
use datafusion::prelude::SessionContext;
use std::sync::Arc;

async fn verdict(sql: &str) -> Result<(), NotDeterministic> {
    let context = SessionContext::new();
    functions().iter().for_each(|function| function.register(&context));
    let events = MemTable::try_new(credwatch_schemas::records::RECORDS.clone(), vec![vec![]]).unwrap();
    context.register_table("events", Arc::new(events)).unwrap();
    let plan = context.state().create_logical_plan(sql).await.unwrap();
    check(&plan)
}

#[tokio::test]
async fn what_changes_by_itself_is_refused() {
    for (sql, name) in [
        ("SELECT now()", "now"),
        ("SELECT org_id FROM events WHERE time > current_timestamp", "now"),
        ("SELECT current_date", "current_date"),
        ("SELECT org_id FROM events WHERE EXISTS (SELECT 1 FROM events e WHERE e.time < now())", "now"),
    ] {
        assert_eq!(verdict(sql).await, Err(NotDeterministic::Volatile(name.to_owned())), "{sql}");
    }
}

#[tokio::test]
async fn sums_of_floats_are_refused_and_of_integers_are_not() {
    let float = |name: &str| Err(NotDeterministic::Float(name.to_owned()));
    assert_eq!(verdict("SELECT sum(cost_usd) FROM events").await, float("sum"));
    assert_eq!(verdict("SELECT avg(duration_ms * 0.5) FROM events").await, float("avg"));
    assert_eq!(verdict("SELECT sum(cost_usd) OVER (PARTITION BY org_id) FROM events").await, float("sum"));
    assert_eq!(verdict("SELECT stddev(duration_ms) FROM events").await, float("stddev"));
    assert_eq!(verdict("SELECT sum(duration_ms), avg(duration_ms), count(*), max(cost_usd) FROM events").await, Ok(()));
    assert_eq!(verdict("SELECT sum(CASE WHEN outcome = 'failure' THEN 1 ELSE 0 END) FROM events").await, Ok(()));
}

#[tokio::test]
async fn approximate_aggregates_are_refused() {
    let sql = "SELECT approx_distinct(agent_id) FROM events";
    assert_eq!(verdict(sql).await, Err(NotDeterministic::Approximate("approx_distinct".to_owned())));
}

#[tokio::test]
async fn picking_by_order_needs_a_total_order() {
    let unordered = |name: &str| Err(NotDeterministic::Unordered(name.to_owned()));
    assert_eq!(verdict("SELECT array_agg(event_id) FROM events").await, unordered("array_agg"));
    assert_eq!(verdict("SELECT first_value(agent_id ORDER BY time) FROM events").await, unordered("first_value"));
    assert_eq!(verdict("SELECT array_agg(event_id ORDER BY time, event_id, content_hash) FROM events").await, Ok(()));
    assert_eq!(verdict("SELECT array_agg(DISTINCT agent_id ORDER BY agent_id) FROM events").await, Ok(()));
    assert_eq!(verdict("SELECT array_agg(lower(agent_id) ORDER BY agent_id) FROM events").await, Ok(()));
    assert_eq!(
        verdict("SELECT array_agg(lower(event_id) ORDER BY agent_id) FROM events").await,
        unordered("array_agg")
    );
    assert_eq!(verdict("SELECT first_value(agent_id ORDER BY time, event_id, content_hash) FROM events").await, Ok(()));
    let ranked = "SELECT row_number() OVER (PARTITION BY org_id ORDER BY time) FROM events";
    assert_eq!(verdict(ranked).await, unordered("row_number"));
    let total = "SELECT row_number() OVER (PARTITION BY org_id ORDER BY time, event_id, content_hash) FROM events";
    assert_eq!(verdict(total).await, Ok(()));
    let running = "SELECT count(*) OVER (ORDER BY time ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) FROM events";
    assert_eq!(verdict(running).await, unordered("count"));
}

#[tokio::test]
async fn a_limit_needs_a_total_order() {
    assert_eq!(verdict("SELECT agent_id FROM events LIMIT 3").await, Err(NotDeterministic::Limit));
    assert_eq!(verdict("SELECT event_id, time FROM events ORDER BY time LIMIT 3").await, Err(NotDeterministic::Limit));
    let total = "SELECT event_id FROM events ORDER BY time, event_id, content_hash LIMIT 3";
    assert_eq!(verdict(total).await, Ok(()));
    let hidden = "SELECT * FROM (SELECT agent_id FROM events LIMIT 1) WHERE agent_id IN (SELECT agent_id FROM events)";
    assert_eq!(verdict(hidden).await, Err(NotDeterministic::Limit));
    let distinct = "SELECT DISTINCT ON (agent_id) agent_id, event_id FROM events ORDER BY agent_id, time";
    assert_eq!(verdict(distinct).await, Err(NotDeterministic::DistinctOn));
}

#[tokio::test]
async fn columns_of_arrival_are_refused_wherever_they_stand() {
    for (sql, name) in [
        ("SELECT max(seq) FROM events", "seq"),
        ("SELECT org_id FROM events WHERE ingest_time > time", "ingest_time"),
        ("SELECT org_id FROM events ORDER BY kafka_offset", "kafka_offset"),
        ("SELECT org_id FROM events WHERE agent_id IN (SELECT kafka_topic FROM events)", "kafka_topic"),
    ] {
        assert_eq!(verdict(sql).await, Err(NotDeterministic::Arrival(name.to_owned())), "{sql}");
    }
}
