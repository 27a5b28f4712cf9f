-- Calls that agents made through the broker: who, with what credential, to where, and how it ended.
SELECT time, org_id, user_id, agent_id, agent_version, replica_id, connection_id, credential_id, credential_class,
       credential_org_id, owner_id, owner_status, token_fp, token_expires_at, provider, dest_host, method, path, operation,
       scopes_required, scope_used, target_org_id, resource, outcome, status, error_code, error_message, attempt,
       retry_after_ms, duration_ms, bytes_in, bytes_out, src_ip, environment, trace_id, task_id,
       event_id, content_hash, source, seq
FROM events
WHERE kind = 'tool_call'
