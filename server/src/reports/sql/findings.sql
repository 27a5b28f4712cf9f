SELECT raised_time >= $from AS of_week, detector_id, severity, status, count(*) AS findings
FROM findings_current
WHERE raised_time >= $before AND raised_time < $to
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
