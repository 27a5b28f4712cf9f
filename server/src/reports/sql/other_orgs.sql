SELECT org_id, connection_id, NULLIF(credential_org_id, org_id) AS credential_org_id, NULLIF(target_org_id, org_id) AS target_org_id,
       count(*) AS events, min(time) AS first_time, max(time) AS last_time, count(*) OVER () AS all_rows
FROM events
WHERE time >= $from AND time < $to AND (credential_org_id <> org_id OR target_org_id <> org_id)
GROUP BY 1, 2, 3, 4
ORDER BY events DESC, first_time, org_id, connection_id, credential_org_id, target_org_id
LIMIT 50
