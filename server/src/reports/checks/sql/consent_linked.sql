-- Does each connection that was used lead to a consent?
-- connections whose granting no event tells
SELECT CASE WHEN g.connection_id IS NULL THEN 'unseen' WHEN g.consents = 0 THEN 'against' ELSE 'for' END AS verdict,
       concat('connection ', c.connection_id) AS what, c.org_id, c.calls, g.consents
FROM (
  SELECT org_id, connection_id, count(*) AS calls
  FROM events WHERE kind = 'tool_call' AND connection_id IS NOT NULL AND time >= $from AND time < $to
  GROUP BY org_id, connection_id
) c
LEFT JOIN (SELECT org_id, connection_id, count(consent_id) AS consents FROM grants_asof GROUP BY org_id, connection_id) g
  ON g.org_id = c.org_id AND g.connection_id = c.connection_id
