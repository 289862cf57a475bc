//! A model that holds what a [`Workload`] opened.

use std::borrow::Cow;

use portex::{input::Input, observe::Model};

use super::{
    model::{empty, events},
    workload::Workload,
};

/// Rounds that are taken in at once.
pub(crate) const ROUNDS: u64 = 256;

/// A model that holds what the workload does.
pub(crate) fn full(workload: &Workload) -> Model {
    let mut model = empty();
    let mut records = Vec::new();
    let mut round = 0;
    while round < workload.held() {
        let end = (round + ROUNDS).min(workload.held());
        records.clear();
        workload.rounds(round..end, &mut records);
        model.take(Input::Events(Cow::Owned(events(&records))));
        round = end;
    }
    let held = model.snapshot(model.latest());
    let held: u64 = held.spaces.iter().map(|space| u64::from(space.used)).sum();
    assert_eq!(held, workload.held(), "the model holds all of them");
    model
}
