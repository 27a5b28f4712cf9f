WITH series AS (
  SELECT DISTINCT org_id, agent_id, dest_host
  FROM events
  WHERE kind = 'tool_call' AND time >= $from AND time < $to
)
SELECT (SELECT count(*) FROM series) AS series,
       (SELECT count(*) FROM (SELECT DISTINCT org_id, agent_id FROM series)) AS agents,
       (SELECT count(DISTINCT dest_host) FROM series) AS hosts
