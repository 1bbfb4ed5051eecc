//! The body of `/v1/doctor`: checks of a running system, each with what to do if it fails.
//!
//! The checks read and never mend. `ok` of the whole is true when each of them is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// A stable name, for example `leader`.
    pub check: String,
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do; absent when all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// All checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Doctor {
    pub ok: bool,
    pub checks: Vec<Check>,
}
