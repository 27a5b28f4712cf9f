-- Is a connection refreshed by one worker at a time?
-- refreshes that do not say how long they took; a connection that was refreshed once
SELECT CASE WHEN before IS NULL OR took IS NULL THEN 'unseen' WHEN time < before + took THEN 'against' ELSE 'for' END AS verdict,
       concat('refresh ', event_id, ' of ', connection_id) AS what, org_id, time, before, replica_id, replica_before
FROM (
  SELECT event_id, org_id, connection_id, time, replica_id,
         lag(time) OVER same AS before, lag(replica_id) OVER same AS replica_before,
         to_timestamp_micros(lag(duration_ms) OVER same * 1000) - to_timestamp_micros(0) AS took
  FROM events
  WHERE kind = 'token_refresh' AND connection_id IS NOT NULL AND time >= $from AND time < $to
  WINDOW same AS (PARTITION BY org_id, connection_id ORDER BY time, event_id, content_hash, source)
)
WHERE before IS NOT NULL
