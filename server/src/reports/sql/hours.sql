SELECT org_id, source, (CAST(time AS BIGINT) - $start) / 3600000000 AS hour,
       count(*) AS events,
       count(*) FILTER (WHERE ingest_time > time + INTERVAL '15 minutes') AS late,
       max(time) AS last_time,
       max(seq) AS data_seq,
       count(*) FILTER (WHERE kind = 'tool_call') AS calls,
       count(*) FILTER (WHERE kind = 'tool_call' AND outcome = 'failure') AS failures
FROM events
WHERE time >= $from AND time < $to
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
