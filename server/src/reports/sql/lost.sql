-- Records that Kafka deleted before they were read, found out in the week. Whose they were nobody knows.
SELECT coalesce(sum(CAST(attributes['next_offset'] AS BIGINT) - kafka_offset), 0) AS lost
FROM rejects
WHERE reason = 'deleted_unread' AND ingest_time >= $from AND ingest_time < $to
