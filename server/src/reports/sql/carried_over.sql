SELECT count(*) AS findings
FROM findings_current
WHERE raised_time < $from AND status = 'open'
