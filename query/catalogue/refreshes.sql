-- Attempts to get a new token for a connection: what set them off, and how they ended.
SELECT time, org_id, agent_id, replica_id, connection_id, credential_id, provider, refresh_trigger, refresh_token_fp,
       token_fp, token_family, rotation_no, token_issued_at, token_expires_at, outcome, status, error_code, error_message,
       attempt, retry_after_ms, duration_ms, trace_id, event_id, content_hash, source, seq
FROM events
WHERE kind = 'token_refresh'
