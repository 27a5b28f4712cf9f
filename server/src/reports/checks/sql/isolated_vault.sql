-- Is each tenant's part of the vault, and its key, a tenant's own?
-- credentials of which not both the partition and the key are told, or not whose they are; with one org alone, whether others share them
SELECT CASE WHEN place IS NULL THEN 'unseen' WHEN orgs > 1 THEN 'against' WHEN unowned > 0 OR only_one_org THEN 'unseen' ELSE 'for' END AS verdict,
       coalesce(place, concat(credentials, ' credentials of which the partition or the key is not told')) AS what, orgs, credentials
FROM (
  SELECT place, count(DISTINCT owner) AS orgs, count(DISTINCT credential) AS credentials,
         count(*) FILTER (WHERE owner IS NULL) AS unowned, max(all_orgs) < 2 AS only_one_org
  FROM (
    SELECT concat('vault partition ', vault_partition) AS place, owner, credential, (SELECT count(DISTINCT org_id) FROM events WHERE time >= $from AND time < $to) AS all_orgs FROM (
      SELECT coalesce(credential_org_id, org_id) AS owner, coalesce(credential_id, connection_id) AS credential,
             max(vault_partition) AS vault_partition, max(key_id) AS key_id,
             count(DISTINCT org_id) AS own_orgs
      FROM events
      WHERE coalesce(credential_id, connection_id) IS NOT NULL AND time >= $from AND time < $to
      GROUP BY coalesce(credential_org_id, org_id), coalesce(credential_id, connection_id)
    ) WHERE vault_partition IS NOT NULL
    UNION ALL
    SELECT concat('key ', key_id), owner, credential, (SELECT count(DISTINCT org_id) FROM events WHERE time >= $from AND time < $to) AS all_orgs FROM (
      SELECT coalesce(credential_org_id, org_id) AS owner, coalesce(credential_id, connection_id) AS credential,
             max(vault_partition) AS vault_partition, max(key_id) AS key_id,
             count(DISTINCT org_id) AS own_orgs
      FROM events
      WHERE coalesce(credential_id, connection_id) IS NOT NULL AND time >= $from AND time < $to
      GROUP BY coalesce(credential_org_id, org_id), coalesce(credential_id, connection_id)
    ) WHERE key_id IS NOT NULL
    UNION ALL
    SELECT NULL, owner, credential, (SELECT count(DISTINCT org_id) FROM events WHERE time >= $from AND time < $to) AS all_orgs FROM (
      SELECT coalesce(credential_org_id, org_id) AS owner, coalesce(credential_id, connection_id) AS credential,
             max(vault_partition) AS vault_partition, max(key_id) AS key_id,
             count(DISTINCT org_id) AS own_orgs
      FROM events
      WHERE coalesce(credential_id, connection_id) IS NOT NULL AND time >= $from AND time < $to
      GROUP BY coalesce(credential_org_id, org_id), coalesce(credential_id, connection_id)
    ) WHERE vault_partition IS NULL OR key_id IS NULL
  )
  GROUP BY place
)
