SELECT org_id, source, min(time) AS since
FROM events
GROUP BY org_id, source
ORDER BY org_id, source
