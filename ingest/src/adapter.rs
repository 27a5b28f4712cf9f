//! Who reads an object: the adapter that the binding names, or the first that recognises its shape. Never the file's name.
//!
//! A source has one adapter, and what that reads as time, org and event id never changes: a correction is a new
//! adapter and a new source.

use credwatch_schemas::reject::Reason;

use crate::binding::AdapterChoice;
use crate::draft::Draft;
use crate::json::Json;
use crate::rejection::Rejection;
use crate::{cloudtrail, event_v1};

/// Reads a value into `draft`, whose secrets are gone already.
pub(crate) fn read<'a>(choice: AdapterChoice, json: Json<'a>, draft: &mut Draft<'a>) -> Result<(), Rejection> {
    // CloudTrail first: its marks are three keys, ours is one that foreign records have too.
    let is_cloudtrail = match choice {
        AdapterChoice::Auto => cloudtrail::recognises(&json),
        AdapterChoice::EventV1 => false,
        AdapterChoice::CloudTrail => true,
    };
    if is_cloudtrail {
        return cloudtrail::read(json, draft);
    }
    let is_event = choice == AdapterChoice::EventV1 || event_v1::recognises(&json);
    match json {
        Json::Object(members) if is_event => event_v1::read(members, draft),
        _ => Err(Rejection::new(Reason::UnknownShape, "no adapter recognises its shape")),
    }
}
