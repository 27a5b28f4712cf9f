SELECT org_id, source, min(time) AS since,
       count(*) FILTER (WHERE time >= $from) AS events,
       count(*) FILTER (WHERE time >= $from AND ingest_time > time + INTERVAL '15 minutes') AS late,
       max(CASE WHEN time >= $from THEN time END) AS last_time,
       max(CASE WHEN time >= $from THEN seq END) AS data_seq
FROM events
WHERE time < $to
GROUP BY org_id, source
ORDER BY org_id, source
LIMIT 10000
