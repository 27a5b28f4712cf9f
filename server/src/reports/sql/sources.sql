SELECT org_id, source, min(time) AS since
FROM events
WHERE time < $to
GROUP BY org_id, source
ORDER BY org_id, source
LIMIT 10000
