-- The first schema: master data, instances and their ownership, decisions, facts, leases, tokens, revisions and audit.
-- SQLite's spelling; dialect.rs says it in PostgreSQL's. Times are microseconds since the epoch, UTC.
-- References are checked by the writer under the topology lock, not by the engine: a refusal names who refers.

CREATE TABLE head (
  head_id INTEGER NOT NULL PRIMARY KEY, -- always 1: the row that every commit locks last
  revision INTEGER NOT NULL, -- the newest revision; revision order is commit order
  change_id INTEGER NOT NULL -- the change that made it
) STRICT;
INSERT INTO head (head_id, revision, change_id) VALUES (1, 0, 0);

CREATE TABLE topology (
  topology_id INTEGER NOT NULL PRIMARY KEY, -- always 1: writers of the topology lock it alone, all who rest on it share it
  version INTEGER NOT NULL -- grows by one with every change of regions, groups, nodes, templates and products
) STRICT;
INSERT INTO topology (topology_id, version) VALUES (1, 0);

CREATE TABLE change (
  revision INTEGER NOT NULL PRIMARY KEY, -- the place in commit order
  change_id INTEGER NOT NULL UNIQUE, -- the stamp on all rows that the commit wrote
  at_us INTEGER NOT NULL -- when the writer began
) STRICT;

CREATE TABLE region (
  region_id TEXT NOT NULL PRIMARY KEY, -- the region
  name TEXT NOT NULL, -- for people; empty when not given
  jurisdiction TEXT, -- where its data may lie; null promises nothing
  state TEXT NOT NULL, -- active or closed
  labels TEXT NOT NULL, -- JSON object of operators' words
  change_id INTEGER NOT NULL -- the change that wrote the row
) STRICT, WITHOUT ROWID;

CREATE TABLE resource_group (
  group_id TEXT NOT NULL PRIMARY KEY, -- the resource group
  region_id TEXT NOT NULL, -- its region
  weight INTEGER NOT NULL, -- capacity relative to other groups
  state TEXT NOT NULL, -- active, draining or closed
  labels TEXT NOT NULL, -- JSON object of operators' words
  change_id INTEGER NOT NULL -- the change that wrote the row
) STRICT, WITHOUT ROWID;
CREATE INDEX resource_group_region ON resource_group (region_id);

CREATE TABLE runtime_template (
  runtime_template_id TEXT NOT NULL PRIMARY KEY, -- the runtime template
  state TEXT NOT NULL, -- active or disabled
  body TEXT NOT NULL, -- JSON that is delivered and never read
  labels TEXT NOT NULL, -- JSON object of operators' words
  change_id INTEGER NOT NULL -- the change that wrote the row
) STRICT, WITHOUT ROWID;

CREATE TABLE outbound_template (
  outbound_template_id TEXT NOT NULL PRIMARY KEY, -- the outbound template
  state TEXT NOT NULL, -- active or disabled
  body TEXT NOT NULL, -- JSON that is delivered and never read
  labels TEXT NOT NULL, -- JSON object of operators' words
  change_id INTEGER NOT NULL -- the change that wrote the row
) STRICT, WITHOUT ROWID;

CREATE TABLE node (
  node_id TEXT NOT NULL PRIMARY KEY, -- the node
  runtime_template_id TEXT NOT NULL, -- how it runs
  outbound_template_id TEXT NOT NULL, -- how it egresses
  state TEXT NOT NULL, -- active or disabled
  endpoints TEXT NOT NULL, -- JSON array of address, port, protocol
  priority INTEGER NOT NULL, -- smaller first
  weight INTEGER NOT NULL, -- larger first
  city TEXT, -- for people
  country TEXT, -- for people
  latitude_udeg INTEGER, -- microdegrees north
  longitude_udeg INTEGER, -- microdegrees east
  labels TEXT NOT NULL, -- JSON object of operators' words
  change_id INTEGER NOT NULL -- the change that wrote the row
) STRICT, WITHOUT ROWID;
CREATE INDEX node_runtime_template ON node (runtime_template_id);
CREATE INDEX node_outbound_template ON node (outbound_template_id);

