//! The laws of counting as far as pure functions carry them: I10 (whose turn, totals), I11, I12 (vectors), I14's numbers,
//! I15 and the semilattices of I18.
//!
//! What is expected is computed by a second reading of the law: sets of what was counted, sums of what was sent, a walk
//! from day to day, and tables from another implementation of the calendar. The protocol itself is model-checked in
//! `sim::counting`. Bugs planted to see each of these red are listed in `docs/proof/counting.md`.

mod figures;
mod lattices;
mod periods;
mod turns;
mod vectors;

use crate::orchestration::laws::world::cases;
