SELECT org_id, connection_id, provider, agents, calls_for_them, last_use, other_users,
       CASE
         WHEN owner_id = $1 THEN 'stops: the credential is theirs'
         WHEN owner_id IS NOT NULL THEN concat('goes on: the credential is of ', owner_id)
         WHEN credential_class = 'per_user' AND other_users = 0 AND calls_of_nobody = 0 THEN 'stops: it is of one person, and nobody else uses it'
         WHEN credential_class = 'per_user' THEN 'not observable: it is of one person, and not of them alone as far as is told'
         WHEN credential_class IS NULL THEN 'not observable: whose it is, is not told'
         ELSE concat('goes on: the credential is of the class ', credential_class)
       END AS effect
FROM (
  SELECT u.org_id, u.connection_id,
         last_value(u.provider ORDER BY u.time, u.event_id, u.content_hash, u.source) FILTER (WHERE u.provider IS NOT NULL) AS provider,
         last_value(u.credential_class ORDER BY u.time, u.event_id, u.content_hash, u.source) FILTER (WHERE u.credential_class IS NOT NULL) AS credential_class,
         last_value(u.owner_id ORDER BY u.time, u.event_id, u.content_hash, u.source) FILTER (WHERE u.owner_id IS NOT NULL) AS owner_id,
         array_to_string(array_sort(array_agg(DISTINCT u.agent_id) FILTER (WHERE u.kind = 'tool_call' AND u.agent_id IS NOT NULL)), ' ') AS agents,
         count(*) FILTER (WHERE u.kind = 'tool_call' AND u.user_id = $1) AS calls_for_them,
         count(*) FILTER (WHERE u.kind = 'tool_call' AND u.user_id IS NULL) AS calls_of_nobody,
         max(u.time) FILTER (WHERE u.kind = 'tool_call') AS last_use,
         count(DISTINCT CASE WHEN u.kind = 'tool_call' AND u.user_id <> $1 THEN u.user_id END) AS other_users
  FROM events u
  JOIN (SELECT DISTINCT org_id, connection_id FROM events WHERE connection_id IS NOT NULL AND (user_id = $1 OR owner_id = $1)) theirs
    ON coalesce(theirs.org_id, '') = coalesce(u.org_id, '') AND theirs.connection_id = u.connection_id
  GROUP BY u.org_id, u.connection_id
)
ORDER BY effect DESC, calls_for_them DESC, org_id, connection_id
LIMIT 100000
