SELECT *
FROM findings_current
WHERE raised_time >= $before AND raised_time < $to
