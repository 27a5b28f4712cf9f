-- Is every scope that was granted also used?
-- connections of which a call does not say what was granted, or what it used
SELECT CASE
         WHEN connection_id IS NULL OR granted = 0 OR without_scope > 0 THEN 'unseen'
         WHEN unused > 0 THEN 'against'
         ELSE 'for'
       END AS verdict,
       CASE WHEN connection_id IS NULL THEN 'calls without a connection' ELSE concat('connection ', connection_id) END AS what, org_id, granted, unused, without_scope, calls
FROM (
  SELECT c.org_id, c.connection_id, c.calls, c.without_scope, count(g.scope) AS granted,
         count(CASE WHEN u.scope IS NULL THEN g.scope END) AS unused
  FROM (
    SELECT org_id, connection_id, count(*) AS calls, count(*) FILTER (WHERE scope_used IS NULL OR scopes_granted IS NULL) AS without_scope
    FROM events WHERE kind = 'tool_call' AND coalesce(outcome, 'success') = 'success' AND time >= $from AND time < $to
    GROUP BY org_id, connection_id
  ) c
  LEFT JOIN (
    SELECT DISTINCT org_id, connection_id, unnest(scopes_granted) AS scope
    FROM events WHERE kind = 'tool_call' AND scopes_granted IS NOT NULL AND time >= $from AND time < $to
  ) g ON coalesce(g.org_id, '') = coalesce(c.org_id, '') AND g.connection_id = c.connection_id
  LEFT JOIN (
    SELECT DISTINCT org_id, connection_id, scope_used AS scope
    FROM events WHERE kind = 'tool_call' AND scope_used IS NOT NULL AND time >= $from AND time < $to
  ) u ON coalesce(u.org_id, '') = coalesce(g.org_id, '') AND u.connection_id = g.connection_id AND u.scope = g.scope
  GROUP BY c.org_id, c.connection_id, c.calls, c.without_scope
)
