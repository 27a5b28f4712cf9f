//! Why a record, or a run of them, did not become an event. The list is closed: dashboards and alerts may name its members.

use std::fmt;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[doc = $doc])* $variant,)* }

        impl Reason {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in the column `reason`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

reasons! {
    /// No bytes, only white space, or an empty array.
    Empty = "empty",
    /// Not UTF-8.
    BadEncoding = "bad_encoding",
    /// Not JSON.
    NotJson = "not_json",
    /// JSON, but not an object (or an array of objects).
    NotObject = "not_object",
    /// One object has the same key twice: which value is meant cannot be known.
    DuplicateKey = "duplicate_key",
    /// Larger than the limit for one record.
    TooLarge = "too_large",
    /// Nested more deeply than the limit.
    TooDeep = "too_deep",
    /// No time.
    NoTime = "no_time",
    /// A time that cannot be read, or before 2010.
    BadTime = "bad_time",
    /// More than 24 hours after the record arrived.
    FutureTime = "future_time",
    /// No kind.
    NoKind = "no_kind",
    /// A known field with a value of another type.
    WrongType = "wrong_type",
    /// No adapter recognises the record.
    UnknownShape = "unknown_shape",
    /// The adapter recognised the record and could not read it.
    AdapterFailed = "adapter_failed",
    /// Kafka deleted a run of records before they were read: one row stands for all of them, from its offset up to the
    /// attribute [`NEXT_OFFSET`].
    DeletedUnread = "deleted_unread",
}

/// The attribute of a row for [`Reason::DeletedUnread`] that says how far it reaches: the first offset behind it.
pub const NEXT_OFFSET: &str = "next_offset";

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
