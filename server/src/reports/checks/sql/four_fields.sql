-- Does every record of a call carry the connection, the user, the org and the scope that was used?
-- there was no call
SELECT CASE WHEN connection_id IS NULL OR user_id IS NULL OR org_id IS NULL OR scope_used IS NULL THEN 'against' ELSE 'for' END AS verdict,
       concat('call ', event_id) AS what, source, agent_id, time, connection_id, user_id, org_id, scope_used
FROM events
WHERE kind = 'tool_call' AND time >= $from AND time < $to
