SELECT org_id, agent_id, dest_host,
       count(*) FILTER (WHERE time >= $from) AS calls,
       count(*) FILTER (WHERE time >= $from AND outcome = 'failure') AS failures,
       count(*) FILTER (WHERE time >= $from AND outcome = 'denied') AS denied,
       count(*) FILTER (WHERE time >= $from AND outcome IS NULL) AS unknown,
       count(*) FILTER (WHERE time < $from) AS calls_before,
       count(*) FILTER (WHERE time < $from AND outcome = 'failure') AS failures_before,
       count(*) FILTER (WHERE time < $from AND outcome = 'denied') AS denied_before,
       count(*) FILTER (WHERE time < $from AND outcome IS NULL) AS unknown_before
FROM events
WHERE kind = 'tool_call' AND time >= $before AND time < $to
GROUP BY org_id, agent_id, dest_host
ORDER BY calls DESC, org_id, agent_id, dest_host
