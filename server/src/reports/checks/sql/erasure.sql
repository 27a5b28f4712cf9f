-- Is there a log of what was erased?
-- credwatch erases nothing by itself, and no event of this log tells of it
SELECT 'unseen' AS verdict, 'erasures' AS what
