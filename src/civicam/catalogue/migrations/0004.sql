-- Which entry of the ledger commits to a closed segment.
ALTER TABLE segments ADD COLUMN entry INTEGER;
CREATE INDEX segments_uncommitted ON segments (end_ns) WHERE digest IS NOT NULL AND entry IS NULL;
