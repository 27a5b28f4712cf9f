-- Is a change of scopes an event of its own, with who approved it?
-- no change of scopes was told, and none showed; connections of which a call does not say what was granted
SELECT verdict, what, org_id, connection_id, time
FROM (
  SELECT CASE WHEN approver_id IS NULL THEN 'against' ELSE 'for' END AS verdict,
         concat('change of ', coalesce(connection_id, 'no connection'), ' at ', CAST(time AS VARCHAR)) AS what, org_id, connection_id, time
  FROM events
  WHERE kind = 'scope_change' AND time >= $from AND time < $to
  UNION ALL
  SELECT 'against', concat('scopes of ', connection_id, ' changed between two calls, and no event tells of it'), org_id, connection_id, time
  FROM (
    SELECT org_id, connection_id, time, scopes, lag(scopes) OVER same AS before, lag(grants_before) OVER same AS grants_at_last_call, grants_before
    FROM (
      SELECT org_id, connection_id, time, kind, event_id, content_hash, source,
             array_to_string(array_sort(scopes_granted), ' ') AS scopes,
             sum(CASE WHEN kind = 'tool_call' THEN 0 ELSE 1 END) OVER (PARTITION BY org_id, connection_id ORDER BY time, event_id, content_hash, source
               ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS grants_before
      FROM events
      WHERE connection_id IS NOT NULL AND time >= $from AND time < $to
        AND (kind = 'tool_call' AND scopes_granted IS NOT NULL
          OR kind IN ('scope_change', 'consent', 'connection_created', 'reauth_completed'))
    )
    WHERE kind = 'tool_call'
    WINDOW same AS (PARTITION BY org_id, connection_id ORDER BY time, event_id, content_hash, source)
  )
  WHERE before <> scopes AND grants_before = grants_at_last_call
  UNION ALL
  SELECT 'unseen', concat('calls of ', coalesce(connection_id, 'no connection'), ' that do not say what was granted'), org_id, connection_id, min(time)
  FROM events
  WHERE kind = 'tool_call' AND (scopes_granted IS NULL OR connection_id IS NULL) AND time >= $from AND time < $to
  GROUP BY org_id, connection_id
)
