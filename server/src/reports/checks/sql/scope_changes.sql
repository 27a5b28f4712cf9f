-- Is a change of scopes an event of its own, with who approved it?
-- no change of scopes was told
SELECT CASE WHEN approver_id IS NULL THEN 'against' ELSE 'for' END AS verdict,
       concat('change of ', coalesce(connection_id, 'no connection'), ' at ', CAST(time AS VARCHAR)) AS what,
       org_id, user_id, approver_id, consent_id
FROM events
WHERE kind = 'scope_change' AND time >= $from AND time < $to
