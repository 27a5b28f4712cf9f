-- Does a revocation stop the agents of that connection, until somebody has authorised it again?
-- there was no revocation; one that names no connection or no org; one after which the log ends within half a minute
SELECT CASE
         WHEN r.connection_id IS NULL OR r.org_id IS NULL THEN 'unseen'
         WHEN count(c.time) > 0 THEN 'against'
         WHEN r.time + INTERVAL '30 seconds' >= max(r.log_ends) THEN 'unseen'
         ELSE 'for'
       END AS verdict,
       concat('revocation of ', coalesce(r.connection_id, 'no connection'), ' at ', CAST(r.time AS VARCHAR)) AS what,
       r.org_id, count(c.time) AS calls_after_half_a_minute, min(r.renewed) AS renewed
FROM (
  SELECT o.event_id, o.org_id, o.connection_id, o.time, min(n.time) AS renewed,
         (SELECT max(time) FROM events WHERE time < $to) AS log_ends
  FROM events o
  LEFT JOIN events n ON n.org_id = o.org_id AND n.connection_id = o.connection_id AND n.time > o.time
    AND n.kind IN ('reauth_completed', 'connection_created') AND coalesce(n.outcome, 'success') = 'success'
  WHERE o.kind = 'token_revocation' AND coalesce(o.outcome, 'success') = 'success' AND o.time >= $from AND o.time < $to
  GROUP BY o.event_id, o.org_id, o.connection_id, o.time
) r
LEFT JOIN events c ON c.org_id = r.org_id AND c.connection_id = r.connection_id AND c.kind = 'tool_call'
  AND c.time > r.time + INTERVAL '30 seconds' AND (r.renewed IS NULL OR c.time < r.renewed) AND c.time < $to
GROUP BY r.event_id, r.org_id, r.connection_id, r.time
