SELECT min(time) AS first_time, max(time) AS last_time, max(seq) AS data_seq
FROM events
