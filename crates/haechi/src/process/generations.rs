//! Applied configurations: numbered, with what changed and what was left out.

use std::collections::VecDeque;

use haechi_admin::view::GenerationView;
use haechi_core::{Generation, WallTime};

/// Generations shown.
const KEPT: usize = 20;
/// Changes listed of one generation; the rest is counted.
const CHANGES: usize = 50;

/// The last generations.
#[derive(Debug, Default)]
pub struct Generations {
    kept: VecDeque<GenerationView>,
}

impl Generations {
    /// The number of the newest.
    pub fn newest(&self) -> Generation {
        self.kept.front().map(|view| view.number).unwrap_or_default()
    }

    /// Notes one that every worker runs.
    pub fn applied(
        &mut self,
        number: Generation,
        at: WallTime,
        cause: &str,
        mut changes: Vec<String>,
        refused: Vec<String>,
    ) {
        if changes.len() > CHANGES {
            let more = changes.len() - CHANGES;
            changes.truncate(CHANGES);
            changes.push(format!("and {more} more"));
        }
        if self.kept.len() == KEPT {
            self.kept.pop_back();
        }
        let view = GenerationView { number, at: at.to_string(), cause: cause.to_owned(), changes, refused };
        self.kept.push_front(view);
    }

    /// Newest first.
    pub fn views(&self) -> Vec<GenerationView> {
        self.kept.iter().cloned().collect()
    }
}
