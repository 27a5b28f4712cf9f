-- Are records kept for six years?
-- how long records are kept is a promise, and a lake shows only how old its oldest is
SELECT 'unseen' AS verdict, concat('the oldest event is of ', CAST(min(time) AS VARCHAR)) AS what
FROM events
HAVING count(*) > 0
