//! The printed tour: six commands to paste into another terminal, and what each shows.
//!
//! Every id is looked up in the fleet as it stands, and every command is spelt so that it runs as it is printed:
//! from the same directory, without a token, whether or not the program is on the search path.

use std::path::Path;

use control::view::View;
use domain::orchestration::Holder;

use super::fleet::{DARK, DRAINED, DRAINING, FRESH};
use super::setup::SCALE_OUT_FILE;
use super::weather::DARK_AFTER_S;
use crate::spelling::quote;

/// The instances that the tour names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cast {
    /// Chosen while one group drained and another ramped: its candidate table shows both.
    pub explained: Option<String>,
    /// Owned by the group that goes dark.
    pub repaired: Option<String>,
    /// How many there are.
    pub instances: usize,
}

/// Looks for the instances that the tour names.
pub fn cast(view: &View) -> Cast {
    let (mut explained, mut repaired): (Option<String>, Option<String>) = (None, None);
    view.for_each(|subject| {
        let Some(Holder::Group { group, .. }) = subject.ownership.map(|it| &it.holder) else { return };
        let (id, group) = (subject.id.as_str(), group.as_str());
        let is_shown = subject.product.as_str() == "basic" && group != FRESH && group != DRAINING;
        // The last by id came last; the first by id is as good as any other.
        if is_shown && explained.as_deref().is_none_or(|last| id > last) {
            explained = Some(id.to_owned());
        }
        if group == DARK && repaired.as_deref().is_none_or(|first| id < first) {
            repaired = Some(id.to_owned());
        }
    });
    Cast { explained, repaired, instances: view.len() }
}

/// The tour. `call` is the program with what it needs to find the server.
pub fn text(call: &str, data: &Path, cast: &Cast, is_kept: bool) -> String {
    let scale_out = quote(&data.join(SCALE_OUT_FILE).display().to_string());
    let mut text = format!(
        "\nA sample fleet of {} instances, with nodes that fail and return. Paste into another terminal, in this directory:\n",
        cast.instances
    );
    if let Some(id) = &cast.explained {
        text += &format!(
            "
1  {call} explain {id} --why-not {FRESH}
   Why this customer is where it is: the verdict on its owner, every candidate with its score, and why not on
   {FRESH}, which joined just before and ramps. {DRAINING} was draining and took nobody.
"
        );
    }
    text += &format!(
        "
2  {call} plan drain {DRAINED}
   What emptying a group would do to every instance, before anything is done. Nothing moves until you paste
   the line that it ends with.

3  {call} apply -f {scale_out}
   A new region and two new groups. Not one owner moves because capacity came; put `plan topology` in the place
   of `apply` to be told so beforehand, counted over every instance.

4  {call} doctor
   Whether counters equal a recount, who leads, how far the audit log is chained, and what to do where it is not so.
"
    );
    if let Some(id) = &cast.explained {
        text += &format!(
            "
5  {call} usage {id}
   What this customer used. Machines report what they carry every 10 s; each report counts once, however often it is
   sent: ask again in a while. `{call} presence {id}` shows its devices.
"
        );
    }
    text += &format!(
        "
6  {call} conservation
   Whether every byte that any machine ever reported is in the database, logged, parked or rejected, for each shard and
   for each reporter. It stays so after `kill -9`: `tenure demo --data DIR` keeps its data for that.
"
    );
    if let Some(id) = &cast.repaired {
        text += &format!(
            "
After {DARK_AFTER_S} s all nodes of {DARK} report that they are down. `{call} explain {id}` shows an owner there now,
and a repaired one some seconds later: this demo repairs lost health after 10 s, a server after 60 s unless told.
"
        );
    }
    let end = if is_kept { "keeps its data" } else { "removes its data" };
    text + &format!("\nCtrl-C ends the demo and {end}; they lie in {}.\n", data.display())
}
