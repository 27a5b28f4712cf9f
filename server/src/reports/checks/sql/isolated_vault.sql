-- Is each tenant's part of the vault, and its key, a tenant's own?
-- credentials of which not both the partition and the key are told, or not whose they are; with one org alone, whether others share them
SELECT CASE WHEN place IS NULL THEN 'unseen' WHEN orgs > 1 THEN 'against' WHEN unowned > 0 OR all_orgs < 2 THEN 'unseen' ELSE 'for' END AS verdict,
       coalesce(place, concat(credentials, ' credentials of which the partition or the key is not told')) AS what, orgs, credentials
FROM (
  WITH told AS (
    SELECT DISTINCT coalesce(credential_org_id, org_id) AS owner, coalesce(credential_id, connection_id) AS credential, vault_partition, key_id
    FROM events
    WHERE coalesce(credential_id, connection_id) IS NOT NULL AND time >= $from AND time < $to
  ),
  places AS (
    SELECT concat('vault partition ', vault_partition) AS place, owner, credential FROM told WHERE vault_partition IS NOT NULL
    UNION ALL
    SELECT concat('key ', key_id), owner, credential FROM told WHERE key_id IS NOT NULL
    UNION ALL
    SELECT NULL, owner, credential FROM told GROUP BY owner, credential HAVING count(vault_partition) = 0 OR count(key_id) = 0
  )
  SELECT place, count(DISTINCT owner) AS orgs, count(DISTINCT credential) AS credentials, count(*) FILTER (WHERE owner IS NULL) AS unowned
  FROM places
  GROUP BY place
)
CROSS JOIN (SELECT count(DISTINCT org_id) AS all_orgs FROM events WHERE time >= $from AND time < $to)
