SELECT finding_id, detector_id, told['name'] AS compared, told['observed'] AS observed, told['threshold'] AS threshold
FROM (
  SELECT finding_id, detector_id, unnest(compared) AS told
  FROM findings_current
  WHERE raised_time >= $from AND raised_time < $to AND status IN ('open', 'resolved')
)
WHERE told['unit'] = 'probability' AND told['observed'] >= 0 AND told['threshold'] > 0
ORDER BY finding_id, compared
LIMIT 100000
