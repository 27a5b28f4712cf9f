//! The providers whose API the agents call: hosts, operations, lives of tokens, and words for a revoked token.
//!
//! Hosts are the real ones, because detectors know them from provider profiles. Everything else in the simulation lies
//! under `.example`.

use credwatch_schemas::time::{HOUR, MINUTE};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) scope: &'static str,
}

#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) name: &'static str,
    /// `{tenant}` stands for the org's own label.
    pub(crate) host: &'static str,
    /// Life of an access token in microseconds; `None` never expires and is never refreshed.
    pub(crate) token_life: Option<i64>,
    /// Whether a refresh replaces the refresh token too.
    pub(crate) rotates: bool,
    /// Code beside a 401 when the token was revoked; `None` where the provider does not tell that from an expiry.
    pub(crate) revoked: Option<&'static str>,
    /// Code beside a 401 when the token has merely expired.
    pub(crate) expired: &'static str,
    pub(crate) operations: &'static [Operation],
}

const fn op(name: &'static str, method: &'static str, path: &'static str, scope: &'static str) -> Operation {
    Operation { name, method, path, scope }
}

pub(crate) static SLACK: Provider = Provider {
    name: "slack",
    host: "slack.com",
    token_life: Some(12 * HOUR),
    rotates: true,
    revoked: Some("token_revoked"),
    expired: "token_expired",
    operations: &[
        op("slack.post_message", "POST", "/api/chat.postMessage", "chat:write"),
        op("slack.list_channels", "GET", "/api/conversations.list", "channels:read"),
        op("slack.read_history", "GET", "/api/conversations.history", "channels:history"),
        op("slack.user_info", "GET", "/api/users.info", "users:read"),
    ],
};

pub(crate) static GITHUB: Provider = Provider {
    name: "github",
    host: "api.github.com",
    token_life: Some(8 * HOUR),
    rotates: true,
    revoked: None,
    expired: "bad_credentials",
    operations: &[
        op("github.get_content", "GET", "/repos/{owner}/{repo}/contents/{path}", "contents:read"),
        op("github.list_pulls", "GET", "/repos/{owner}/{repo}/pulls", "pull_requests:read"),
        op("github.create_comment", "POST", "/repos/{owner}/{repo}/issues/{number}/comments", "issues:write"),
        op("github.create_status", "POST", "/repos/{owner}/{repo}/statuses/{sha}", "statuses:write"),
        op("github.list_commits", "GET", "/repos/{owner}/{repo}/commits", "contents:read"),
    ],
};

pub(crate) static SALESFORCE: Provider = Provider {
    name: "salesforce",
    host: "{tenant}.my.salesforce.com",
    token_life: Some(2 * HOUR),
    rotates: false,
    revoked: None,
    expired: "INVALID_SESSION_ID",
    operations: &[
        op("salesforce.query", "GET", "/services/data/v63.0/query", "api"),
        op("salesforce.get_account", "GET", "/services/data/v63.0/sobjects/Account/{id}", "api"),
        op("salesforce.update_case", "PATCH", "/services/data/v63.0/sobjects/Case/{id}", "api"),
    ],
};

pub(crate) static GOOGLE: Provider = Provider {
    name: "google",
    host: "www.googleapis.com",
    token_life: Some(HOUR),
    rotates: false,
    revoked: Some("invalid_grant"),
    expired: "authError",
    operations: &[
        op("google.list_events", "GET", "/calendar/v3/calendars/{id}/events", "calendar.readonly"),
        op("google.get_file", "GET", "/drive/v3/files/{id}", "drive.readonly"),
        op("google.list_files", "GET", "/drive/v3/files", "drive.readonly"),
        op("google.create_event", "POST", "/calendar/v3/calendars/{id}/events", "calendar.events"),
    ],
};

pub(crate) static MICROSOFT: Provider = Provider {
    name: "microsoft",
    host: "graph.microsoft.com",
    token_life: Some(HOUR),
    rotates: true,
    revoked: Some("AADSTS50173"),
    expired: "InvalidAuthenticationToken",
    operations: &[
        op("microsoft.list_messages", "GET", "/v1.0/me/messages", "Mail.Read"),
        op("microsoft.list_events", "GET", "/v1.0/me/calendarView", "Calendars.Read"),
        op("microsoft.get_item", "GET", "/v1.0/me/drive/items/{id}", "Files.Read"),
    ],
};

pub(crate) static HUBSPOT: Provider = Provider {
    name: "hubspot",
    host: "api.hubapi.com",
    token_life: Some(30 * MINUTE),
    rotates: true,
    revoked: Some("BAD_REFRESH_TOKEN"),
    expired: "EXPIRED_AUTHENTICATION",
    operations: &[
        op("hubspot.search_contacts", "POST", "/crm/v3/objects/contacts/search", "crm.objects.contacts.read"),
        op("hubspot.get_deal", "GET", "/crm/v3/objects/deals/{id}", "crm.objects.deals.read"),
        op("hubspot.update_contact", "PATCH", "/crm/v3/objects/contacts/{id}", "crm.objects.contacts.write"),
    ],
};

pub(crate) static NOTION: Provider = Provider {
    name: "notion",
    host: "api.notion.com",
    token_life: None,
    rotates: false,
    revoked: None,
    expired: "unauthorized",
    operations: &[
        op("notion.query_database", "POST", "/v1/databases/{id}/query", "read_content"),
        op("notion.get_page", "GET", "/v1/pages/{id}", "read_content"),
        op("notion.append_block", "PATCH", "/v1/blocks/{id}/children", "insert_content"),
    ],
};

pub(crate) static STRIPE: Provider = Provider {
    name: "stripe",
    host: "api.stripe.com",
    token_life: None,
    rotates: false,
    revoked: Some("account_invalid"),
    expired: "api_key_expired",
    operations: &[
        op("stripe.list_charges", "GET", "/v1/charges", "charges_read"),
        op("stripe.list_invoices", "GET", "/v1/invoices", "invoices_read"),
        op("stripe.get_customer", "GET", "/v1/customers/{id}", "customers_read"),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotating_provider_has_tokens_that_end() {
        for provider in [&SLACK, &GITHUB, &SALESFORCE, &GOOGLE, &MICROSOFT, &HUBSPOT, &NOTION, &STRIPE] {
            assert!(provider.token_life.is_some() || !provider.rotates, "{}", provider.name);
            assert!(!provider.operations.is_empty(), "{}", provider.name);
        }
    }
}
