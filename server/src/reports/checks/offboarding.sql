SELECT org_id, connection_id, provider, agent_id, calls, last_use, other_users,
       CASE
         WHEN is_owner THEN 'stops: the credential is theirs'
         WHEN other_users = 0 AND is_per_user THEN 'stops: nobody else uses it'
         WHEN is_per_user THEN 'not observable: it is of one person, and others use it'
         WHEN credential_class IS NULL THEN 'not observable: whose it is, is not told'
         ELSE 'goes on: the credential is not a person''s'
       END AS effect
FROM (
  SELECT u.org_id, u.connection_id, u.agent_id, max(u.provider) AS provider, max(u.credential_class) AS credential_class,
         count(*) FILTER (WHERE u.kind = 'tool_call' AND (u.user_id = $1 OR u.owner_id = $1)) AS calls,
         max(u.time) FILTER (WHERE u.kind = 'tool_call') AS last_use,
         count(DISTINCT CASE WHEN u.user_id <> $1 THEN u.user_id END) AS other_users,
         coalesce(bool_or(u.owner_id = $1), false) AS is_owner,
         coalesce(bool_or(u.credential_class = 'per_user'), false) AS is_per_user
  FROM events u
  JOIN (SELECT DISTINCT org_id, connection_id FROM events WHERE connection_id IS NOT NULL AND (user_id = $1 OR owner_id = $1)) theirs
    ON coalesce(theirs.org_id, '') = coalesce(u.org_id, '') AND theirs.connection_id = u.connection_id
  GROUP BY u.org_id, u.connection_id, u.agent_id
)
ORDER BY effect DESC, calls DESC, org_id, connection_id, agent_id
LIMIT 100000
