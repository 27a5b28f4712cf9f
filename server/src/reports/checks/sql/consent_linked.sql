-- Does each call lead to the consent that its connection was granted by?
-- calls that name no connection, or of whose granting no event tells, or tells without the consent's id
SELECT CASE
         WHEN c.connection_id IS NULL OR c.org_id IS NULL THEN 'unseen'
         WHEN g.valid_from IS NULL AND c.time >= c.first_granted THEN 'against'
         WHEN g.consent_id IS NULL THEN 'unseen'
         ELSE 'for'
       END AS verdict,
       concat('call ', c.event_id) AS what, c.org_id, c.connection_id, c.time, g.granted_by, g.valid_from AS granted_since, g.consent_id
FROM (
  SELECT e.event_id, e.org_id, e.connection_id, e.time, known.first_granted
  FROM events e
  LEFT JOIN (SELECT org_id, connection_id, min(valid_from) AS first_granted FROM grants_asof GROUP BY org_id, connection_id) known
    ON known.org_id = e.org_id AND known.connection_id = e.connection_id
  WHERE e.kind = 'tool_call' AND coalesce(e.outcome, 'success') = 'success' AND e.time >= $from AND e.time < $to
) c
LEFT JOIN (SELECT org_id, connection_id, valid_from, valid_to, granted_by, consent_id FROM grants_asof) g
  ON g.org_id = c.org_id AND g.connection_id = c.connection_id AND g.valid_from <= c.time
  AND (g.valid_to IS NULL OR c.time < g.valid_to)
