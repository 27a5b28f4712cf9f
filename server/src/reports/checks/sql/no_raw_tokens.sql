-- Are there no raw tokens in logs, prompts, error traces and environments?
-- only what the broker's log holds is seen; logs of agents, traces and environments are not in it
SELECT 'unseen' AS verdict, 'logs of agents, traces and environments' AS what, CAST(NULL AS BIGINT) AS events
UNION ALL
SELECT 'against' AS verdict, concat(coalesce(source, 'a source without a name'), ' of ', coalesce(org_id, 'no org')) AS what,
       count(*) AS events
FROM events
WHERE time >= $from AND time < $to
  AND (error_message LIKE '%[redacted:%' OR path LIKE '%[redacted:%' OR operation LIKE '%[redacted:%' OR resource LIKE '%[redacted:%'
    OR user_agent LIKE '%[redacted:%' OR array_to_string(map_values(attributes), ' ') LIKE '%[redacted:%')
GROUP BY source, org_id
