-- Is the connection that was resolved the one that the audit record names?
-- calls whose steps name no connection, or that name none themselves
SELECT CASE WHEN connection_id IS NULL OR resolved = 0 THEN 'unseen' WHEN others > 0 THEN 'against' ELSE 'for' END AS verdict,
       concat('call ', event_id) AS what, org_id, agent_id, time, connection_id, resolved, others
FROM (
  SELECT event_id, content_hash, source, org_id, agent_id, time, connection_id, count(other) AS resolved,
         count(CASE WHEN other <> connection_id THEN other END) AS others
  FROM (
    SELECT event_id, content_hash, source, org_id, agent_id, time, connection_id, unnest(step_connections(steps)) AS other
    FROM events
    WHERE kind = 'tool_call' AND cardinality(step_connections(steps)) > 0 AND time >= $from AND time < $to
    UNION ALL
    SELECT event_id, content_hash, source, org_id, agent_id, time, connection_id, NULL
    FROM events
    WHERE kind = 'tool_call' AND coalesce(cardinality(step_connections(steps)), 0) = 0 AND time >= $from AND time < $to
  )
  GROUP BY event_id, content_hash, source, org_id, agent_id, time, connection_id
)
