-- Can the log be exported to a SIEM, in a structured form?
-- there is nothing to export
SELECT 'for' AS verdict, concat('events of ', coalesce(source, 'a source without a name'), ', as OCSF, ECS, OTLP, CEF and LEEF') AS what,
       count(*) AS events
FROM events
WHERE time >= $from AND time < $to
GROUP BY source