CREATE TABLE node_group (
  node_id TEXT NOT NULL, -- the node
  group_id TEXT NOT NULL, -- a group it is in
  PRIMARY KEY (node_id, group_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX node_group_group ON node_group (group_id, node_id);

CREATE TABLE access_template (
  access_template_id TEXT NOT NULL PRIMARY KEY, -- the access template
  mode TEXT NOT NULL, -- fixed, merge, shard or regional
  node_order TEXT NOT NULL, -- priority, weight, stable_shuffle, load or proximity
  node_limit INTEGER, -- at most so many nodes delivered; null means all
  on_broken TEXT NOT NULL, -- repair or hold
  labels TEXT NOT NULL, -- JSON object of operators' words
  change_id INTEGER NOT NULL -- the change that wrote the row
) STRICT, WITHOUT ROWID;

CREATE TABLE access_template_member (
  access_template_id TEXT NOT NULL, -- the access template
  member_id TEXT NOT NULL, -- a node (fixed), a group (merge, shard) or a region (regional) of its boundary
  PRIMARY KEY (access_template_id, member_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX access_template_member_member ON access_template_member (member_id, access_template_id);

CREATE TABLE product (
  product_id TEXT NOT NULL PRIMARY KEY, -- the product
  access_template_id TEXT NOT NULL, -- its delivery policy
  quota TEXT, -- JSON: bytes and reset; null means unlimited
  limits TEXT NOT NULL, -- JSON object
  policies TEXT NOT NULL, -- JSON array
  labels TEXT NOT NULL, -- JSON object of operators' words
  change_id INTEGER NOT NULL -- the change that wrote the row
) STRICT, WITHOUT ROWID;
CREATE INDEX product_access_template ON product (access_template_id);

CREATE TABLE instance (
  instance_id TEXT NOT NULL PRIMARY KEY, -- the service instance
  product_id TEXT NOT NULL, -- its product
  jurisdiction TEXT, -- demanded; null means anywhere
  status TEXT NOT NULL, -- active, suspended or terminated
  weight INTEGER NOT NULL, -- its share of a group's capacity
  latitude_udeg INTEGER, -- microdegrees north
  longitude_udeg INTEGER, -- microdegrees east
  created_us INTEGER NOT NULL, -- the anchor of resets; keeps its first value
  expires_us INTEGER, -- the end of its time; null means never
  is_expired INTEGER NOT NULL, -- 1 once its time is seen to have run out
  labels TEXT, -- JSON object of operators' words; null when empty
  first_change_id INTEGER NOT NULL, -- the change that created the row
  change_id INTEGER NOT NULL -- the change that wrote the row
) STRICT, WITHOUT ROWID;
CREATE INDEX instance_change ON instance (change_id, first_change_id);
CREATE INDEX instance_expiry ON instance (expires_us) WHERE is_expired = 0 AND expires_us IS NOT NULL;

CREATE TABLE ownership (
  instance_id TEXT NOT NULL PRIMARY KEY, -- the service instance; the row outlives a release
  region_id TEXT, -- the region of the owner
  group_id TEXT, -- the owner; null means nobody
  why TEXT, -- the reason code when nobody owns it
  weight INTEGER, -- the weight it is counted with
  product_id TEXT, -- the product it is counted with
  generation INTEGER NOT NULL, -- grows by one whenever another group becomes the owner
  version INTEGER NOT NULL, -- grows by one with every write; the compare-and-set
  batch_id INTEGER NOT NULL, -- the batch of the decision
  ordinal INTEGER NOT NULL, -- its place in the batch, from 0
  since_us INTEGER NOT NULL, -- when it was decided
  change_id INTEGER NOT NULL -- the change that wrote the row
) STRICT, WITHOUT ROWID;
CREATE INDEX ownership_change ON ownership (change_id);

CREATE TABLE ownership_history (
  instance_id TEXT NOT NULL, -- the service instance
  version INTEGER NOT NULL, -- the version that was replaced
  region_id TEXT, -- as in ownership, for all that follow
  group_id TEXT, -- the former owner
  why TEXT, -- the former reason
  weight INTEGER, -- counted weight
  product_id TEXT, -- counted product
  generation INTEGER NOT NULL, -- the former generation
  batch_id INTEGER NOT NULL, -- the batch of its decision
  ordinal INTEGER NOT NULL, -- its place in the batch
  since_us INTEGER NOT NULL, -- when it was decided
  change_id INTEGER NOT NULL, -- the change that had written it
  PRIMARY KEY (instance_id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE group_load (
  group_id TEXT NOT NULL, -- the resource group
  product_id TEXT NOT NULL, -- the counted product
  owners INTEGER NOT NULL, -- instances of the product that the group owns
  weight INTEGER NOT NULL, -- the sum of their counted weights
  PRIMARY KEY (group_id, product_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE ramp (
  access_template_id TEXT NOT NULL, -- the boundary
  group_id TEXT NOT NULL, -- a group in it
  phase TEXT NOT NULL, -- out, ramping or full
  taken INTEGER NOT NULL, -- the weight it took while ramping
  arrived INTEGER NOT NULL, -- the weight that arrived while it was ramping
  PRIMARY KEY (access_template_id, group_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE decision_batch (
  batch_id INTEGER NOT NULL PRIMARY KEY, -- from 1, without gaps
  term INTEGER NOT NULL, -- the leader's holding of the lease
  at_us INTEGER NOT NULL, -- when it was decided
  revision INTEGER NOT NULL, -- the revision of the topology it was decided on
  rules INTEGER NOT NULL, -- the version of the decision rules
  base_id INTEGER, -- the batch with the snapshot that this one follows; null: it holds its own
  actor TEXT NOT NULL, -- who asked
  snapshot BLOB, -- postcard of (frame, state) before the first decision; null: that of the base, moved on
  decided BLOB NOT NULL, -- postcard of the requests in order with their outcomes
  decisions INTEGER NOT NULL, -- how many
  change_id INTEGER NOT NULL -- the change that wrote the row
) STRICT;
CREATE INDEX decision_batch_base ON decision_batch (base_id);

CREATE TABLE node_health (
  node_id TEXT NOT NULL PRIMARY KEY, -- the node
  health TEXT NOT NULL, -- unknown, up, down or silent
  band INTEGER NOT NULL, -- load band: permille / 100
  since_us INTEGER NOT NULL, -- when the health last changed
  change_id INTEGER NOT NULL -- the change that wrote the row
) STRICT, WITHOUT ROWID;
CREATE INDEX node_health_change ON node_health (change_id);

CREATE TABLE node_home (
  node_id TEXT NOT NULL PRIMARY KEY, -- the node that reports
  replica TEXT NOT NULL, -- the replica it belongs to
  term INTEGER NOT NULL -- which holding of the home; grows when the replica changes
) STRICT, WITHOUT ROWID;

CREATE TABLE lease (
  name TEXT NOT NULL PRIMARY KEY, -- what is led
  holder TEXT NOT NULL, -- who leads; empty after a release
  term INTEGER NOT NULL, -- which holding; grows with every new one
  expires_us INTEGER NOT NULL -- by the clock of the database
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
  token_id TEXT NOT NULL PRIMARY KEY, -- the name of the token
  hash BLOB NOT NULL UNIQUE, -- SHA-256 of the secret; the secret is nowhere
  scopes TEXT NOT NULL, -- JSON array of scopes
  reporter TEXT, -- the one reporter it may speak for
  created_us INTEGER NOT NULL, -- when it was made
  expires_us INTEGER, -- when it ends; null means never
  last_used_us INTEGER, -- when it was last seen, to the minute or so
  revoked_us INTEGER, -- when it was revoked
  change_id INTEGER NOT NULL -- the change that wrote the row
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_stage (
  change_id INTEGER NOT NULL, -- the change that staged it
  ordinal INTEGER NOT NULL, -- its place in the change, from 0
  at_us INTEGER NOT NULL, -- when the writer began
  actor TEXT NOT NULL, -- who
  verb TEXT NOT NULL, -- did what
  kind TEXT NOT NULL, -- to what kind of thing
  object_id TEXT NOT NULL, -- to which
  detail TEXT NOT NULL, -- and how; never labels
  PRIMARY KEY (change_id, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_entry (
  seq INTEGER NOT NULL PRIMARY KEY, -- the place in the log, from 1, without gaps
  revision INTEGER NOT NULL, -- the revision that committed it
  leaf TEXT NOT NULL, -- JSON, the very bytes that are hashed
  leaf_hash BLOB NOT NULL, -- SHA-256 of a zero byte and the leaf, as in RFC 6962
  chain_hash BLOB NOT NULL -- SHA-256 of the former chain hash and the leaf hash
) STRICT;

CREATE TABLE audit_head (
  audit_head_id INTEGER NOT NULL PRIMARY KEY, -- always 1: the appender locks it
  seq INTEGER NOT NULL, -- the last entry
  chain_hash BLOB NOT NULL -- its chain hash; empty before the first
) STRICT;
