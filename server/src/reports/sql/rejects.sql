SELECT count(*) FILTER (WHERE time >= $from AND time < $to) AS dated,
       count(*) FILTER (WHERE time IS NULL AND ingest_time >= $from AND ingest_time < $to) AS undated
FROM rejects
