//! What orgs allow that is about to end, or just did, and does not hold again: who relies on it should hear of it before a detector does. Pure.

use credwatch_detectors::org_setting::{Held, SettingKey};
use credwatch_query::TenantScope;
use credwatch_schemas::time::{DAY, Micros};
use credwatch_schemas::weekly_report::ExceptionEnding;

use super::answers::Bounds;
use crate::detector_status::sees;

/// So far ahead a report looks.
const AHEAD: i64 = 28 * DAY;

/// The first to end first.
pub(super) fn ending(held: &[Held], scope: &TenantScope, bounds: Bounds) -> Vec<ExceptionEnding> {
    let of = |one: &Held| {
        let until_time = one.until_time.filter(|until| is_near(*until, bounds))?;
        let is_allowance = SettingKey::parse(&one.key).is_ok_and(SettingKey::is_list);
        let holds_again = |other: &Held| {
            (&other.org_id, &other.key, &other.value) == (&one.org_id, &one.key, &one.value)
                && other.from_time >= Some(until_time)
        };
        (is_allowance && !held.iter().any(holds_again) && sees(scope, Some(&one.org_id))).then(|| ExceptionEnding {
            org_id: one.org_id.clone(),
            key: one.key.clone(),
            value: one.value.clone(),
            until_time,
        })
    };
    let mut all: Vec<ExceptionEnding> = held.iter().filter_map(of).collect();
    all.sort_by(|one, other| {
        (one.until_time, &one.org_id, &one.key, &one.value).cmp(&(
            other.until_time,
            &other.org_id,
            &other.key,
            &other.value,
        ))
    });
    all
}

fn is_near(until: Micros, bounds: Bounds) -> bool {
    until >= bounds.from && until < bounds.to.plus(AHEAD)
}

#[cfg(test)]
mod tests {
    use credwatch_schemas::ids::OrgId;

    use super::*;

    const BOUNDS: Bounds = Bounds { before: Micros(0), from: Micros(7 * DAY), to: Micros(14 * DAY) };

    fn held(org: &str, key: &str, until: Option<i64>) -> Held {
        Held {
            org_id: OrgId::new(org),
            key: key.to_owned(),
            value: "org_c".to_owned(),
            from_time: None,
            until_time: until.map(|day| Micros(day * DAY)),
        }
    }

    #[test]
    fn what_ends_in_the_week_or_in_the_four_after_it_is_told_the_first_first() {
        let all = [
            held("org_a", "partners", Some(41)),
            held("org_a", "partners", Some(42)),
            held("org_b", "moved_connections", Some(7)),
            held("org_b", "partners", Some(6)),
            held("org_b", "partners", None),
            held("org_b", "time_zone", Some(20)),
        ];
        let days = |scope: &TenantScope| -> Vec<i64> {
            ending(&all, scope, BOUNDS).into_iter().map(|one| one.until_time.0 / DAY).collect()
        };
        assert_eq!(days(&TenantScope::Operator), [7, 41]);
        let again = Held { from_time: Some(Micros(9 * DAY)), ..held("org_b", "moved_connections", None) };
        assert_eq!(ending(&[&all[..], &[again]].concat(), &TenantScope::Operator, BOUNDS).len(), 1, "it holds again");
        assert_eq!(days(&TenantScope::Org(OrgId::new("org_a"))), [41]);
    }
}
