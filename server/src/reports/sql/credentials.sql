SELECT org_id, provider,
       count(*) FILTER (WHERE kind = 'token_refresh') AS refreshes,
       count(*) FILTER (WHERE kind = 'token_refresh' AND outcome = 'failure') AS refreshes_failed,
       count(*) FILTER (WHERE kind = 'token_revocation') AS revocations,
       count(*) FILTER (WHERE kind IN ('reauth_requested', 'reauth_completed')) AS reauthorisations,
       count(*) FILTER (WHERE kind = 'tool_call' AND status = 401) AS unauthorized,
       count(*) FILTER (WHERE kind = 'tool_call' AND status = 403) AS forbidden,
       count(*) FILTER (WHERE kind = 'tool_call' AND status = 429) AS rate_limited
FROM events
WHERE time >= $from AND time < $to
  AND (kind IN ('token_refresh', 'token_revocation', 'reauth_requested', 'reauth_completed') OR status IN (401, 403, 429))
GROUP BY org_id, provider
ORDER BY org_id, provider
LIMIT 10000
