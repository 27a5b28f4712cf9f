//! An event before it is written out: some tens of bytes, so that an hour of a large fleet fits into memory.

use credwatch_schemas::event::Event;
use credwatch_schemas::time::Micros;

/// Places of an org and of one of its agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who {
    pub(crate) org: usize,
    pub(crate) agent: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Sketch {
    pub(crate) time: Micros,
    pub(crate) who: Who,
    /// Tells apart what one agent does, and names the event.
    pub(crate) key: u64,
    pub(crate) what: What,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Call(Call),
    Refresh {
        connection: usize,
        trigger: &'static str,
    },
    Deploy,
    Probe {
        replica: u64,
    },
    /// Written by a scenario, whole.
    Scripted(Box<Event>),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) target: Target,
    pub(crate) operation: usize,
    pub(crate) answer: Answer,
    pub(crate) attempt: i32,
    /// Shared by the attempts of one call.
    pub(crate) trace: u64,
}

/// Where a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// To a provider, with the connection's credential.
    Connection(usize),
    /// To the org's own host, without one.
    Own(usize),
    /// To a site of the open web, by its rank in popularity.
    Site(u32),
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// `None`: nobody answered.
    pub(crate) status: Option<i32>,
    pub(crate) code: Option<&'static str>,
    pub(crate) retry_after_ms: Option<i64>,
}

impl Answer {
    pub(crate) const OK: Self = Self { status: Some(200), code: None, retry_after_ms: None };
    pub(crate) const TIMEOUT: Self = Self { status: None, code: Some("timeout"), retry_after_ms: None };

    pub(crate) const fn failed(status: i32, code: &'static str) -> Self {
        Self { status: Some(status), code: Some(code), retry_after_ms: None }
    }

    pub(crate) const fn throttled(retry_after_ms: i64) -> Self {
        Self { status: Some(429), code: Some("rate_limited"), retry_after_ms: Some(retry_after_ms) }
    }

    pub(crate) fn is_success(self) -> bool {
        self.status == Some(200)
    }

    /// Worth another attempt.
    pub(crate) fn is_passing(self) -> bool {
        self.status.is_none_or(|status| status >= 500 || status == 429)
    }
}

impl Sketch {
    pub(crate) fn order(&self) -> (Micros, Who, u64) {
        (self.time, self.who, self.key)
    }
}
