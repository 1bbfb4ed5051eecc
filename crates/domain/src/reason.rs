//! The closed list of reason codes: everything Tenure can say about why.
//!
//! Each code has a fixed spelling, a meaning and a remedy; `docs/reference/reasons.md` has a section for each and a
//! test compares the two. Prose is made from a code and its parameters, never stored.
//! Codes are added, never renamed: an explanation of last year must still be readable (version in [`REASONS_VERSION`]).

use serde::{Deserialize, Serialize};

/// The version of the list; it grows by one with every addition.
pub const REASONS_VERSION: u32 = 1;

macro_rules! reasons {
    ($($variant:ident = $code:literal, $meaning:literal, $remedy:literal;)*) => {
        /// Why something is as it is. The order of the variants is part of the stored format: append only.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $(#[doc = $meaning] $variant,)*
        }

        impl Reason {
            /// All codes, in the order of the list.
            pub const ALL: &[Reason] = &[$(Reason::$variant,)*];

            /// The stable spelling, as it stands in answers.
            pub fn code(self) -> &'static str {
                match self { $(Reason::$variant => $code,)* }
            }

            /// What it means, as one sentence without a full stop.
            pub fn meaning(self) -> &'static str {
                match self { $(Reason::$variant => $meaning,)* }
            }

            /// What changes it, as one sentence without a full stop; empty where nothing needs to change.
            pub fn remedy(self) -> &'static str {
                match self { $(Reason::$variant => $remedy,)* }
            }
        }
    };
}

reasons! {
    Ok = "ok", "every check passed", "";
    InstanceTerminated = "instance-terminated", "the instance is terminated and owns nothing", "write the instance again with status active";
    InstanceExpired = "instance-expired", "the time of the instance has run out", "write the instance with a later expires";
    InstanceSuspended = "instance-suspended", "the operator suspended the instance", "write the instance with status active";
    Pending = "pending", "the allocator has not reached the instance yet", "wait a moment; if it lasts, tenure doctor says who leads";
    NotApplicable = "not_applicable", "the access template delivers to everybody alike and owns nobody", "";
    EmptyBoundary = "empty-boundary", "the boundary of the access template holds no group", "add groups or regions to the access template";
    OutsideBoundary = "outside-boundary", "the group is not inside the boundary of the access template", "put the group into the access template, or repair the instance";
    JurisdictionMismatch = "jurisdiction-mismatch", "the region lies in another jurisdiction than the instance demands", "offer a region of that jurisdiction in the access template";
    RegionClosed = "region-closed", "the region is closed", "set the region to state active";
    RegionChanged = "region-changed", "the group belongs to another region than when it became the owner", "nothing: the allocator records the new region";
    GroupClosed = "group-closed", "the group is closed: it neither serves nor takes", "set the group to state active";
    GroupDraining = "group-draining", "the group is draining: it serves its owners and takes nobody", "set the group to state active";
    LeavingByPlan = "leaving-by-plan", "a plan that is being applied removes the group from the boundary", "abort the plan, or wait until it is done";
    NoNode = "no-node", "the group has no node", "put a node into the group";
    NoQualifiedNode = "no-qualified-node", "no node of the group passes the whole chain", "mend one of its nodes: the checks name the failing link of each";
    NodeUnknown = "node-unknown", "the node is in no group inside the boundary that serves", "put the node into a serving group of an allowed jurisdiction";
    NodeDisabled = "node-disabled", "the node is disabled", "set the node to state active";
    NodeDown = "node-down", "the node reports that it is down", "mend the node; its next report with status up qualifies it";
    NodeSilent = "node-silent", "the node has stopped reporting", "mend the node or its way to the centre; its next report qualifies it";
    RuntimeTemplateDisabled = "runtime-template-disabled", "the runtime template of the node is disabled", "set the runtime template to state active";
    OutboundTemplateDisabled = "outbound-template-disabled", "the outbound template of the node is disabled", "set the outbound template to state active";
    NoCandidate = "no-candidate", "no group of the boundary can take the instance", "make one group a candidate: the table names what each lacks";
    LeastUtilised = "least-utilised", "the group has the least (active weight + own weight) ÷ capacity", "";
    FewestOfProduct = "fewest-of-product", "equally utilised, and it holds the fewest instances of the same product", "";
    SmallestId = "smallest-id", "equal in all else, and it has the smallest id", "";
    MoreUtilised = "more-utilised", "the group is more utilised than the one that was chosen", "";
    MoreOfProduct = "more-of-product", "equally utilised, but it holds more instances of the same product", "";
    LargerId = "larger-id", "equal in all else, but its id is larger", "";
    RampCapped = "ramp-capped", "the group is new or returned and has taken three times its share of the arrivals", "wait: the cap rises with every arrival";
    RegionNotChosen = "region-not-chosen", "another region of the boundary was chosen first", "";
    ChosenByPlan = "chosen-by-plan", "a plan named the group", "";
    KeptValid = "kept-valid", "the ownership is valid and therefore kept", "";
    CountedAnew = "counted-anew", "weight, product or region changed; the owner stays and is counted anew", "";
    Repaired = "repaired", "the former owner no longer delivered, another was chosen", "";
    Moved = "moved", "a plan moved the instance", "";
    Released = "released", "the ownership ended", "";
    HeldByTemplate = "held-by-template", "the access template holds broken ownerships until a plan repairs them", "tenure plan repair";
    HeldByPace = "held-by-pace", "lost health repairs only after a while and at a bounded rate", "wait, or make a repair plan";
    GenerationDrifted = "generation-drifted", "the ownership changed after the plan was made", "make a new plan";
    AlreadyThere = "already-there", "the target of the move owns the instance already", "";
    Void = "void", "the instance changed while the batch was being written; it is decided again", "";
    WithinLimit = "within-limit", "the node is among the first that the template delivers", "";
    BeyondLimit = "beyond-limit", "the node is qualified but stands behind the template's limit", "raise the limit of the access template";
    PlanNamedAnother = "plan-named-another", "a plan named another group", "tenure plan move";
    ProductUnknown = "product-unknown", "the product of the instance does not exist", "write the product, or give the instance another";
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl std::str::FromStr for Reason {
    type Err = ();
    fn from_str(code: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|reason| reason.code() == code).ok_or(())
    }
}
