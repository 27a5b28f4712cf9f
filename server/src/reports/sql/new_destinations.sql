SELECT org_id, agent_id, lower(rtrim(dest_host, '.')) AS dest_host, min(time) AS first_time, count(*) AS calls,
       count(*) OVER () AS destinations
FROM events
WHERE kind = 'tool_call' AND dest_host IS NOT NULL AND time < $to
GROUP BY 1, 2, 3
HAVING min(time) >= $from
ORDER BY first_time, org_id, agent_id, dest_host
LIMIT 50
