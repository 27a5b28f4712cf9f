-- Is every scope that was granted also used?
-- connections that do not say what was granted, or what was used
SELECT CASE WHEN granted = 0 OR used = 0 THEN 'unseen' WHEN unused > 0 THEN 'against' ELSE 'for' END AS verdict,
       concat('connection ', connection_id) AS what, org_id, granted, used, unused, unused_scopes
FROM (
  SELECT org_id, connection_id, count(DISTINCT scope) FILTER (WHERE is_grant) AS granted,
         count(DISTINCT scope) FILTER (WHERE NOT is_grant) AS used,
         count(DISTINCT scope) FILTER (WHERE is_grant AND NOT is_used) AS unused,
         array_agg(DISTINCT scope) FILTER (WHERE is_grant AND NOT is_used) AS unused_scopes
  FROM (
    SELECT s.org_id, s.connection_id, s.scope, s.is_grant,
           max(CASE WHEN NOT s.is_grant THEN 1 ELSE 0 END) OVER (PARTITION BY s.org_id, s.connection_id, s.scope) = 1 AS is_used
    FROM (
      SELECT DISTINCT org_id, connection_id, unnest(scopes_granted) AS scope, true AS is_grant
      FROM events WHERE kind = 'tool_call' AND connection_id IS NOT NULL AND scopes_granted IS NOT NULL AND time >= $from AND time < $to
      UNION ALL
      SELECT DISTINCT org_id, connection_id, scope_used, false
      FROM events WHERE kind = 'tool_call' AND connection_id IS NOT NULL AND scope_used IS NOT NULL AND time >= $from AND time < $to
    ) s
  )
  GROUP BY org_id, connection_id
)
