//! Which column a key of the wire is. The list of fields stands in `schemas::event`; this is a fast look into it.

use std::sync::LazyLock;

use credwatch_schemas::event::FIELDS;

pub(crate) const TIME: usize = place("time");
pub(crate) const KIND: usize = place("kind");
pub(crate) const EVENT_ID: usize = place("event_id");
pub(crate) const SOURCE: usize = place("source");
pub(crate) const ORG_ID: usize = place("org_id");
pub(crate) const ATTRIBUTES: usize = place("attributes");

/// Slots of the look-up table: a power of two, large enough that most fields have one for themselves.
const SLOTS: usize = 512;
const EMPTY: u8 = u8::MAX;

static TABLE: LazyLock<[u8; SLOTS]> = LazyLock::new(|| {
    let mut table = [EMPTY; SLOTS];
    for (index, field) in FIELDS.iter().enumerate() {
        let mut slot = first_slot(field.name);
        while table[slot] != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = u8::try_from(index).unwrap_or(EMPTY);
    }
    table
});

/// The index in [`FIELDS`] of the field of this name.
pub(crate) fn find(name: &str) -> Option<usize> {
    let mut slot = first_slot(name);
    loop {
        match TABLE[slot] {
            EMPTY => return None,
            index if FIELDS[usize::from(index)].name == name => return Some(usize::from(index)),
            _ => slot = (slot + 1) % SLOTS,
        }
    }
}

fn first_slot(name: &str) -> usize {
    let bytes = name.as_bytes();
    let at = |place: usize| bytes.get(place).map_or(0, |byte| usize::from(*byte));
    let length = bytes.len();
    let mix = length * 37
        + at(0) * 131
        + at(length / 2) * 31
        + at(length.wrapping_sub(1)) * 7
        + at(length.wrapping_sub(4)) * 61;
    mix % SLOTS
}

/// The index of a field that must exist; anything else does not compile.
const fn place(name: &str) -> usize {
    let mut index = 0;
    while !same(FIELDS[index].name.as_bytes(), name.as_bytes()) {
        index += 1;
    }
    index
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut place = 0;
    while place < one.len() {
        if one[place] != other[place] {
            return false;
        }
        place += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_under_its_name_and_nothing_else_is() {
        for (index, field) in FIELDS.iter().enumerate() {
            assert_eq!(find(field.name), Some(index), "{}", field.name);
        }
        for name in ["", "tim", "timee", "Time", "é", "a key that is longer than any field"] {
            assert_eq!(find(name), None, "{name}");
        }
    }

    #[test]
    fn the_named_places_are_right() {
        assert_eq!(
            [TIME, KIND, EVENT_ID, SOURCE, ORG_ID].map(|index| FIELDS[index].name),
            ["time", "kind", "event_id", "source", "org_id"]
        );
    }
}
