//! The life of a plan as data: which command is legal when, what becomes of each move, and how it is undone.
//!
//! draft → applying ⇄ paused → done, aborted or failed. The shell stores the state in the database, so a plan goes on
//! after a crash; a command that is already in force is no error, since a client may have lost the answer.

use serde::{Deserialize, Serialize};

use super::draft::Move;
use crate::ids::{Generation, GroupId, InstanceId};
use crate::reason::Reason;

/// Moves of a plan per second unless told otherwise: a million in under three hours, and no herd on any group.
pub const RATE_PER_SECOND_DEFAULT: u32 = 100;

/// More than the allocator commits on any machine we measured; it bounds what one tick of a plan may ask for.
pub const RATE_PER_SECOND_MAX: u32 = 100_000;

/// The kinds of plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Topology,
    Repair,
    Rebalance,
    Drain,
    Move,
    /// The reverse moves of another plan.
    Undo,
}

/// Where a plan stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Created and to be read; nothing was done.
    #[default]
    Draft,
    Applying,
    /// Keeps what it wrote and goes no further.
    Paused,
    Done,
    /// Given up by somebody; what it had moved stays moved.
    Aborted,
    /// Given up by itself, for example because an object that it writes had changed.
    Failed,
}

/// What a plan is told, by people and by its own task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Command {
    Apply,
    Pause,
    Resume,
    Abort,
    /// All rows are done or skipped, and the last step is written.
    Finish,
    /// It cannot go on.
    Fail,
}

/// A command that does not fit the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a plan that is {} cannot be told to {}", state.code(), command.code())]
pub struct IllegalCommand {
    pub state: State,
    pub command: Command,
}

/// What became of one move.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveState {
    #[default]
    Pending,
    Done,
    /// Its row had drifted or the evaluator refused it; no other is the worse for it.
    Skipped {
        reason: Reason,
    },
}

impl Kind {
    /// All kinds.
    pub const ALL: &[Self] = &[Self::Topology, Self::Repair, Self::Rebalance, Self::Drain, Self::Move, Self::Undo];

    /// The spelling in bodies and tables.
    pub fn code(self) -> &'static str {
        match self {
            Self::Topology => "topology",
            Self::Repair => "repair",
            Self::Rebalance => "rebalance",
            Self::Drain => "drain",
            Self::Move => "move",
            Self::Undo => "undo",
        }
    }

    /// The kind with this spelling.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }
}

impl State {
    /// All states.
    pub const ALL: &[Self] = &[Self::Draft, Self::Applying, Self::Paused, Self::Done, Self::Aborted, Self::Failed];

    /// The spelling in bodies and tables.
    pub fn code(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Applying => "applying",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Aborted => "aborted",
            Self::Failed => "failed",
        }
    }

    /// The state with this spelling.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.code() == code)
    }

    /// Whether nothing will be done any more.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Aborted | Self::Failed)
    }

    /// Whether it holds groups as leaving: it has begun and is not over.
    pub fn is_running(self) -> bool {
        matches!(self, Self::Applying | Self::Paused)
    }

    /// The state after a command. One that is already in force changes nothing.
    ///
    /// # Errors
    /// [`IllegalCommand`] when the command does not fit.
    pub fn after(self, command: Command) -> Result<Self, IllegalCommand> {
        match (self, command) {
            (Self::Draft | Self::Applying, Command::Apply) | (Self::Paused | Self::Applying, Command::Resume) => {
                Ok(Self::Applying)
            }
            (Self::Applying | Self::Paused, Command::Pause) => Ok(Self::Paused),
            (Self::Draft | Self::Applying | Self::Paused | Self::Aborted, Command::Abort) => Ok(Self::Aborted),
            (Self::Applying | Self::Done, Command::Finish) => Ok(Self::Done),
            (Self::Draft | Self::Applying | Self::Paused | Self::Failed, Command::Fail) => Ok(Self::Failed),
            (state, command) => Err(IllegalCommand { state, command }),
        }
    }
}

