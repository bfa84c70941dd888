-- Over what an entry of the ledger commits to footage: the hashes of its leaves, 32 bytes each, in the tree's order.
-- It stays as long as a segment of it does: each can then be proven to be in it, whatever became of the others.
CREATE TABLE commitments (
    entry INTEGER PRIMARY KEY,
    leaves BLOB NOT NULL CHECK (length(leaves) > 0 AND length(leaves) % 32 = 0)
) STRICT;
CREATE INDEX segments_committed ON segments (entry) WHERE entry IS NOT NULL;
