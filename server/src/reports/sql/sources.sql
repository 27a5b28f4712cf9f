SELECT source, count(*) AS events, min(time) AS first_time, max(time) AS last_time, max(seq) AS data_seq,
       count(*) FILTER (WHERE ingest_time > time + INTERVAL '15 minutes') AS late
FROM events
WHERE time >= $from AND time < $to
GROUP BY source
ORDER BY source
