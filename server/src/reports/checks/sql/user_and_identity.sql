-- Does each record name the person who triggered it and the identity that executed it?
-- there was no call
SELECT CASE WHEN user_id IS NULL OR coalesce(connection_id, credential_id, account_id, owner_id) IS NULL THEN 'against' ELSE 'for' END AS verdict,
       concat('call ', event_id) AS what, source, org_id, agent_id, time, user_id, connection_id, credential_id, account_id, owner_id
FROM events
WHERE kind = 'tool_call' AND time >= $from AND time < $to
