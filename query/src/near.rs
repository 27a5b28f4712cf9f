//! Names that somebody may have meant.

use datafusion::common::utils::datafusion_strsim::normalized_levenshtein;

/// Below this two names have nothing to do with each other.
const LEAST_LIKENESS: f64 = 0.5;
const MOST_NAMES: usize = 3;

/// The end of a sentence about an unknown name: the nearest names, or nothing.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let name = name.to_lowercase();
    let mut near: Vec<(f64, &str)> = known
        .into_iter()
        .map(|other| (normalized_levenshtein(&name, &other.to_lowercase()), other))
        .filter(|(likeness, _)| *likeness >= LEAST_LIKENESS)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.dedup_by(|a, b| a.1 == b.1);
    let names: Vec<String> = near.iter().take(MOST_NAMES).map(|(_, other)| format!("\"{other}\"")).collect();
    if names.is_empty() { String::new() } else { format!("; near names are {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_comes_first() {
        assert_eq!(did_you_mean("evnts", ["findings", "events", "rejects"]), "; near names are \"events\"");
        assert_eq!(did_you_mean("zzz", ["events"]), "");
    }
}
