//! Which delivery served which slot.

use super::{Delivery, End};
use crate::id::Id;
use crate::time::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// A slot of one vehicle on one webhook.
pub(super) struct Slot {
    pub(super) at: Timestamp,
    /// Whether it has to be served; at the edges of a subscription it may be.
    pub(super) required: bool,
    /// The delivery that served it.
    pub(super) taken: Option<usize>,
    /// How it ended by the server's log.
    pub(super) end: Option<End>,
}

impl Slot {
    pub(super) fn new(at: Timestamp, required: bool) -> Self {
        Self { at, required, taken: None, end: None }
    }

    /// Whether a delivery is still missing here.
    pub(super) fn is_open(&self) -> bool {
        self.taken.is_none()
    }
}

/// Gives each delivery, in the order in which they were built, the newest slot before that. When it is taken, the earlier
/// of the two moves one slot back, if it was built soon enough after the change. Returns those that found no slot.
pub(super) fn assign(
    slots: &mut [Slot],
    deliveries: &[Delivery<'_>],
    pinned: &HashMap<Id, Timestamp>,
    grace: Duration,
) -> Vec<usize> {
    let mut free = Vec::new();
    for (index, delivery) in deliveries.iter().enumerate() {
        let told =
            pinned.get(&delivery.id).and_then(|at| slots.binary_search_by_key(at, |slot| slot.at).ok());
        match told {
            Some(told) if slots[told].is_open() => slots[told].taken = Some(index),
            _ => free.push(index),
        }
    }
    free.retain(|&index| !settle(slots, deliveries, index, grace));
    free
}

/// Whether a slot was found.
fn settle(slots: &mut [Slot], deliveries: &[Delivery<'_>], index: usize, grace: Duration) -> bool {
    let built = deliveries[index].built;
    let Some(newest) = slots.partition_point(|slot| slot.at <= built).checked_sub(1) else { return false };
    let Some(holder) = slots[newest].taken.replace(index) else { return true };
    let before = newest.checked_sub(1).filter(|&before| slots[before].is_open());
    let late = |index: usize| deliveries[index].built < slots[newest].at + grace;
    match before {
        Some(before) if late(holder) => {
            slots[before].taken = Some(holder);
            true
        }
        _ => {
            slots[newest].taken = Some(holder);
            false
        }
    }
}
