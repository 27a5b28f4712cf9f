SELECT org_id, agent_id, dest_host,
       count(*) FILTER (WHERE time >= $from) AS calls,
       count(*) FILTER (WHERE time >= $from AND outcome = 'failure') AS failures,
       count(*) FILTER (WHERE time >= $from AND outcome = 'denied') AS denied,
       count(*) FILTER (WHERE time >= $from AND (outcome IS NULL OR outcome NOT IN ('success', 'failure', 'denied'))) AS unknown,
       count(*) FILTER (WHERE time < $from) AS calls_before,
       count(*) FILTER (WHERE time < $from AND outcome = 'failure') AS failures_before,
       count(*) FILTER (WHERE time < $from AND outcome = 'denied') AS denied_before,
       count(*) FILTER (WHERE time < $from AND (outcome IS NULL OR outcome NOT IN ('success', 'failure', 'denied'))) AS unknown_before
FROM events
WHERE kind = 'tool_call' AND time >= $before AND time < $to
GROUP BY org_id, agent_id, dest_host
