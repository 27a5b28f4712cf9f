-- Are records kept for six years?
-- the lake is younger than that, so that nothing can have been removed too early; how long the next are kept is a promise
SELECT CASE WHEN min(time) < now() - INTERVAL '2191 days' THEN 'for' ELSE 'unseen' END AS verdict,
       concat('the oldest event is of ', CAST(min(time) AS VARCHAR)) AS what
FROM events
HAVING count(*) > 0
