-- What each connection was allowed to do, and from when until when; valid_to is null while it holds. Scopes that no event told are null: unknown, not none.
SELECT org_id, connection_id, provider, user_id, owner_id, scopes_granted, approver_id, consent_id, granted_by,
       valid_from, valid_to, ended_by, event_id, content_hash, source
FROM (
    SELECT org_id, connection_id, provider, user_id, owner_id, scopes_granted, approver_id, consent_id,
           kind AS granted_by, time AS valid_from, event_id, content_hash, source,
           lead(time) OVER (PARTITION BY org_id, connection_id ORDER BY time, event_id, content_hash, source) AS valid_to,
           lead(kind) OVER (PARTITION BY org_id, connection_id ORDER BY time, event_id, content_hash, source) AS ended_by
    FROM events
    WHERE connection_id IS NOT NULL
      AND kind IN ('connection_created', 'consent', 'scope_change', 'reauth_completed', 'token_revocation', 'connection_deleted')
      AND (outcome IS NULL OR outcome = 'success')
)
WHERE granted_by NOT IN ('token_revocation', 'connection_deleted')
