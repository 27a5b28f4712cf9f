-- Apache Superset 6.1 over SQLAlchemy 1.4 and psycopg2: the indexes of a table, which it asks for before it makes a dataset; a chart with a time range; the grain of five minutes; a table function as its parser writes it.
SELECT
                i.relname as relname,
                ix.indisunique, ix.indexprs,
                a.attname, a.attnum, c.conrelid, ix.indkey::varchar,
                ix.indoption::varchar, i.reloptions, am.amname,
                pg_get_expr(ix.indpred, ix.indrelid),
                ix.indnkeyatts as indnkeyatts
            FROM
                pg_class t
                        join pg_index ix on t.oid = ix.indrelid
                        join pg_class i on i.oid = ix.indexrelid
                        left outer join
                            pg_attribute a
                            on t.oid = a.attrelid and a.attnum = ANY(ix.indkey)
                        left outer join
                            pg_constraint c
                            on (ix.indrelid = c.conrelid and
                                ix.indexrelid = c.conindid and
                                c.contype in ('p', 'u', 'x'))
                        left outer join
                            pg_am am
                            on i.relam = am.oid
            WHERE
                t.relkind IN ('r', 'v', 'f', 'm', 'p')
                and t.oid = :calls_oid
                and ix.indisprimary = 'f'
            ORDER BY
                t.relname,
                i.relname;
SELECT org_id AS org_id, count(*) AS count FROM public.events WHERE time >= TO_TIMESTAMP('2020-01-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') AND time < TO_TIMESTAMP('2100-01-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') GROUP BY org_id ORDER BY count DESC LIMIT 1000;
SELECT DATE_TRUNC('HOUR', time) + INTERVAL '5 MINUTES' * FLOOR(EXTRACT(MINUTE FROM time) / 5) AS grain, COUNT(*) AS events FROM public.events GROUP BY 1 ORDER BY 1 LIMIT 1000;
SELECT SUM(value) AS total FROM GENERATE_SERIES(1, 30);
