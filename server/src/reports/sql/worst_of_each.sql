SELECT *
FROM (
  SELECT *, row_number() OVER (
      PARTITION BY detector_id
      ORDER BY CASE severity WHEN 'critical' THEN 4 WHEN 'high' THEN 3 WHEN 'medium' THEN 2 WHEN 'low' THEN 1 ELSE 0 END DESC,
               status = 'resolved', event_count DESC, raised_time, finding_id
    ) AS place
  FROM findings_current
  WHERE raised_time >= $from AND raised_time < $to AND status IN ('open', 'resolved')
)
WHERE place <= 10
ORDER BY detector_id, place
LIMIT 10000
