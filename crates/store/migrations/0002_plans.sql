-- Plans and their moves, sets of applied objects, answers to repeated requests; and what each change touched,
-- so that a view knows where to look. Older changes may have touched anything: 63 is every bit.

ALTER TABLE change ADD COLUMN touched INTEGER NOT NULL DEFAULT 63;

CREATE TABLE plan (
  plan_id TEXT NOT NULL PRIMARY KEY, -- the plan
  kind TEXT NOT NULL, -- topology, repair, rebalance, drain or move
  state TEXT NOT NULL, -- where it stands; every step is a compare-and-set on it
  created_us INTEGER NOT NULL, -- when it was made
  actor TEXT NOT NULL, -- by whom
  snapshot_revision INTEGER NOT NULL, -- the revision that it was worked out on
  request TEXT NOT NULL, -- JSON: what was asked
  summary TEXT NOT NULL, -- JSON: what it would do
  rate_per_s INTEGER, -- moves a second; null means as fast as can be
  step INTEGER NOT NULL, -- how far a plan of several steps has come
  error TEXT, -- why it stopped
  change_id INTEGER NOT NULL -- the change that wrote the row
) STRICT, WITHOUT ROWID;

CREATE TABLE plan_move (
  plan_id TEXT NOT NULL, -- the plan
  ordinal INTEGER NOT NULL, -- the place in the plan, from 0
  instance_id TEXT NOT NULL, -- who moves
  from_group TEXT, -- the owner that the plan saw; null: nobody
  from_generation INTEGER NOT NULL, -- the generation that the plan saw
  to_group TEXT NOT NULL, -- where to
  state TEXT NOT NULL, -- pending, done or skipped
  reason TEXT, -- the reason code of a skipped move
  batch_id INTEGER, -- the batch of the decision that carried it out
  decision_ordinal INTEGER, -- its place in the batch
  PRIMARY KEY (plan_id, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX plan_move_pending ON plan_move (plan_id, ordinal) WHERE state = 'pending';

CREATE TABLE object_set (
  set_name TEXT NOT NULL, -- the set that an apply named
  kind TEXT NOT NULL, -- the kind of an object it created
  object_id TEXT NOT NULL, -- the object
  PRIMARY KEY (set_name, kind, object_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotent_answer (
  token_id TEXT NOT NULL, -- whose key it is
  idempotency_key TEXT NOT NULL, -- the key that the client chose
  request_hash BLOB NOT NULL, -- SHA-256 of the request: another request with the key is refused
  status INTEGER NOT NULL, -- the HTTP status that was answered
  body BLOB NOT NULL, -- the body that was answered
  at_us INTEGER NOT NULL, -- when
  PRIMARY KEY (token_id, idempotency_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotent_answer_at ON idempotent_answer (at_us);
