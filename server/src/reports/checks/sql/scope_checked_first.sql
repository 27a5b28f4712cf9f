-- Is the scope checked against the grant before the call is executed?
-- calls that do not say in which steps they ran
SELECT CASE
         WHEN checked_at IS NULL AND executed_at IS NULL THEN 'unseen'
         WHEN checked_at IS NULL OR checked_at > executed_at THEN 'against'
         ELSE 'for'
       END AS verdict,
       concat('call ', event_id) AS what, org_id, agent_id, time, checked_at, executed_at
FROM (
  SELECT event_id, content_hash, source, org_id, agent_id, time,
         min(CASE WHEN step['name'] = 'scope_check' THEN coalesce(step['time'], time) END) AS checked_at,
         min(CASE WHEN step['name'] = 'tool_execution' THEN coalesce(step['time'], time) END) AS executed_at
  FROM (
    SELECT event_id, content_hash, source, org_id, agent_id, time, unnest(steps) AS step
    FROM events
    WHERE kind = 'tool_call' AND cardinality(steps) > 0 AND time >= $from AND time < $to
  )
  GROUP BY event_id, content_hash, source, org_id, agent_id, time
  UNION ALL
  SELECT event_id, content_hash, source, org_id, agent_id, time, NULL, NULL
  FROM events
  WHERE kind = 'tool_call' AND coalesce(cardinality(steps), 0) = 0 AND time >= $from AND time < $to
)
