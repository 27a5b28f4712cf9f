-- Are tokens refreshed before they expire, and not by a 401?
-- refreshes that do not say what caused them; no refresh at all
SELECT CASE WHEN refresh_trigger = 'on_401' THEN 'against'
            WHEN refresh_trigger IN ('proactive', 'keepalive') THEN 'for'
            ELSE 'unseen' END AS verdict,
       concat('refresh ', event_id) AS what, org_id, connection_id, time, refresh_trigger
FROM events
WHERE kind = 'token_refresh' AND time >= $from AND time < $to
