//! What a detector could see. A column that a source never fills, among rows in which the detector needs it, makes the
//! detector blind there: that is an outcome, never "nothing found".
//!
//! Decided per org and source from rollups that count, per day, how often each needed column was filled.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use credwatch_lake::LakeSnapshot;
use credwatch_schemas::ids::{OrgId, SourceId};
use credwatch_schemas::records::column;
use credwatch_schemas::time::{DAY, Micros};
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::logical_expr::{Expr, col};
use datafusion::prelude::SessionContext;

use crate::definition::{Definition, Need};
use crate::store::{Store, filled_name, parts_of, watch};

/// An org and a source of its events; `None` is unknown.
pub(crate) type Feed = (Option<OrgId>, Option<SourceId>);

/// What was seen of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Needed columns that no row filled.
    pub(crate) missing: BTreeSet<String>,
    /// Start of the first day with a matching row, ever.
    pub(crate) since: Micros,
}

/// Every feed that ever sent rows which the detector needs, judged over the day of `from` and later ones. A feed that
/// sent none since then is judged by its own last day.
pub(crate) async fn sights(
    context: &SessionContext,
    snapshot: &LakeSnapshot,
    definition: &Definition,
    from: Micros,
) -> Result<BTreeMap<Feed, Sight>> {
    let from = Micros(from.0.saturating_sub(from.0.rem_euclid(DAY)));
    let mut sights = BTreeMap::new();
    for need in &definition.needs {
        let Some(parts) = parts_of(snapshot, &Store::Rollup(watch(need))) else {
            return Err(DataFusionError::Plan("what it needs is not counted yet".to_owned()));
        };
        let counts: Vec<Expr> =
            need.columns.iter().map(|name| filled_name(name)).map(|name| sum(col(&name)).alias(name)).collect();
        let days = vec![col(column::ORG_ID), col(column::SOURCE), col("start")];
        let mut seen: BTreeMap<Feed, Days> = BTreeMap::new();
        for batch in context.read_table(parts)?.aggregate(days, counts)?.collect().await? {
            read_days(&mut seen, need, &batch);
        }
        for (feed, days) in seen {
            merge(&mut sights, feed, need, &days, from);
        }
    }
    Ok(sights)
}

/// Per day, which of the needed columns were filled at all.
type Days = BTreeMap<Micros, Vec<bool>>;

fn read_days(seen: &mut BTreeMap<Feed, Days>, need: &Need, batch: &RecordBatch) {
    let starts = batch["start"].as_primitive::<TimestampMicrosecondType>();
    for row in 0..batch.num_rows() {
        let is_filled = |name: &String| batch[filled_name(name).as_str()].as_primitive::<Int64Type>().value(row) > 0;
        let filled = need.columns.iter().map(is_filled).collect();
        seen.entry(feed(batch, row)).or_default().insert(Micros(starts.value(row)), filled);
    }
}

fn merge(sights: &mut BTreeMap<Feed, Sight>, feed: Feed, need: &Need, days: &Days, from: Micros) {
    let (Some(first), Some(last)) = (days.keys().next(), days.keys().next_back()) else { return };
    let judged: Vec<&Vec<bool>> = days.range(from.min(*last)..).map(|(_, filled)| filled).collect();
    let sight = sights.entry(feed).or_insert(Sight { missing: BTreeSet::new(), since: *first });
    sight.since = sight.since.min(*first);
    for (place, column) in need.columns.iter().enumerate() {
        if !judged.iter().any(|filled| filled[place]) {
            sight.missing.insert(column.clone());
        }
    }
}

fn feed(batch: &RecordBatch, row: usize) -> Feed {
    let value = |name: &str| {
        let values = batch[name].as_string::<i32>();
        (!values.is_null(row)).then(|| values.value(row).to_owned())
    };
    (value(column::ORG_ID).map(OrgId::new), value(column::SOURCE).map(SourceId::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(days: &[(i64, bool)], from: i64) -> bool {
        let need = Need { when: "true".into(), columns: vec!["dest_host".into()] };
        let days = days.iter().map(|(day, filled)| (Micros(*day), vec![*filled])).collect();
        let mut sights = BTreeMap::new();
        merge(&mut sights, (None, None), &need, &days, Micros(from));
        !sights[&(None, None)].missing.is_empty()
    }

    #[test]
    fn a_column_is_missing_when_no_judged_day_filled_it() {
        assert!(!missing(&[(1, false), (2, true)], 1));
        assert!(missing(&[(1, true), (2, false)], 2));
    }

    #[test]
    fn a_feed_that_fell_silent_keeps_what_its_last_day_says() {
        assert!(!missing(&[(1, false), (2, true)], 9));
        assert!(missing(&[(1, true), (2, false)], 9));
    }
}
