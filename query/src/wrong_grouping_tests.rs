//! A fault of the engine that we know and cannot mend here, and the way around it that `docs/detectors/FORMAT.md` names.
//!
//! DataFusion 55, `aggregate_functional_dependencies`: input that is joined with a subquery whose rows are unique (its
//! DISTINCT or GROUP BY says by what) and grouped by that key *and* something else is taken to be unique by the key
//! alone. Whatever reads that afterwards is wrong: `optimize_projections` drops columns of a later GROUP BY,
//! `replace_distinct_aggregate` a DISTINCT, `eliminate_duplicated_expr` columns of an ORDER BY. Leaving out these rules
//! is no cure: the first is what reads only the columns that are needed, and without the second no DISTINCT runs at all.
//! When this test fails because the engine is right, file and hint can go.

use super::*;

const TABLES: &str = "WITH x AS (SELECT * FROM (VALUES (1, 'k'), (2, 'k'), (3, 'j')) AS x (b, a)), \
    d AS (SELECT DISTINCT a FROM (VALUES ('k'), ('k'), ('j')) AS y (a))";

/// Three groups, two of them with the same `a`, grouped by one side's `a` or the other's.
fn grouped(side: &str) -> String {
    format!("SELECT x.b, {side}.a, count(*) AS n FROM x JOIN d ON x.a = d.a GROUP BY x.b, {side}.a")
}

async fn rows(sql: &str) -> Vec<String> {
    let answer = ask(&operator(), &format!("{TABLES} {sql}")).await.unwrap();
    answer.lines().skip(1).map(str::to_owned).collect()
}

fn regrouped(side: &str) -> String {
    format!("SELECT a, max(n) AS n FROM ({}) GROUP BY b, a ORDER BY a", grouped(side))
}

fn distinct(side: &str) -> String {
    format!("SELECT DISTINCT a FROM ({}) ORDER BY a", grouped(side))
}

fn sorted(side: &str) -> String {
    format!("SELECT a, b FROM ({}) ORDER BY a, b DESC", grouped(side))
}

#[tokio::test]
async fn grouping_by_the_key_of_a_joined_subquery_is_wrong_in_the_query_around_it() {
    assert_eq!(rows(&regrouped("d")).await, ["j,1", "k,1"], "one group of k is lost");
    assert_eq!(rows(&distinct("d")).await, ["j", "k", "k"], "nothing is distinct");
}

#[tokio::test]
async fn grouping_by_the_other_side_of_the_join_is_right() {
    assert_eq!(rows(&regrouped("x")).await, ["j,1", "k,1", "k,1"]);
    assert_eq!(rows(&distinct("x")).await, ["j", "k"]);
    assert_eq!(rows(&sorted("x")).await, ["j,3", "k,2", "k,1"]);
}
