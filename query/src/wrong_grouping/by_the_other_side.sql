WITH x AS (SELECT * FROM (VALUES (1, 'k'), (2, 'k'), (3, 'j')) AS x (b, a)),
     d AS (SELECT DISTINCT a FROM (VALUES ('k'), ('k'), ('j')) AS y (a))
SELECT x.b, x.a, count(*) AS n FROM x JOIN d ON x.a = d.a GROUP BY x.b, x.a
