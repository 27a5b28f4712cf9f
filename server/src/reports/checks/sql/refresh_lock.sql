-- Is a connection refreshed by one worker at a time?
-- refreshes that name no connection, or of which the one before does not say how long it took
SELECT CASE
         WHEN connection_id IS NULL OR before IS NOT NULL AND took IS NULL THEN 'unseen'
         WHEN time < before + took THEN 'against'
         ELSE 'for'
       END AS verdict,
       concat('refresh ', event_id, ' of ', coalesce(connection_id, 'no connection')) AS what, org_id, time, before, replica_id, replica_before
FROM (
  SELECT event_id, org_id, connection_id, time, replica_id,
         lag(time) OVER same AS before, lag(replica_id) OVER same AS replica_before,
         to_timestamp_micros(lag(duration_ms) OVER same * 1000) - to_timestamp_micros(0) AS took,
         count(*) OVER (PARTITION BY org_id, connection_id) AS refreshes
  FROM events
  WHERE kind = 'token_refresh' AND time >= $from AND time < $to
  WINDOW same AS (PARTITION BY org_id, connection_id ORDER BY time, event_id, content_hash, source)
)
-- The second of several tells of the first as well.
WHERE connection_id IS NULL OR before IS NOT NULL OR refreshes = 1
