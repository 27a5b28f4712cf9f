-- Was the credential of each call valid and in scope at that moment?
-- calls of which neither a grant nor their own scopes are known
SELECT CASE
         WHEN scope_used IS NOT NULL AND scopes_granted IS NOT NULL AND NOT array_has(scopes_granted, scope_used) THEN 'against'
         WHEN token_expires_at < time THEN 'against'
         WHEN g.scopes_granted_then IS NOT NULL AND c.scope_used IS NOT NULL
           AND NOT array_has(g.scopes_granted_then, c.scope_used) THEN 'against'
         WHEN g.scopes_granted_then IS NOT NULL AND c.scopes_required IS NOT NULL
           AND NOT array_has_all(g.scopes_granted_then, c.scopes_required) THEN 'against'
         WHEN g.valid_from IS NULL AND c.time >= c.first_granted THEN 'against'
         WHEN g.valid_from IS NOT NULL AND (g.scopes_granted_then IS NULL OR scope_used IS NULL AND scopes_required IS NULL) THEN 'unseen'
         WHEN g.valid_from IS NOT NULL THEN 'for'
         WHEN scope_used IS NOT NULL AND scopes_granted IS NOT NULL AND token_expires_at IS NOT NULL THEN 'for'
         ELSE 'unseen'
       END AS verdict,
       concat('call ', event_id) AS what, c.org_id, c.connection_id, time, operation, scope_used, scopes_required, scopes_granted,
       token_expires_at, g.valid_from AS granted_since, g.granted_by, g.consent_id
FROM (
  SELECT e.event_id, e.org_id, e.connection_id, e.time, e.operation, e.scope_used, e.scopes_required, e.scopes_granted,
         e.token_expires_at, known.first_granted
  FROM events e
  LEFT JOIN (SELECT org_id, connection_id, min(valid_from) AS first_granted FROM grants_asof GROUP BY org_id, connection_id) known
    ON known.org_id = e.org_id AND known.connection_id = e.connection_id
  WHERE e.kind = 'tool_call' AND coalesce(e.outcome, 'success') = 'success' AND e.time >= $from AND e.time < $to
) c
LEFT JOIN (SELECT org_id, connection_id, valid_from, valid_to, scopes_granted AS scopes_granted_then, granted_by, consent_id FROM grants_asof) g
  ON g.org_id = c.org_id AND g.connection_id = c.connection_id AND g.valid_from <= c.time
  AND (g.valid_to IS NULL OR c.time < g.valid_to)
