//! Named places at which a process can be made to fail on purpose: killed, refused or delayed.
//!
//! Compiled always and armed by `TENURE_FAULT` alone, so the program that is tested is the one that is shipped. The
//! text is `name:n[:kill|:error|:delay-ms]`: the n-th time the place is passed it happens; several are parted by commas.
//! Unarmed, a place costs one relaxed load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

/// The variable that arms.
const VARIABLE: &str = "TENURE_FAULT";

/// What happens at an armed place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Kill,
    Error,
    Delay(Duration),
}

/// An armed place, and how many more passages are harmless.
#[derive(Debug, Clone)]
struct Armed {
    place: String,
    left: u64,
    act: Act,
}

/// A place failed on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the fault point {0} was armed to fail")]
pub struct Fault(&'static str);

static IS_ARMED: AtomicBool = AtomicBool::new(false);
static ARMED: Mutex<Vec<Armed>> = Mutex::new(Vec::new());
static READ_VARIABLE: Once = Once::new();

/// Reads the variable; called once at the start of a server.
///
/// # Errors
/// A text that says what of it cannot be read.
pub fn arm_from_environment() -> Result<(), String> {
    let mut result = Ok(());
    READ_VARIABLE.call_once(|| {
        if let Ok(text) = std::env::var(VARIABLE) {
            result = arm(&text);
        }
    });
    result
}

/// Arms places; for the variable and for tests inside a process.
///
/// # Errors
/// A text that says what cannot be read.
pub fn arm(text: &str) -> Result<(), String> {
    for one in text.split(',').filter(|it| !it.is_empty()) {
        let mut parts = one.split(':');
        let (place, count, act) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        let expected = || format!("{VARIABLE}: expected name:n[:kill|:error|:delay-ms], found {one:?}");
        let left: u64 = count.and_then(|it| it.parse().ok()).filter(|it| *it > 0).ok_or_else(expected)?;
        let act = match act {
            None | Some("kill") => Act::Kill,
            Some("error") => Act::Error,
            Some(delay) => {
                let millis = delay.strip_prefix("delay-").and_then(|it| it.parse().ok()).ok_or_else(expected)?;
                Act::Delay(Duration::from_millis(millis))
            }
        };
        let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
        armed.push(Armed { place: place.to_owned(), left, act });
        IS_ARMED.store(true, Ordering::Release);
    }
    Ok(())
}

/// Nothing fails on purpose any more.
pub fn disarm() {
    IS_ARMED.store(false, Ordering::Release);
    ARMED.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Passes a place.
///
/// # Errors
/// [`Fault`] when it was armed to fail. A kill does not return.
pub fn hit(place: &'static str) -> Result<(), Fault> {
    match due(place) {
        None => Ok(()),
        Some(Act::Kill) => std::process::abort(),
        Some(Act::Error) => Err(Fault(place)),
        Some(Act::Delay(delay)) => {
            std::thread::sleep(delay);
            Ok(())
        }
    }
}

/// Passes a place in a task: a delay lets others run.
///
/// # Errors
/// As [`hit`].
pub async fn pass(place: &'static str) -> Result<(), Fault> {
    match due(place) {
        None => Ok(()),
        Some(Act::Kill) => std::process::abort(),
        Some(Act::Error) => Err(Fault(place)),
        Some(Act::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            Ok(())
        }
    }
}

fn due(place: &str) -> Option<Act> {
    if !IS_ARMED.load(Ordering::Relaxed) {
        return None;
    }
    let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
    let at = armed.iter().position(|it| it.place == place)?;
    armed[at].left -= 1;
    (armed[at].left == 0).then(|| armed.swap_remove(at).act)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_passage_fails_once() {
        arm("place-of-a-test:2:error").unwrap();
        assert!(hit("place-of-a-test").is_ok());
        assert!(hit("place-of-a-test").is_err());
        assert!(hit("place-of-a-test").is_ok());
        assert!(arm("nonsense").is_err() && arm("a:0").is_err() && arm("a:1:explode").is_err());
    }
}
