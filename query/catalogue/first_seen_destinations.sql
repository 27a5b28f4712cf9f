-- Hosts that each agent has called: since when, how often, and when last.
SELECT org_id, agent_id, dest_host, min(time) AS first_time, max(time) AS last_time, count(*) AS calls
FROM events
WHERE kind = 'tool_call' AND dest_host IS NOT NULL
GROUP BY org_id, agent_id, dest_host
