SELECT org_id, agent_id, dest_host, min(time) AS first_time, count(*) AS calls
FROM events
WHERE kind = 'tool_call' AND dest_host IS NOT NULL AND time < $to
GROUP BY org_id, agent_id, dest_host
HAVING min(time) >= $from
ORDER BY first_time, org_id, agent_id, dest_host
