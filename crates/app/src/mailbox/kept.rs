//! Vehicles that stay open between their steps, because more is pushed about them than fits one.
//!
//! A vehicle that is pushed about every few seconds would be loaded, unsealed and decoded for each step. Its shard keeps it
//! instead, as it is since its last commit; should somebody else have written it since, the version refuses the next
//! commit, and it is loaded again. Two generations make room: what was not used while the younger one filled up goes.

use domain::{ids::VehicleNo, vehicle::Document};
use hashbrown::HashMap;

use super::Opened;

/// How much one generation of a shard may hold: vehicles count by the signals that they know, about 300 bytes each.
const MOST: usize = 49_152;

/// The vehicles that a shard keeps open.
#[derive(Default)]
pub(super) struct Kept {
    young: HashMap<VehicleNo, Opened>,
    old: HashMap<VehicleNo, Opened>,
    /// Of the young ones.
    weight: usize,
}

impl Kept {
    /// Takes a vehicle out. It is kept again when its step has been committed.
    pub(super) fn take(&mut self, vehicle: VehicleNo) -> Option<Opened> {
        match self.young.remove(&vehicle) {
            Some(opened) => {
                self.weight = self.weight.saturating_sub(weight(&opened.document));
                Some(opened)
            }
            None => self.old.remove(&vehicle),
        }
    }

    /// Keeps a vehicle as it is since its last commit.
    pub(super) fn keep(&mut self, opened: Opened) {
        self.weight += weight(&opened.document);
        self.young.insert(opened.no, opened);
        if self.weight > MOST {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
    }
}

/// What a document takes: its signals, what is pushed and still matters, and a little more.
fn weight(document: &Document) -> usize {
    let pushes = document.pushes.held.len() + document.pushes.seen.len() / 32;
    4 + document.signals.len() + 2 * document.subscriptions.len() + pushes
}
