-- Has every user who authorised an agent a connection of their own, in one org?
-- calls that name no connection or no user, and connections of which not every call says of what class their credential is; for one org, whether others use them
SELECT CASE
         WHEN users > 1 OR shared > 0 OR orgs > 1 THEN 'against'
         WHEN connection_id IS NULL OR without_user > 0 OR without_class > 0 THEN 'unseen'
         ELSE 'for'
       END AS verdict,
       coalesce(connection_id, concat('calls of ', coalesce(org_id, 'no org'), ' without a connection')) AS what,
       org_id, users, orgs, shared AS calls_by_shared_credentials, without_user, without_class, calls
FROM (
  SELECT c.org_id, c.connection_id, CASE WHEN c.connection_id IS NULL THEN 0 ELSE count(DISTINCT c.user_id) END AS users,
         CASE WHEN c.connection_id IS NULL THEN 0 ELSE count(DISTINCT coalesce(c.credential_org_id, c.org_id)) END AS orgs,
         CASE WHEN c.connection_id IS NULL THEN 0 ELSE count(*) FILTER (WHERE c.credential_class IN ('shared', 'service', 'admin')) END AS shared,
         count(*) FILTER (WHERE c.user_id IS NULL) AS without_user,
         count(*) FILTER (WHERE c.credential_class IS NULL) AS without_class, count(*) AS calls
  FROM events c
  WHERE c.kind = 'tool_call' AND c.time >= $from AND c.time < $to
  GROUP BY c.org_id, c.connection_id
)
