SELECT *
FROM findings_current
WHERE raised_time >= $from AND raised_time < $to AND status = 'suppressed'
ORDER BY CASE severity WHEN 'critical' THEN 4 WHEN 'high' THEN 3 WHEN 'medium' THEN 2 WHEN 'low' THEN 1 ELSE 0 END DESC,
         status = 'resolved', event_count DESC, raised_time, finding_id
LIMIT 10
