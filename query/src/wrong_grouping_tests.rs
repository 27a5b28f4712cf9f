//! A fault of the engine that we know and cannot mend here, and the way around it that `docs/detectors/FORMAT.md` names.
//!
//! DataFusion 55, `aggregate_functional_dependencies`: input that is joined with a subquery whose rows are unique (its
//! DISTINCT or GROUP BY says by what) and grouped by that key *and* something else is taken to be unique by the key
//! alone. Whatever reads that afterwards is wrong: `optimize_projections` drops columns of a later GROUP BY,
//! `replace_distinct_aggregate` a DISTINCT, `eliminate_duplicated_expr` columns of an ORDER BY. Leaving out these rules
//! is no cure: the first is what reads only the columns that are needed, and without the second no DISTINCT runs at all.
//! When this test fails because the engine is right, file and hint can go.

use std::sync::Arc;

use datafusion::prelude::SessionContext;

use crate::format::{OutputFormat, write};

/// Three groups, two of them with the same `a`, grouped by the key of the joined subquery or by the other side's column.
const BY_THE_KEY: &str = include_str!("wrong_grouping/by_the_key.sql");
const BY_THE_OTHER_SIDE: &str = include_str!("wrong_grouping/by_the_other_side.sql");

/// What reads the groups afterwards.
#[derive(Debug, Clone, Copy)]
enum Reading {
    GroupedAgain,
    Distinct,
    Sorted,
}

/// The groups are a table of their own in the plan, not in the text.
async fn rows(groups: &str, reading: Reading) -> Vec<String> {
    let context = SessionContext::new();
    context.register_table("groups", context.sql(groups).await.unwrap().into_view()).unwrap();
    let sql = match reading {
        Reading::GroupedAgain => "SELECT a, max(n) AS n FROM groups GROUP BY b, a ORDER BY a",
        Reading::Distinct => "SELECT DISTINCT a FROM groups ORDER BY a",
        Reading::Sorted => "SELECT a, b FROM groups ORDER BY a, b DESC",
    };
    let read = context.sql(sql).await.unwrap();
    let schema = Arc::new(read.schema().as_arrow().clone());
    let csv = write(OutputFormat::Csv, &schema, &read.collect().await.unwrap()).unwrap();
    String::from_utf8(csv).unwrap().lines().skip(1).map(str::to_owned).collect()
}

#[tokio::test]
async fn grouping_by_the_key_of_a_joined_subquery_is_wrong_in_the_query_around_it() {
    assert_eq!(rows(BY_THE_KEY, Reading::GroupedAgain).await, ["j,1", "k,1"], "one group of k is lost");
    assert_eq!(rows(BY_THE_KEY, Reading::Distinct).await, ["j", "k", "k"], "nothing is distinct");
}

#[tokio::test]
async fn grouping_by_the_other_side_of_the_join_is_right() {
    assert_eq!(rows(BY_THE_OTHER_SIDE, Reading::GroupedAgain).await, ["j,1", "k,1", "k,1"]);
    assert_eq!(rows(BY_THE_OTHER_SIDE, Reading::Distinct).await, ["j", "k"]);
    assert_eq!(rows(BY_THE_OTHER_SIDE, Reading::Sorted).await, ["j,3", "k,2", "k,1"]);
}
