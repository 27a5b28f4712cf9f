//! A stretch of event time in which one configuration holds, and what of it a judgement must look at again.

use credwatch_schemas::finding::Finding;
use credwatch_schemas::ids::{DetectorVersion, OrgId};
use credwatch_schemas::time::Micros;
use credwatch_schemas::window::WindowLength;
use sha2::{Digest, Sha256};

use crate::definition::{Definition, Judged};
use crate::dirty::Dirty;

/// What a detector's claims between two times are judged by.
#[derive(Debug, Clone)]
pub(crate) struct Stretch<'a> {
    /// The first `raised_time` that belongs to it.
    pub(crate) start: Micros,
    /// The first that does not; `None` is open.
    pub(crate) end: Option<Micros>,
    /// `None`: the detector is off.
    pub(crate) rules: Option<Rules<'a>>,
    /// End of what can be judged now; `None` is everything.
    pub(crate) until: Option<Micros>,
    pub(crate) dirty: Dirty,
}

#[derive(Debug, Clone)]
pub(crate) struct Rules<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) version: DetectorVersion,
}

impl Stretch<'_> {
    /// Whether this judgement says if the finding exists.
    pub(crate) fn decides(&self, finding: &Finding) -> bool {
        let raised = finding.raised_time;
        let inside = self.start <= raised && self.end.is_none_or(|end| raised < end);
        inside && self.until.is_none_or(|until| raised <= until) && self.dirty.covers(finding)
    }
}

/// Why grains are judged again although no row of theirs is new: for whom (`None` is everybody), and since when.
pub(crate) type Again = Vec<(Option<OrgId>, Micros)>;

/// The earliest `raised_time` that an event at `time` can touch.
pub(crate) fn touched_from(definition: &Definition, time: Micros) -> Micros {
    let start = match window(definition) {
        Some(length) => length.containing(time).start,
        None => time,
    };
    start.plus(definition.window.micros().saturating_neg())
}

fn window(definition: &Definition) -> Option<WindowLength> {
    WindowLength::new(definition.judged.length()?.micros())
}

/// How far a detector can be judged. `end` is where a run ends: the watermark, the end of history, or what was asked.
/// `Err`: nothing can be judged yet.
pub(crate) fn judged_until(
    definition: &Definition,
    end: Option<Micros>,
    asked: Option<Micros>,
    before: Option<Micros>,
) -> Result<Option<Micros>, NothingYet> {
    match (definition.judged, window(definition)) {
        (Judged::Every(_), Some(length)) => {
            let end = asked.or(end).ok_or(NothingYet)?;
            // What was judged once stays judged: a new partition may bring the watermark back, never the findings.
            let before = before.filter(|_| asked.is_none());
            Ok(Some(length.last_end(end)).max(before))
        }
        _ => Ok(asked),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NothingYet;

/// A version is the file: the same file judges alike wherever it is known.
pub(crate) fn version_of(content: &str) -> DetectorVersion {
    let hash = Sha256::digest(content.as_bytes());
    DetectorVersion::new(hash[..6].iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use credwatch_schemas::time::HOUR;

    fn hourly() -> Definition {
        let text = crate::definition::tests::SMALL.replace("judged: eager", "judged: {every: 1h}");
        Definition::parse("first-host", &text).unwrap()
    }

    #[test]
    fn an_event_touches_its_window_from_the_start() {
        assert_eq!(touched_from(&hourly(), Micros(HOUR + 5)), Micros(HOUR));
    }

    #[test]
    fn windows_are_judged_up_to_the_last_that_is_over() {
        assert_eq!(judged_until(&hourly(), Some(Micros(HOUR + 5)), None, None), Ok(Some(Micros(HOUR))));
        assert_eq!(judged_until(&hourly(), None, None, None), Err(NothingYet));
    }

    #[test]
    fn a_watermark_that_goes_back_takes_no_window_back() {
        let before = Some(Micros(2 * HOUR));
        assert_eq!(judged_until(&hourly(), Some(Micros(HOUR)), None, before), Ok(before));
        assert_eq!(judged_until(&hourly(), Some(Micros(HOUR)), Some(Micros(HOUR)), before), Ok(Some(Micros(HOUR))));
    }

    #[test]
    fn the_same_file_is_the_same_version() {
        assert_eq!(version_of("a"), version_of("a"));
        assert_ne!(version_of("a"), version_of("b"));
    }
}
