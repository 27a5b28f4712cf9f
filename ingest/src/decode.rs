//! From the bytes of a record to its rows: one event or reject, or one a value of its list.
//!
//! 1. Bytes that are not one JSON text of allowed size are one reject.
//! 2. A CloudEvent is unwrapped; a list is taken apart, and from here on every value of it goes its own way.
//! 3. The content hash is taken from what the producer sent, with secrets as `[redacted]`.
//! 4. Secrets become marks. Nothing after this step ever sees one.
//! 5. The adapter reads the value into a draft; the envelope and then the binding overrule it.
//! 6. A draft with a time and a kind becomes an event, all others a reject with what is known of it.

use std::borrow::Cow;

use credwatch_schemas::ids::{OrgId, SourceId};
use credwatch_schemas::reject::Reason;
use credwatch_schemas::time::{DAY, MINUTE, Micros};

use crate::adapter;
use crate::binding::{Binding, IdentityRule};
use crate::canonical::{ContentHash, Flaw, Strings, sort_keys, text_of, write};
use crate::cloud_event::Envelope;
use crate::columns::{Columns, Place, Reject};
use crate::draft::Draft;
use crate::field::{EVENT_ID, ORG_ID, SOURCE};
use crate::json::{self, Document, Json, NotJson};
use crate::plain::{self, Plain};
use crate::raw_record::RawRecord;
use crate::redact::Redactor;
use crate::redact::key::RedactionKey;
use crate::rejection::{Known, Rejection};
use crate::typed::Value;

/// What one record may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a record, its headers included.
    pub record_bytes: usize,
    /// Levels of lists and objects.
    pub levels: usize,
    /// Bytes that are kept of a reject.
    pub raw_bytes: usize,
    /// Values of a list, each of which becomes a row.
    pub elements: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { record_bytes: 1 << 20, levels: 64, raw_bytes: 64 << 10, elements: 50_000 }
    }
}

/// Earlier times are those of clocks that were never set.
const EARLIEST: Micros = Micros(1_262_304_000_000_000);
/// How far an event's time may lie after the record's arrival.
const MOST_AHEAD: i64 = DAY;
/// How far it may lie ahead and still move a clock.
const MOST_AHEAD_OF_CLOCK: i64 = 5 * MINUTE;
/// The last time that every reader of the lake can show: the end of the year 9999.
const LATEST_SHOWN: Micros = Micros(253_402_300_799_999_999);
/// Characters of a reject's sentence, which may name a key of the producer's.
const MOST_DETAIL: usize = 400;

/// Knows the rules and the key, and nothing of any record: what it reads depends on the record and its binding alone.
#[derive(Debug)]
pub struct Decoder {
    redactor: Redactor,
    limits: Limits,
}

impl Decoder {
    pub fn new(key: RedactionKey, limits: Limits) -> Self {
        Self { redactor: Redactor::new(key), limits }
    }

    /// The key of its marks, to be claimed before the first write to a lake.
    pub fn key(&self) -> &RedactionKey {
        self.redactor.key()
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Appends the rows of a record, at least one. Returns the largest event time among them that may move a clock.
    pub(crate) fn decode<'a>(
        &'a self,
        record: &RawRecord<'a>,
        binding: &'a Binding,
        columns: &mut Columns,
    ) -> Option<Micros> {
        let mut reading = Reading { decoder: self, record, binding, columns, next_index: 0, latest: None };
        if let Err(rejection) = reading.document() {
            let raw = record.payload.unwrap_or_default();
            // A record that is too large is looked at no further than a file's line, of which the rest is not there.
            let looked_at = raw.len().min(self.limits.record_bytes.saturating_add(1));
            reading.reject(&raw[..looked_at], None, rejection);
        }
        reading.latest
    }
}

/// One record while it is read.
struct Reading<'a, 'r> {
    decoder: &'a Decoder,
    record: &'r RawRecord<'a>,
    binding: &'a Binding,
    columns: &'r mut Columns,
    next_index: i32,
    latest: Option<Micros>,
}

/// A value that may be an event. Its keys are sorted.
struct Candidate<'a> {
    json: Json<'a>,
    envelope: Option<Envelope<'a>>,
    /// Its place in a list of data that shares one envelope.
    place: Option<usize>,
    may_hold_secrets: bool,
}

