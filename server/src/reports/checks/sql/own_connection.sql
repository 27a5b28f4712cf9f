-- Has every user who authorised an agent a connection of their own, in one org?
-- calls that name no connection, or no user, cannot be told apart
SELECT CASE
         WHEN connection_id IS NULL OR users = 0 THEN 'unseen'
         WHEN users > 1 OR orgs > 1 OR shared > 0 THEN 'against'
         ELSE 'for'
       END AS verdict,
       coalesce(connection_id, concat('calls of ', coalesce(org_id, 'no org'), ' without a connection')) AS what,
       users, orgs, shared AS calls_by_shared_credentials, calls
FROM (
  SELECT connection_id, CASE WHEN connection_id IS NULL THEN org_id END AS org_id, count(DISTINCT user_id) AS users,
         count(DISTINCT org_id) AS orgs, count(*) AS calls,
         count(*) FILTER (WHERE credential_class IN ('shared', 'service', 'admin')) AS shared
  FROM events
  WHERE kind = 'tool_call' AND time >= $from AND time < $to
  GROUP BY connection_id, CASE WHEN connection_id IS NULL THEN org_id END
)
