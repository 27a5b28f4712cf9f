//! One sentence from an error and its causes, each part said once.

/// `opening the lake "x": the folder is not writable: permission denied`.
pub(crate) fn story(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        let said = parts.iter().any(|part| part.contains(&text));
        if !said {
            parts.push(text);
        }
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    #[test]
    fn a_cause_that_was_already_said_is_not_said_again() {
        let error = Err::<(), _>(anyhow!("disk full")).context("writing: disk full").context("commit").unwrap_err();
        assert_eq!(super::story(&error), "commit: writing: disk full");
    }
}