impl<'a> Reading<'a, '_> {
    /// Reads the whole record; an error is about the record as a whole.
    fn document(&mut self) -> Result<(), Rejection> {
        let text = self.text()?;
        let headers = Envelope::of_headers(self.record.headers);
        if headers.is_none()
            && self.decoder.limits.levels >= plain::LEVELS
            && let Some(plain) = plain::read(text)
        {
            self.plain(plain, text);
            return Ok(());
        }
        match json::read(text, self.decoder.limits.levels) {
            Err(NotJson(what)) => Err(Rejection::new(Reason::NotJson, what)),
            Ok(Document::One(json)) => {
                self.value(json, text, headers, None);
                Ok(())
            }
            Ok(Document::Many(elements)) => {
                self.check_list(elements.len(), headers.as_ref())?;
                for (place, element) in elements.into_iter().enumerate() {
                    let place = headers.as_ref().map(|_| place);
                    self.value(element.json, element.raw, headers.clone(), place);
                }
                Ok(())
            }
        }
    }

    fn text(&self) -> Result<&'a str, Rejection> {
        let limit = self.decoder.limits.record_bytes;
        let bytes = self.record.payload.unwrap_or_default();
        let headers: usize = self.record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes.len().saturating_add(headers) > limit {
            let detail = format!("it is larger than {limit} bytes, and only so many were looked at");
            return Err(Rejection::new(Reason::TooLarge, detail));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            Rejection::new(Reason::BadEncoding, format!("it is not UTF-8 from byte {} on", error.valid_up_to()))
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            return Err(Rejection::new(Reason::Empty, "it has no bytes but white space"));
        }
        Ok(text)
    }

    /// Values of a list share what stands around it, so that together they may not become many times what was sent.
    fn check_list(&self, values: usize, around: Option<&Envelope<'_>>) -> Result<(), Rejection> {
        let Limits { elements, record_bytes, .. } = self.decoder.limits;
        let copied = around.map_or(0, Envelope::bytes).saturating_mul(values);
        if values == 0 {
            return Err(Rejection::new(Reason::Empty, "it is a list without values"));
        }
        if values > elements {
            return Err(Rejection::new(Reason::TooLarge, format!("it is a list of more than {elements} values")));
        }
        if copied > record_bytes.saturating_mul(8) {
            return Err(Rejection::new(Reason::TooLarge, "its envelope is too large for a list of so many values"));
        }
        Ok(())
    }

    /// A record that is one object in the usual spelling. Mostly it is neither an envelope nor suspect, and then its
    /// canonical form is there already.
    fn plain(&mut self, plain: Plain<'a>, raw: &str) {
        let json = Json::Object(plain.members);
        if Envelope::is_around(&json) || self.decoder.redactor.suspects(raw.as_bytes()) {
            return self.value(json, raw, None, None);
        }
        let hash = ContentHash::of(&plain.canonical);
        self.row(Candidate { json, envelope: None, place: None, may_hold_secrets: false }, hash, raw);
    }

    /// A record's only value, or one of its list.
    fn value(&mut self, mut json: Json<'a>, raw: &str, headers: Option<Envelope<'a>>, place: Option<usize>) {
        if let Err(flaw) = sort_keys(&mut json) {
            return self.reject(raw.as_bytes(), None, flaw.into());
        }
        // Headers are few: where they are an envelope, everything is looked at.
        let may_hold_secrets = headers.is_some() || self.decoder.redactor.suspects(raw.as_bytes());
        match json {
            json if headers.is_none() && Envelope::is_around(&json) => {
                if let Json::Object(members) = json {
                    let (envelope, data) = Envelope::take_apart(members);
                    self.data(envelope, data, raw, may_hold_secrets);
                }
            }
            json => self.candidate(Candidate { json, envelope: headers, place, may_hold_secrets }, raw),
        }
    }

    /// The data of a structured CloudEvent.
    fn data(&mut self, envelope: Envelope<'a>, data: Json<'a>, raw: &str, may_hold_secrets: bool) {
        let Json::List(values) = data else {
            let candidate = Candidate { json: data, envelope: Some(envelope), place: None, may_hold_secrets };
            return self.candidate(candidate, raw);
        };
        if let Err(rejection) = self.check_list(values.len(), Some(&envelope)) {
            return self.reject(raw.as_bytes(), None, rejection);
        }
        for (place, json) in values.into_iter().enumerate() {
            let raw = text_of(&json);
            let envelope = Some(envelope.clone());
            self.candidate(Candidate { json, envelope, place: Some(place), may_hold_secrets }, &raw);
        }
    }

    /// One value becomes one row.
    fn candidate(&mut self, candidate: Candidate<'a>, raw: &str) {
        if !matches!(candidate.json, Json::Object(_)) {
            let detail = format!("it is {} where an object is expected", candidate.json.what());
            return self.reject(raw.as_bytes(), None, Rejection::new(Reason::NotObject, detail));
        }
        let hash = candidate.hash(&self.decoder.redactor, raw.len());
        self.row(candidate, hash, raw);
    }

    fn row(&mut self, candidate: Candidate<'a>, hash: ContentHash, raw: &str) {
        let mut draft = Draft::new();
        let read = self.read(candidate, &mut draft).and_then(|()| check(&draft, self.record.arrival));
        match read {
            Ok(time) => self.accept(time, hash, &mut draft),
            Err(rejection) => {
                let known = draft.known();
                self.reject(raw.as_bytes(), Some(hash.column()), Rejection { known, ..rejection });
            }
        }
    }

    /// After an error the draft holds what is known all the same.
    fn read(&self, mut candidate: Candidate<'a>, draft: &mut Draft<'a>) -> Result<(), Rejection> {
        if candidate.may_hold_secrets {
            candidate.clean(&self.decoder.redactor);
        }
        let read = adapter::read(self.binding.adapter, candidate.json, draft);
        if let Some(envelope) = candidate.envelope {
            envelope.fill(draft, candidate.place);
        }
        let Binding { source, org, .. } = self.binding;
        if let Some(source) = source.as_ref().map(SourceId::as_str) {
            draft.displace(SOURCE, "payload.source", Cow::Borrowed(source));
        }
        if let Some(org) = org.as_ref().map(OrgId::as_str) {
            draft.displace(ORG_ID, "payload.org_id", Cow::Borrowed(org));
        }
        draft.settle_source();
        read
    }

    fn accept(&mut self, time: Micros, hash: ContentHash, draft: &mut Draft<'a>) {
        let place = self.next_place();
        if draft.text(EVENT_ID).is_none_or(str::is_empty) {
            let id = match self.binding.identity {
                IdentityRule::Content => hash.event_id(),
                IdentityRule::Position => format!("p:{}/{}/{}", place.partition, place.offset, place.index),
            };
            draft.set(EVENT_ID, Value::Text(Cow::Owned(id)));
        }
        draft.settle_attributes();
        self.columns.push_event(place, time, hash.column(), draft);
        let ahead_of = self.record.arrival.min(self.record.now).plus(MOST_AHEAD_OF_CLOCK);
        if time <= ahead_of {
            self.latest = self.latest.max(Some(time));
        }
    }

    fn reject(&mut self, raw: &[u8], content_hash: Option<i64>, rejection: Rejection) {
        let Rejection { reason, detail, mut known } = rejection;
        let Limits { raw_bytes, record_bytes, .. } = self.decoder.limits;
        // Far from the end of what was looked at: a secret that is cut in two there is recognised no more.
        let most_bytes = if reason == Reason::TooLarge { raw_bytes.min(record_bytes / 2) } else { raw_bytes };
        let stored = self.decoder.redactor.stored_bytes(raw, most_bytes);
        let detail = sentence(&self.decoder.redactor.clean(None, &detail), stored.remark.as_deref());
        self.decide(&mut known);
        let place = self.next_place();
        let (arrival, raw) = (self.record.arrival, stored.bytes.as_deref());
        let reject = Reject { arrival, content_hash, reason, detail: &detail, raw, known: &known, attributes: &[] };
        self.columns.push_reject(place, &reject);
    }

    /// What the binding says of a record that nobody could read.
    fn decide(&self, known: &mut Known) {
        let Binding { source, org, .. } = self.binding;
        known.source = source.as_ref().map(|source| source.as_str().to_owned()).or(known.source.take());
        known.org_id = org.as_ref().map(|org| org.as_str().to_owned()).or(known.org_id.take());
        known.time = known.time.filter(|time| (Micros(0)..=LATEST_SHOWN).contains(time));
    }

    fn next_place(&mut self) -> Place<'a> {
        let place = Place { partition: self.record.partition, offset: self.record.offset, index: self.next_index };
        self.next_index += 1;
        place
    }
}

