SELECT count(*) AS rejects
FROM rejects
WHERE ingest_time >= $from AND ingest_time < $to
