-- Is the connection that was resolved the one that the audit record names?
-- calls whose steps name no connection
SELECT CASE WHEN coalesce(cardinality(named), 0) = 0 OR connection_id IS NULL THEN 'unseen'
            WHEN cardinality(array_remove_all(named, connection_id)) > 0 THEN 'against'
            ELSE 'for' END AS verdict,
       concat('call ', event_id) AS what, org_id, agent_id, time, connection_id, named
FROM (
  SELECT event_id, org_id, agent_id, time, connection_id, array_remove_all(step_connections(steps), CAST(NULL AS VARCHAR)) AS named
  FROM events
  WHERE kind = 'tool_call' AND time >= $from AND time < $to
)
