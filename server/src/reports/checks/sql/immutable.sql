-- Is it proven that no stored record was changed?
-- files are added and never changed, and each row has the hash of its record; heads that somebody else signed are not there
SELECT 'unseen' AS verdict, 'signed heads of the log' AS what
