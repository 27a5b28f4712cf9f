-- Asked in words of its own for each step: see packs.rs.
-- calls that do not say in which steps they ran
SELECT CASE
         WHEN executed_at IS NULL THEN 'unseen'
         WHEN done_at IS NULL OR done_at > executed_at THEN 'against'
         WHEN outcomes[CAST(done_at AS BIGINT)] IS NULL THEN 'unseen'
         WHEN outcomes[CAST(done_at AS BIGINT)] = 'success' THEN 'for'
         ELSE 'against'
       END AS verdict,
       concat('call ', event_id) AS what, org_id, agent_id, time, array_to_string(names, ' ') AS steps
FROM (
  SELECT event_id, org_id, agent_id, time, step_names(steps) AS names, step_outcomes(steps) AS outcomes,
         array_position(step_names(steps), $step) AS done_at, array_position(step_names(steps), 'tool_execution') AS executed_at
  FROM events
  WHERE kind = 'tool_call' AND time >= $from AND time < $to
)
