use super::*;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::MemTable;
use datafusion::prelude::SessionContext;
use std::sync::Arc;

async fn verdict(sql: &str) -> Result<(), CrossesTenants> {
    let context = SessionContext::new();
    let profiles = Arc::new(Schema::new(vec![Field::new("host", DataType::Utf8, true)]));
    for (name, schema) in [("events", credwatch_schemas::records::RECORDS.clone()), ("profiles", profiles)] {
        context.register_table(name, Arc::new(MemTable::try_new(schema, vec![vec![]]).unwrap())).unwrap();
    }
    check(&context.state().create_logical_plan(sql).await.unwrap())
}

#[tokio::test]
async fn a_statement_within_each_org_passes() {
    for sql in [
        "SELECT org_id, count(*) FROM events GROUP BY org_id, agent_id",
        "SELECT a.org_id FROM events a JOIN events b ON a.org_id = b.org_id AND a.agent_id = b.agent_id",
        "SELECT org_id FROM events a JOIN events b USING (org_id, agent_id)",
        "SELECT e.org_id FROM events e LEFT JOIN profiles p ON p.host = e.dest_host",
        "SELECT org_id, lag(time) OVER (PARTITION BY org_id, agent_id ORDER BY time) FROM events",
        "SELECT org_id FROM events e WHERE NOT EXISTS (SELECT 1 FROM events x WHERE x.org_id = e.org_id AND x.agent_id = e.agent_id)",
        "SELECT org_id, (SELECT count(*) FROM events x WHERE x.org_id = e.org_id) AS n FROM events e",
        "SELECT org_id FROM events WHERE dest_host IN (SELECT host FROM profiles)",
        "SELECT DISTINCT org_id, agent_id FROM events",
    ] {
        assert_eq!(verdict(sql).await, Ok(()), "{sql}");
    }
}

#[tokio::test]
async fn the_answer_names_its_org() {
    assert_eq!(verdict("SELECT agent_id FROM events").await, Err(CrossesTenants::Output));
}

#[tokio::test]
async fn a_join_without_org_is_refused() {
    for sql in [
        "SELECT a.org_id FROM events a JOIN events b ON a.agent_id = b.agent_id",
        "SELECT a.org_id FROM events a CROSS JOIN events b",
        "SELECT a.org_id FROM events a JOIN events b ON a.org_id = b.target_org_id",
        "SELECT a.org_id FROM events a JOIN (SELECT agent_id AS other FROM events) b ON a.agent_id = b.other",
    ] {
        assert!(matches!(verdict(sql).await, Err(CrossesTenants::Join(_))), "{sql}");
    }
}

#[tokio::test]
async fn a_group_or_window_without_org_is_refused() {
    for sql in [
        "SELECT max(org_id) AS org_id FROM events GROUP BY agent_id",
        "SELECT max(org_id) AS org_id FROM events",
        "SELECT org_id FROM events GROUP BY GROUPING SETS ((org_id), (agent_id, org_id), ())",
        "SELECT e.org_id FROM events e JOIN (SELECT DISTINCT dest_host FROM events) h ON h.dest_host = e.dest_host",
    ] {
        let verdict = verdict(sql).await;
        assert!(matches!(verdict, Err(CrossesTenants::Group(_) | CrossesTenants::Join(_))), "{sql}: {verdict:?}");
    }
    let sql = "SELECT org_id, count(*) OVER (PARTITION BY agent_id) FROM events";
    assert!(matches!(verdict(sql).await, Err(CrossesTenants::Window(_))));
}

#[tokio::test]
async fn a_subquery_that_is_not_tied_to_the_org_is_refused() {
    for sql in [
        "SELECT org_id FROM events WHERE agent_id IN (SELECT agent_id FROM events)",
        "SELECT org_id, (SELECT count(*) FROM events) AS n FROM events",
        "SELECT org_id FROM events e WHERE EXISTS (SELECT 1 FROM events x WHERE x.agent_id = e.agent_id)",
        "SELECT org_id FROM events e WHERE EXISTS (SELECT 1 FROM events x, events y WHERE x.agent_id = e.agent_id)",
    ] {
        assert!(matches!(verdict(sql).await, Err(CrossesTenants::Subquery(_))), "{sql}");
    }
}

#[tokio::test]
async fn what_lies_below_the_tie_of_a_subquery_follows_the_rules_too() {
    let sql = "SELECT org_id FROM events e WHERE EXISTS (SELECT 1 FROM \
        (SELECT a.org_id FROM events a JOIN events b ON a.agent_id = b.agent_id) j WHERE j.org_id = e.org_id)";
    assert!(matches!(verdict(sql).await, Err(CrossesTenants::Join(_))));
}

#[tokio::test]
async fn a_limit_over_all_orgs_is_refused() {
    assert_eq!(verdict("SELECT org_id FROM events ORDER BY org_id LIMIT 5").await, Err(CrossesTenants::Limit));
}
