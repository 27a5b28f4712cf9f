WITH agents AS (
  SELECT org_id, agent_id,
         count(*) FILTER (WHERE time >= $from) AS calls,
         count(*) FILTER (WHERE time < $from) AS calls_before
  FROM events
  WHERE kind = 'tool_call' AND time >= $before AND time < $to
  GROUP BY org_id, agent_id
)
SELECT org_id, agent_id, calls > 0 AS is_new
FROM agents
WHERE (calls > 0) <> (calls_before > 0)
ORDER BY org_id, agent_id
LIMIT 10000
