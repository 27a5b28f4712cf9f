//! docs/BENCHMARKS.md: a section for each part, with the command that wrote it. Who measures one part writes that section and
//! leaves the others.

use std::fs::{read_to_string, write};
use std::path::{Path, PathBuf};

const TITLE: &str = "\n## ";

/// A part that was measured; its text begins with its title.
pub(crate) struct Measured {
    pub(crate) text: String,
    pub(crate) command: String,
    pub(crate) date: String,
}

pub(crate) fn record(head: &str, measured: &Measured) {
    let before = read_to_string(place()).unwrap_or_default();
    let page = with(sections(&before), measured).concat();
    write(place(), [head, &page].concat()).expect("writing docs/BENCHMARKS.md");
}

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/BENCHMARKS.md")
}

/// Each with its title, whatever stands above the first.
fn sections(page: &str) -> Vec<String> {
    page.split(TITLE).skip(1).map(whole).collect()
}

fn whole(section: &str) -> String {
    format!("{TITLE}{}\n", section.trim())
}

/// In the place of the section of its title, or behind all.
fn with(mut sections: Vec<String>, measured: &Measured) -> Vec<String> {
    let text = measured.text.trim().trim_start_matches("## ");
    let (title, rest) = text.split_once('\n').expect("a title");
    let section = whole(&format!("{title}\n\nBy `{}`, {}.\n\n{}", measured.command, measured.date, rest.trim()));
    match sections.iter_mut().find(|one| one.starts_with(&[TITLE, title, "\n"].concat())) {
        Some(old) => *old = section,
        None => sections.push(section),
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_measured_again_replaces_its_own_section_and_a_new_one_comes_last() {
        let page = "# Benchmarks\n\nHead.\n\n## One\n\nBy `a`, then.\n\nold\n## One and a half\n\nkept\n";
        let measured = |title: &str| Measured {
            text: format!("## {title}\n\nnew\n\n"),
            command: "make bench".to_owned(),
            date: "2026-11-30".to_owned(),
        };
        let after = ["One", "Two"].into_iter().fold(sections(page), |all, title| with(all, &measured(title)));
        let new = |title: &str| format!("\n## {title}\n\nBy `make bench`, 2026-11-30.\n\nnew\n");
        assert_eq!(after, [new("One"), "\n## One and a half\n\nkept\n".to_owned(), new("Two")]);
    }
}
