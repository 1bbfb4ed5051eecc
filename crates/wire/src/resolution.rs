//! The answer to "what is delivered to this instance": its exact bytes, and the same as a type for clients.
//!
//! Resolution is the hot path, so a node is written once for each topology ([`NodeFragments`]) and an answer is put
//! together by copying: nothing is serialised for a request. The order of the keys is fixed and no key depends on a
//! map, so an equal view gives equal bytes and the ETag is their hash (I1). [`ResolutionBody`] says the same as a
//! type; a test holds the two together.

use domain::ids::Revision;
use domain::orchestration::{GroupIx, Holder, NodeIx, Ownership, Subject, Topology};
use domain::resolution::{Delivered, Resolution, Status};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use xxhash_rust::xxh3::xxh3_128;

/// Room for the keys and the numbers of an answer beside its nodes, so that a render allocates at most once.
const HEAD_BYTES: usize = 512;

/// Every node as a member of every group of its, as JSON, written once for a topology.
///
/// It depends on master data alone: a topology that differs only in observed facts (health, load) may keep it.
#[derive(Debug, Clone, Default)]
pub struct NodeFragments {
    bytes: Vec<u8>,
    /// Where each fragment begins, group by group and in each by node; the end of the last stands behind them.
    begins: Vec<usize>,
    /// The first fragment of each group.
    first: Vec<usize>,
    /// The length of the longest fragment, to make room for an answer in one step.
    longest: usize,
}

impl NodeFragments {
    /// Writes all fragments of a topology.
    pub fn build(topology: &Topology) -> Self {
        let mut fragments = Self::default();
        for at in (0u32..).map(GroupIx).take(topology.groups().len()) {
            fragments.first.push(fragments.begins.len());
            for node in topology.group_nodes(at) {
                let begin = fragments.bytes.len();
                fragments.begins.push(begin);
                write_node(&mut fragments.bytes, topology, *node, at);
                fragments.longest = fragments.longest.max(fragments.bytes.len() - begin);
            }
        }
        fragments.begins.push(fragments.bytes.len());
        fragments
    }

    /// The JSON object of a node as a member of a group; empty if it is none.
    fn find(&self, topology: &Topology, at: Delivered) -> &[u8] {
        match topology.group_nodes(at.group).binary_search(&at.node) {
            Ok(place) => {
                let fragment = self.first[at.group.index()] + place;
                &self.bytes[self.begins[fragment]..self.begins[fragment + 1]]
            }
            Err(_) => &[],
        }
    }

    /// How many bytes it holds in memory.
    pub fn size_bytes(&self) -> usize {
        self.bytes.capacity() + (self.begins.capacity() + self.first.capacity()) * size_of::<usize>()
    }
}

/// Writes a node as it is delivered under a group.
fn write_node(out: &mut Vec<u8>, topology: &Topology, at: NodeIx, group: GroupIx) {
    let node = &topology.node(at).object;
    let runtime = topology.find_runtime_template(&node.runtime_template);
    let outbound = topology.find_outbound_template(&node.outbound_template);
    write_key(out, "{\"id\":", node.id.as_str());
    write_key(out, ",\"group\":", topology.group(group).object.id.as_str());
    write_key(out, ",\"region\":", topology.region_of(group).object.id.as_str());
    out.extend_from_slice(b",\"endpoints\":[");
    for (place, endpoint) in node.endpoints.iter().enumerate() {
        write_key(out, if place == 0 { "{\"address\":" } else { ",{\"address\":" }, &endpoint.address);
        write_number(out, ",\"port\":", u64::from(endpoint.port));
        write_key(out, ",\"protocol\":", &endpoint.protocol);
        out.push(b'}');
    }
    out.push(b']');
    write_number(out, ",\"priority\":", u64::from(node.priority));
    write_number(out, ",\"weight\":", u64::from(node.weight));
    let bodies = [
        (",\"runtime\":{\"template\":", node.runtime_template.as_str(), runtime.map(|it| it.object.body.as_str())),
        (",\"outbound\":{\"template\":", node.outbound_template.as_str(), outbound.map(|it| it.object.body.as_str())),
    ];
    for (key, id, body) in bodies {
        write_key(out, key, id);
        out.extend_from_slice(b",\"body\":");
        out.extend_from_slice(body.unwrap_or("null").as_bytes());
        out.push(b'}');
    }
    out.push(b'}');
}

/// Writes a key, given with all that stands before its value, and a text with what JSON must escape.
fn write_key(out: &mut Vec<u8>, key: &str, text: &str) {
    out.extend_from_slice(key.as_bytes());
    serde_json::to_writer(out, text).expect("a text is written into memory");
}