impl Command {
    /// The spelling in paths and messages.
    pub fn code(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Abort => "abort",
            Self::Finish => "finish",
            Self::Fail => "fail",
        }
    }
}

impl MoveState {
    /// The spelling in bodies and tables.
    pub fn code(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Skipped { .. } => "skipped",
        }
    }
}

/// A move that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoneMove {
    pub instance: InstanceId,
    /// The owner before; absent when it had none.
    pub from: Option<GroupId>,
    pub to: GroupId,
    /// The generation that the move made.
    pub generation: Generation,
}

/// The moves that take made moves back, the last first. One that gave an owner to who had none is not taken back:
/// nothing but a termination ends an ownership (I2).
pub fn reverse_moves(done: impl IntoIterator<Item = DoneMove>) -> Vec<Move> {
    let back = |it: DoneMove| {
        let to = it.from?;
        Some(Move { instance: it.instance, from: Some(it.to), from_generation: it.generation, to })
    };
    let mut moves: Vec<Move> = done.into_iter().filter_map(back).collect();
    moves.reverse();
    moves
}

/// How long so many moves take at a rate, in seconds, rounded up; a rate of 0 counts as 1.
pub fn estimate_seconds(moves: u64, rate_per_second: u32) -> u64 {
    moves.div_ceil(u64::from(rate_per_second.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_takes_the_commands_that_fit_and_no_other() {
        let commands =
            [Command::Apply, Command::Pause, Command::Resume, Command::Abort, Command::Finish, Command::Fail];
        let table: Vec<String> = State::ALL
            .iter()
            .map(|state| {
                let cells = commands.map(|command| match state.after(command) {
                    Ok(next) => format!("{}→{}", command.code(), next.code()),
                    Err(_) => format!("{}✗", command.code()),
                });
                format!("{}: {}", state.code(), cells.join(" "))
            })
            .collect();
        expect_test::expect![[r#"
            draft: apply→applying pause✗ resume✗ abort→aborted finish✗ fail→failed
            applying: apply→applying pause→paused resume→applying abort→aborted finish→done fail→failed
            paused: apply✗ pause→paused resume→applying abort→aborted finish✗ fail→failed
            done: apply✗ pause✗ resume✗ abort✗ finish→done fail✗
            aborted: apply✗ pause✗ resume✗ abort→aborted finish✗ fail✗
            failed: apply✗ pause✗ resume✗ abort✗ finish✗ fail→failed"#]]
        .assert_eq(&table.join("\n"));
        let refused = State::Done.after(Command::Pause).unwrap_err();
        assert_eq!(refused.to_string(), "a plan that is done cannot be told to pause");
    }

    #[test]
    fn spellings_read_back() {
        assert!(State::ALL.iter().all(|state| State::from_code(state.code()) == Some(*state)));
        assert!(Kind::ALL.iter().all(|kind| Kind::from_code(kind.code()) == Some(*kind)));
    }

    #[test]
    fn an_estimate_is_rounded_up() {
        assert_eq!(estimate_seconds(0, 100), 0);
        assert_eq!(estimate_seconds(1, 100), 1);
        assert_eq!(estimate_seconds(9_000, 100), 90);
        assert_eq!(estimate_seconds(7, 0), 7);
    }

    #[test]
    fn moves_are_taken_back_in_reverse_and_a_first_owner_is_kept() {
        let id = |text: &str| InstanceId::parse(text).unwrap();
        let group = |text: &str| GroupId::parse(text).unwrap();
        let done = |instance, from: Option<&str>, to, generation| DoneMove {
            instance: id(instance),
            from: from.map(group),
            to: group(to),
            generation: Generation(generation),
        };
        let back =
            reverse_moves([done("a", Some("g1"), "g2", 2), done("b", None, "g2", 1), done("c", Some("g3"), "g1", 5)]);
        let reversed = |instance, from, to, generation| Move {
            instance: id(instance),
            from: Some(group(from)),
            from_generation: Generation(generation),
            to: group(to),
        };
        assert_eq!(back, [reversed("c", "g1", "g3", 5), reversed("a", "g2", "g1", 2)]);
    }
}
