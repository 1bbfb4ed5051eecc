//! An explanation as it is told: one JSON body with all its parts, and the same as text for a terminal.
//!
//! Codes and numbers come from [`domain::resolution::explain`]; sentences are made there, in `prose`, and stand here
//! beside the codes as `text`. Programs read codes; nothing should ever parse a sentence. Keys keep one order.

mod body;
mod text;

pub use body::{
    ExplainedAct, ExplainedCandidate, ExplainedCheck, ExplainedDecision, ExplainedMissing, ExplainedNeed,
    ExplainedRamp, ExplainedReplay, ExplainedScaleEvent, ExplainedScore, ExplainedStay, ExplainedSubject,
    ExplainedTieBreak, ExplainedVerdict, ExplainedWhyNot, ExplanationBody,
};
pub use text::{CANDIDATES_IN_TEXT_MAX, to_text};

#[cfg(test)]
mod tests;
