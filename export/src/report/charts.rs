//! Drawings in the page itself: a mail and a sheet of paper have no scripts. Each says in words what it shows.

use credwatch_schemas::weekly_report::Hour;
use maud::{Markup, html};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 120.0;

/// Calls by the hour, and of them the failed ones.
pub(super) fn hours(hours: &[Hour], said: &str) -> Markup {
    let most = hours.iter().map(|hour| hour.calls).max().unwrap_or(0).max(1);
    let (calls, failures) = (bars(hours, most, |hour| hour.calls), bars(hours, most, |hour| hour.failures));
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) width="100%" role="img" aria-label=(said) {
            title { (said) }
            path d=(calls) fill="#3b6ea5" {}
            path d=(failures) fill="#a4262c" {}
        }
    }
}

fn bars(hours: &[Hour], most: i64, of: fn(&Hour) -> i64) -> String {
    let width = WIDTH / hours.len().max(1) as f64;
    let bar = |(place, hour): (usize, &Hour)| {
        let height = HEIGHT * of(hour) as f64 / most as f64;
        let (from, top) = (place as f64 * width, HEIGHT - height);
        (height > 0.0).then(|| format!("M{from:.1} {HEIGHT}V{top:.1}h{width:.1}V{HEIGHT}z"))
    };
    hours.iter().enumerate().filter_map(bar).collect()
}

/// How dark a cell is, of five steps; its number stands in it.
pub(super) fn shade(calls: i64, most: i64) -> &'static str {
    const STEPS: [&str; 5] = ["s0", "s1", "s2", "s3", "s4"];
    if calls <= 0 || most <= 0 {
        return STEPS[0];
    }
    // Traffic spans powers of ten.
    let share = (calls as f64).ln_1p() / (most as f64).ln_1p();
    STEPS[((share * 4.0).ceil() as usize).clamp(1, 4)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_without_calls_is_an_empty_drawing_and_no_division_by_nothing() {
        assert!(!hours(&[Hour::default(); 3], "none").into_string().contains("NaN"));
        assert!(!hours(&[], "none").into_string().contains("NaN"));
        assert_eq!((shade(0, 0), shade(1, 1), shade(1, 1_000_000)), ("s0", "s4", "s1"));
    }
}
