-- Is each tenant's part of the vault, and its key, a tenant's own?
-- credentials whose place or key no event names
SELECT CASE WHEN place IS NULL THEN 'unseen' WHEN orgs > 1 THEN 'against' ELSE 'for' END AS verdict,
       coalesce(place, concat(credentials, ' credentials whose place is not named')) AS what, orgs, credentials
FROM (
  SELECT place, count(DISTINCT owner) AS orgs, count(DISTINCT credential) AS credentials
  FROM (
    SELECT concat('vault partition ', vault_partition) AS place, coalesce(credential_org_id, org_id) AS owner,
           coalesce(credential_id, connection_id) AS credential
    FROM events WHERE vault_partition IS NOT NULL AND time >= $from AND time < $to
    UNION ALL
    SELECT concat('key ', key_id), coalesce(credential_org_id, org_id), coalesce(credential_id, connection_id)
    FROM events WHERE key_id IS NOT NULL AND time >= $from AND time < $to
    UNION ALL
    SELECT NULL, coalesce(credential_org_id, org_id), coalesce(credential_id, connection_id)
    FROM events
    WHERE vault_partition IS NULL AND key_id IS NULL AND coalesce(credential_id, connection_id) IS NOT NULL
      AND time >= $from AND time < $to
  )
  GROUP BY place
)