impl Candidate<'_> {
    fn hash(&self, redactor: &Redactor, about_bytes: usize) -> ContentHash {
        let strings = if self.may_hold_secrets { Strings::Masked(redactor) } else { Strings::AsTheyAre };
        let mut canonical = Vec::with_capacity(about_bytes + 64);
        match &self.envelope {
            Some(envelope) => envelope.write_canonical(&self.json, strings, &mut canonical),
            None => write(&self.json, None, strings, &mut canonical),
        }
        ContentHash::of(&canonical)
    }

    fn clean(&mut self, redactor: &Redactor) {
        redactor.clean_json(None, &mut self.json);
        for (key, value) in self.envelope.iter_mut().flat_map(Envelope::members_mut) {
            redactor.clean_json(Some(key), value);
            if let Cow::Owned(clean) = redactor.clean(None, key) {
                *key = Cow::Owned(clean);
            }
        }
    }
}

impl From<Flaw> for Rejection {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::TooDeep => Self::new(Reason::TooDeep, "its lists and objects are nested too deeply"),
            Flaw::DuplicateKey(key) => Self::new(Reason::DuplicateKey, format!("an object in it has {key:?} twice")),
        }
    }
}

/// What makes a draft an event, in a fixed order; returns its time.
fn check(draft: &Draft<'_>, arrival: Micros) -> Result<Micros, Rejection> {
    let Some(time) = draft.time() else { return Err(Rejection::new(Reason::NoTime, "it has no time")) };
    if time < EARLIEST {
        return Err(Rejection::new(Reason::BadTime, "its time is before 2010"));
    }
    if time > arrival.plus(MOST_AHEAD) {
        return Err(Rejection::new(Reason::FutureTime, "its time is more than 24 hours after it arrived"));
    }
    if !draft.has_kind() {
        return Err(Rejection::new(Reason::NoKind, "it has no kind"));
    }
    Ok(time)
}

fn sentence(detail: &str, remark: Option<&str>) -> String {
    let mut sentence: String = detail.chars().take(MOST_DETAIL).collect();
    if let Some(remark) = remark {
        sentence.push_str("; ");
        sentence.push_str(remark);
    }
    sentence
}

#[cfg(test)]
mod tests;