/// Writes a key and a word that needs no escape: an id or a code.
fn write_word(out: &mut Vec<u8>, key: &str, word: &str) {
    out.extend_from_slice(key.as_bytes());
    out.push(b'"');
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

fn write_number(out: &mut Vec<u8>, key: &str, number: u64) {
    out.extend_from_slice(key.as_bytes());
    // Decimal digits from the right; twenty hold every u64.
    let mut digits = [0u8; 20];
    let (mut at, mut rest) = (digits.len(), number);
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends the body of an answer. `fragments` must have been built from the master data of `topology`.
pub fn render(
    resolution: &Resolution<'_>,
    subject: &Subject<'_>,
    topology: &Topology,
    fragments: &NodeFragments,
    out: &mut Vec<u8>,
) {
    out.reserve(HEAD_BYTES + resolution.nodes.len() * (fragments.longest + 1));
    let Revision(revision) = resolution.revision;
    write_word(out, "{\"instance\":", subject.id.as_str());
    write_word(out, ",\"status\":", resolution.status.code());
    write_number(out, ",\"revision\":", revision);
    write_word(out, ",\"mode\":", resolution.template.mode.code());
    write_word(out, ",\"order\":", resolution.template.order.code());
    out.extend_from_slice(b",\"ownership\":");
    match resolution.ownership {
        Some(ownership) => write_owner(out, ownership),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"nodes\":[");
    for (place, node) in resolution.nodes.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(fragments.find(topology, *node));
    }
    out.push(b']');
    if resolution.status != Status::Deliverable {
        write_word(out, ",\"reason\":", resolution.reason.code());
    }
    out.push(b'}');
}

fn write_owner(out: &mut Vec<u8>, ownership: &Ownership) {
    let Holder::Group { region, group, .. } = &ownership.holder else {
        out.extend_from_slice(b"null");
        return;
    };
    write_word(out, "{\"region\":", region.as_str());
    write_word(out, ",\"group\":", group.as_str());
    write_number(out, ",\"generation\":", ownership.generation.0);
    write_number(out, ",\"decision\":\"", ownership.decision.batch);
    write_number(out, ".", u64::from(ownership.decision.ordinal));
    out.extend_from_slice(b"\"}");
}

/// The entity tag of a body: the quoted XXH3-128 of its bytes, in hex.
pub fn etag(body: &[u8]) -> String {
    // Digit by digit: the machinery of formats would take as long as the hash.
    let mut tag = String::with_capacity(34);
    tag.push('"');
    for byte in xxh3_128(body).to_be_bytes() {
        for digit in [byte >> 4, byte & 15] {
            tag.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    tag.push('"');
    tag
}

/// What is delivered to an instance, or why nothing is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResolutionBody {
    pub instance: String,
    /// The first that holds of terminated, expired, suspended, unowned, broken, deliverable.
    pub status: String,
    /// The newest revision among the facts used.
    pub revision: u64,
    /// fixed, merge, shard or regional.
    pub mode: String,
    /// priority, weight, stable_shuffle, load or proximity.
    pub order: String,
    /// The owner; null where there is none.
    pub ownership: Option<ResolutionOwner>,
    /// In order of preference; empty unless deliverable.
    pub nodes: Vec<ResolvedNode>,
    /// A reason code; absent when deliverable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The owner of an instance, as resolution names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResolutionOwner {
    pub region: String,
    pub group: String,
    pub generation: u64,
    /// BATCH.ORDINAL.
    pub decision: String,
}

/// A node that is delivered, under the group through which it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResolvedNode {
    pub id: String,
    pub group: String,
    pub region: String,
    pub endpoints: Vec<ResolvedEndpoint>,
    /// Smaller first.
    pub priority: u32,
    /// Larger first.
    pub weight: u32,
    pub runtime: ResolvedTemplate,
    pub outbound: ResolvedTemplate,
}

/// Where a node is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResolvedEndpoint {
    pub address: String,
    pub port: u16,
    pub protocol: String,
}

/// A template with the body that is delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResolvedTemplate {
    pub template: String,
    /// Any JSON, exactly as the operator wrote it.
    #[schema(value_type = Object)]
    pub body: OpaqueJson,
}

/// JSON that is passed on and never read; equal when its text is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OpaqueJson(Box<RawValue>);

impl OpaqueJson {
    /// The JSON text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for OpaqueJson {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

#[cfg(test)]
mod tests;
