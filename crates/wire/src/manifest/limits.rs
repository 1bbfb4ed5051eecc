//! How much a manifest may hold. Each limit has a reason; a fault that names it says the number (I26).
//!
//! They are wide enough for every fleet we know of by a factor of ten or more, and narrow enough
//! that no input makes one object, one answer or the memory of a server grow without bound.

/// Bytes of one input: some 200,000 nodes. More comes in by `import`, which streams.
pub const INPUT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Objects of one input: `apply` is one transaction, and this many rows still commit within seconds.
pub const OBJECTS_MAX: usize = 200_000;

/// Faults that are listed for one input: nobody reads more, and one misspelt column would make a million.
pub const FAULTS_MAX: usize = 1_000;

/// Levels of maps and lists: templates of data planes reach about fifteen; each level costs stack.
pub const NESTING_DEPTH_MAX: usize = 32;

/// Scalars, maps and lists of one YAML document or one JSON object: some 20,000 nodes in one list of YAML; a tree of
/// this size fits 200 MB.
pub const VALUES_MAX: usize = 1_000_000;

/// Events that aliases of one YAML document may replay: bounds what an alias bomb can grow to.
pub const YAML_ALIAS_EVENTS_MAX: usize = 100_000;

/// Aliases of one YAML document.
pub const YAML_ALIASES_MAX: usize = 10_000;

/// Characters in which the end of a YAML key must be found: a key of [`BODY_KEY_LENGTH_MAX`] with every
/// character escaped still fits.
pub const YAML_KEY_LOOKAHEAD_MAX: usize = 16 * 1024;

/// Bytes of one line of an import: a row with 64 full labels fits.
pub const IMPORT_LINE_BYTES_MAX: usize = 128 * 1024;

/// Bytes of an opaque body: a complete data plane configuration, but no blob store.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// Characters of a key inside an opaque body.
pub const BODY_KEY_LENGTH_MAX: usize = 1024;

/// Characters of a name, a city or a country: one line for people.
pub const NAME_LENGTH_MAX: usize = 256;

/// Labels of one object, as many as large clouds allow.
pub const LABELS_MAX: usize = 64;

/// Characters of the name of a label.
pub const LABEL_NAME_LENGTH_MAX: usize = 128;

/// Characters of the value of a label.
pub const LABEL_VALUE_LENGTH_MAX: usize = 1024;

/// Groups, nodes or regions that one object lists: each is a row, and a boundary is decided over all of them.
pub const MEMBERS_MAX: usize = 10_000;

/// Endpoints of a node; every one is in every answer that delivers the node.
pub const ENDPOINTS_MAX: usize = 64;

/// Characters of an address: the longest host name.
pub const ADDRESS_LENGTH_MAX: usize = 253;

/// Characters of a protocol's name.
pub const PROTOCOL_LENGTH_MAX: usize = 32;

/// Policies of a product; each is judged for each of its instances.
pub const POLICIES_MAX: usize = 64;

/// Characters of a CEL expression.
pub const EXPRESSION_LENGTH_MAX: usize = 4096;

/// The largest share of a quota at which a policy fires: ten times the quota.
pub const POLICY_PERMILLE_MAX: u32 = 10_000;

/// The longest reset in days: ten years.
pub const RESET_DAYS_MAX: u32 = 3660;

/// The largest integer that every JSON reader takes for what it is.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;
