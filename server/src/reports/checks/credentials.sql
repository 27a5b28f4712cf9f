SELECT org_id, connection_id,
       last_value(credential_id ORDER BY time, event_id, content_hash, source) FILTER (WHERE credential_id IS NOT NULL) AS credential_id,
       last_value(provider ORDER BY time, event_id, content_hash, source) FILTER (WHERE provider IS NOT NULL) AS provider,
       last_value(credential_class ORDER BY time, event_id, content_hash, source) FILTER (WHERE credential_class IS NOT NULL) AS credential_class,
       last_value(owner_id ORDER BY time, event_id, content_hash, source) FILTER (WHERE owner_id IS NOT NULL) AS owner_id,
       last_value(owner_kind ORDER BY time, event_id, content_hash, source) FILTER (WHERE owner_kind IS NOT NULL) AS owner_kind,
       last_value(owner_status ORDER BY time, event_id, content_hash, source) FILTER (WHERE owner_status IS NOT NULL) AS owner_status,
       array_to_string(last_value(scopes_granted ORDER BY time, event_id, content_hash, source) FILTER (WHERE scopes_granted IS NOT NULL), ' ') AS scopes,
       last_value(vault_partition ORDER BY time, event_id, content_hash, source) FILTER (WHERE vault_partition IS NOT NULL) AS vault_partition,
       last_value(key_id ORDER BY time, event_id, content_hash, source) FILTER (WHERE key_id IS NOT NULL) AS key_id,
       count(DISTINCT user_id) AS on_behalf_of_users,
       max(time) FILTER (WHERE kind = 'tool_call') AS last_use,
       count(*) FILTER (WHERE kind = 'tool_call') AS calls,
       array_to_string(array_sort(array_agg(DISTINCT agent_id) FILTER (WHERE kind = 'tool_call' AND agent_id IS NOT NULL)), ' ') AS agents_that_stop
FROM events
WHERE connection_id IS NOT NULL OR credential_id IS NOT NULL
GROUP BY org_id, connection_id, CASE WHEN connection_id IS NULL THEN credential_id END
ORDER BY org_id, connection_id, credential_id
LIMIT 100000
