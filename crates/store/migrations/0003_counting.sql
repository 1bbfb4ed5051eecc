-- Counting: replicas and their watermarks, usage, parked items, the ledger, what is held of each reporter, corrections.
-- Bytes are up and down together unless a column names one way. Running totals stand in the rows that move with them,
-- and deleted rows leave their bytes in a total: every figure can be counted again.

CREATE TABLE intake_replica (
  replica_id TEXT NOT NULL PRIMARY KEY, -- the replica: one log on one disk
  created_us INTEGER NOT NULL, -- when it first opened
  closed_us INTEGER, -- when it was retired; null: it is open
  life INTEGER NOT NULL, -- how often a process opened it; what an earlier one still writes is refused
  folded INTEGER NOT NULL -- the newest generation whose reporters were folded into rows
) STRICT, WITHOUT ROWID;

CREATE TABLE watermark (
  replica_id TEXT NOT NULL, -- the replica
  shard INTEGER NOT NULL, -- the slice of the hash of the instance id, 0 to 63
  generation INTEGER NOT NULL, -- committed through this one; every flush compares it and sets it first
  closed_us INTEGER, -- when the replica was retired: nothing is flushed any more
  life INTEGER NOT NULL, -- the life of the replica: every flush compares it
  received INTEGER NOT NULL, -- bytes that reports held, counted at the parser
  durable INTEGER NOT NULL, -- bytes that were counted in usage; grows only
  parked INTEGER NOT NULL, -- bytes that stand in parked_item
  rejected INTEGER NOT NULL, -- bytes that were refused
  unparked INTEGER NOT NULL, -- the part of durable that was parked before
  pruned INTEGER NOT NULL, -- the part of durable whose ledger rows were deleted for their age
  moved_us INTEGER NOT NULL, -- when it was last set
  PRIMARY KEY (replica_id, shard)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_hour (
  shard INTEGER NOT NULL, -- of the instance; first in the key, so that a flush of one shard writes neighbouring pages
  period_us INTEGER NOT NULL, -- the start of the period; 0 without a reset
  hour_us INTEGER NOT NULL, -- the start of the hour
  up INTEGER NOT NULL, -- bytes
  down INTEGER NOT NULL, -- bytes
  instance_id TEXT NOT NULL, -- the service instance
  PRIMARY KEY (shard, instance_id, period_us, hour_us)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_expired (
  shard INTEGER NOT NULL PRIMARY KEY, -- the shard
  bytes INTEGER NOT NULL -- bytes of the usage rows that were deleted for their age
) STRICT;

CREATE TABLE usage_correction (
  correction_id TEXT NOT NULL PRIMARY KEY, -- the entry; never changed, undone by another
  shard INTEGER NOT NULL, -- of the instance
  instance_id TEXT NOT NULL, -- the service instance
  period_us INTEGER NOT NULL, -- the period that it corrects
  hour_us INTEGER NOT NULL, -- the hour that it corrects
  up INTEGER NOT NULL, -- bytes, signed
  down INTEGER NOT NULL, -- bytes, signed
  reason TEXT NOT NULL, -- why, in the words of who asked
  plan_id TEXT, -- the plan that brought it
  actor TEXT NOT NULL, -- who
  at_us INTEGER NOT NULL, -- when
  change_id INTEGER NOT NULL -- the change that wrote the row
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_correction_instance ON usage_correction (instance_id, correction_id);

CREATE TABLE ledger (
  replica_id TEXT NOT NULL, -- the replica
  generation INTEGER NOT NULL, -- the generation
  shard INTEGER NOT NULL, -- the shard
  since INTEGER NOT NULL, -- the generation before; further back where generations were lost
  bucket_from_us INTEGER NOT NULL, -- the start of its first minute
  bucket_to_us INTEGER NOT NULL, -- the end of its last minute
  row_count INTEGER NOT NULL, -- usage rows it added to
  up INTEGER NOT NULL, -- bytes it added to usage
  down INTEGER NOT NULL, -- bytes it added to usage
  received INTEGER NOT NULL, -- bytes that its reports held
  parked INTEGER NOT NULL, -- bytes it parked
  rejected INTEGER NOT NULL, -- bytes it refused
  state TEXT NOT NULL, -- committed, cleaned or lost
  sealed_us INTEGER NOT NULL, -- when the replica cut it
  committed_us INTEGER NOT NULL, -- when it was flushed
  actor TEXT NOT NULL, -- by which process
  PRIMARY KEY (replica_id, generation, shard)
) STRICT, WITHOUT ROWID;

CREATE TABLE parked_item (
  replica_id TEXT NOT NULL, -- the replica that took it in
  shard INTEGER NOT NULL, -- of the instance
  generation INTEGER NOT NULL, -- the generation it belongs to
  ordinal INTEGER NOT NULL, -- its place there, from 0
  reporter_id TEXT NOT NULL, -- who said it
  incarnation INTEGER NOT NULL, -- which life of it
  sequence INTEGER NOT NULL, -- which message
  minute_us INTEGER NOT NULL, -- the bucket
  up INTEGER NOT NULL, -- bytes
  down INTEGER NOT NULL, -- bytes
  why TEXT NOT NULL, -- instance-unknown or line-rate
  is_attributed INTEGER NOT NULL, -- 1: the totals of its reporter hold it as parked
  instance_id TEXT NOT NULL, -- the service instance
  PRIMARY KEY (replica_id, shard, generation, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX parked_item_instance ON parked_item (instance_id);

CREATE TABLE reporter_home (
  reporter_id TEXT NOT NULL, -- who reports
  incarnation INTEGER NOT NULL, -- which life of it
  replica_id TEXT NOT NULL, -- the one replica that may accept its reports
  term INTEGER NOT NULL, -- which holding of the home; grows when a retired replica is replaced
  claimed_us INTEGER NOT NULL, -- when
  gap_from INTEGER, -- the first sequence that was missing when it skipped some; null: it never did
  gap_to INTEGER, -- the last one
  PRIMARY KEY (reporter_id, incarnation)
) STRICT, WITHOUT ROWID;
CREATE INDEX reporter_home_replica ON reporter_home (replica_id, reporter_id, incarnation);

CREATE TABLE reporter_total (
  reporter_id TEXT NOT NULL, -- who reports
  incarnation INTEGER NOT NULL, -- which life of it
  replica_id TEXT NOT NULL, -- by which replica
  through INTEGER NOT NULL, -- every shard holds its reports up to this sequence
  received INTEGER NOT NULL, -- bytes that its folded generations held
  counted INTEGER NOT NULL, -- bytes of them in usage
  parked INTEGER NOT NULL, -- bytes of them that are parked; below zero while a blob is ahead of its fold
  rejected INTEGER NOT NULL, -- bytes of them that were refused
  PRIMARY KEY (reporter_id, incarnation, replica_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE reporter_ahead (
  reporter_id TEXT NOT NULL, -- who reports
  incarnation INTEGER NOT NULL, -- which life of it
  shard INTEGER NOT NULL, -- a shard that held more than all when the log was lost
  sequence INTEGER NOT NULL, -- up to which one: a replay skips these items
  PRIMARY KEY (reporter_id, incarnation, shard)
) STRICT, WITHOUT ROWID;

CREATE TABLE reporter_blob (
  replica_id TEXT NOT NULL, -- the replica
  generation INTEGER NOT NULL, -- the generation; the row stands before any shard of it commits
  body BLOB NOT NULL, -- postcard: reporter, incarnation, last sequence and bytes of each that it touched
  at_us INTEGER NOT NULL, -- when it was written
  PRIMARY KEY (replica_id, generation)
) STRICT, WITHOUT ROWID;

CREATE TABLE cumulative_total (
  reporter_id TEXT NOT NULL, -- who reports running totals
  incarnation INTEGER NOT NULL, -- which life of it
  shard INTEGER NOT NULL, -- of the instance
  up INTEGER NOT NULL, -- the last total that usage holds
  down INTEGER NOT NULL, -- the last total that usage holds
  instance_id TEXT NOT NULL, -- the service instance
  PRIMARY KEY (reporter_id, incarnation, shard, instance_id)
) STRICT, WITHOUT ROWID;
