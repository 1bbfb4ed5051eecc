//! The printed tour: four commands to paste into another terminal, and what each shows.
//!
//! Every id is looked up in the fleet as it stands, and every command is spelt so that it runs as it is printed:
//! from the same directory, without a token, whether or not the program is on the search path.

use std::path::{Path, PathBuf};

use control::view::View;
use domain::orchestration::Holder;

use super::fleet::{DARK, DRAINED, DRAINING, FRESH};
use super::setup::SCALE_OUT_FILE;
use super::weather::DARK_AFTER_S;

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

/// How the program is called from the directory in which the demo runs.
pub fn program() -> String {
    let own = std::env::current_exe().ok().and_then(|path| path.canonicalize().ok());
    let Some(own) = own else { return "tenure".to_owned() };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_on_path = std::env::split_paths(&path).any(|it| it.join("tenure").canonicalize().is_ok_and(|found| found == own));
    let here = std::env::current_dir().ok().and_then(|path| path.canonicalize().ok());
    spell(&own, is_on_path, here)
}

fn spell(own: &Path, is_on_path: bool, here: Option<PathBuf>) -> String {
    if is_on_path {
        return "tenure".to_owned();
    }
    match here.and_then(|here| own.strip_prefix(here).ok().map(Path::to_owned)) {
        Some(relative) => quote(&format!("./{}", relative.display())),
        None => quote(&own.display().to_string()),
    }
}

/// A word as a shell reads it.
pub fn quote(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:=@%".contains(letter);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// The tour. `call` is the program with what it needs to find the server.
pub fn text(call: &str, data: &Path, cast: &Cast, is_kept: bool) -> String {
    let scale_out = quote(&data.join(SCALE_OUT_FILE).display().to_string());
    let mut text = format!("\nA sample fleet of {} instances, with nodes that fail and return. Paste into another terminal, in this directory:\n", cast.instances);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_called_as_it_can_be_found() {
        let own = Path::new("/home/ann/tenure/target/release/tenure");
        let here = |path: &str| Some(PathBuf::from(path));
        assert_eq!(spell(own, true, here("/home/ann/tenure")), "tenure");
        assert_eq!(spell(own, false, here("/home/ann/tenure")), "./target/release/tenure");
        assert_eq!(spell(own, false, here("/srv")), "/home/ann/tenure/target/release/tenure");
        assert_eq!(spell(Path::new("/a b/tenure"), false, None), "'/a b/tenure'");
    }

    #[test]
    fn a_word_survives_the_shell() {
        assert_eq!(quote("plain/word-1.yaml"), "plain/word-1.yaml");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }
}
