//! Letters that wait: in which order vehicles are stepped, and which letters become one.

use std::collections::{BTreeMap, VecDeque};

use domain::{ids::VehicleNo, vehicle::Input};

use super::Letter;

/// Readings that one step takes in.
const MOST_READINGS: usize = 1_024;

/// How many letters these stand for.
pub(super) fn count(letters: &[Letter]) -> usize {
    letters.iter().map(|letter| letter.joined).sum()
}

/// Letters that wait for their step.
///
/// They are taken in the order of their vehicles' numbers, round and round. Answers come in the order of the cars' moods,
/// but neighbours lie on the same pages of the store: committed together, they are written together. A letter waits for
/// one round at most, and the letters of one vehicle keep their order.
#[derive(Default)]
pub(super) struct Waiting {
    letters: BTreeMap<VehicleNo, VecDeque<Letter>>,
    pub(super) count: usize,
    /// Where the round goes on.
    next: VehicleNo,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn put(&mut self, letter: Letter) {
        self.count += 1;
        self.letters.entry(letter.vehicle).or_default().push_back(letter);
    }

    /// A letter whose step has to be made again comes before later ones of its vehicle.
    pub(super) fn put_back(&mut self, letter: Letter) {
        self.count += letter.joined;
        self.letters.entry(letter.vehicle).or_default().push_front(letter);
    }

    /// The first letters of so many vehicles at most.
    pub(super) fn take(&mut self, most: usize) -> Vec<Letter> {
        let ahead = self.letters.range(self.next..);
        let round = ahead.chain(self.letters.range(..self.next));
        let vehicles: Vec<VehicleNo> = round.map(|(&vehicle, _)| vehicle).take(most).collect();
        if let Some(last) = vehicles.last() {
            self.next = VehicleNo(last.0 + 1);
        }
        let taken: Vec<Letter> =
            vehicles.into_iter().filter_map(|vehicle| self.take_first(vehicle)).collect();
        self.count -= count(&taken);
        taken
    }

    /// The first letter of a vehicle; readings that follow readings join them.
    fn take_first(&mut self, vehicle: VehicleNo) -> Option<Letter> {
        let letters = self.letters.get_mut(&vehicle)?;
        let mut letter = letters.pop_front()?;
        while letters.front_mut().is_some_and(|later| join(&mut letter, later)) {
            letters.pop_front();
        }
        if letters.is_empty() {
            self.letters.remove(&vehicle);
        }
        Some(letter)
    }
}

/// Joins readings to earlier ones of the same vehicle; false when the letters are of another kind.
fn join(first: &mut Letter, later: &mut Letter) -> bool {
    let (Input::Readings(readings), Input::Readings(more)) = (&mut first.input, &mut later.input) else {
        return false;
    };
    if readings.len() + more.len() > MOST_READINGS {
        return false;
    }
    readings.append(more);
    first.replies.append(&mut later.replies);
    first.joined += later.joined;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(vehicle: i64, tries: u8) -> Letter {
        let vehicle = VehicleNo(vehicle);
        Letter { vehicle, input: Input::Tick, opened: None, replies: vec![], ticket: None, tries, joined: 1 }
    }

    fn waiting(vehicles: &[i64]) -> Waiting {
        let mut waiting = Waiting::default();
        vehicles.iter().for_each(|&vehicle| waiting.put(letter(vehicle, 0)));
        waiting
    }

    fn taken(waiting: &mut Waiting, most: usize) -> Vec<i64> {
        waiting.take(most).iter().map(|letter| letter.vehicle.0).collect()
    }

    #[test]
    fn neighbours_are_stepped_together_and_nobody_waits_longer_than_a_round() {
        let mut waiting = waiting(&[9, 2, 7, 4]);
        assert_eq!(taken(&mut waiting, 2), [2, 4]);
        [1, 3, 8].iter().for_each(|&vehicle| waiting.put(letter(vehicle, 0)));
        assert_eq!(taken(&mut waiting, 2), [7, 8]);
        assert_eq!(taken(&mut waiting, 9), [9, 1, 3]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn a_vehicle_is_stepped_once_per_batch_and_its_letters_keep_their_order() {
        let mut waiting = Waiting::default();
        [(5, 1), (5, 2), (6, 0)].iter().for_each(|&(vehicle, tries)| waiting.put(letter(vehicle, tries)));
        let first = waiting.take(9).remove(0);
        assert_eq!((first.vehicle, first.tries, waiting.count), (VehicleNo(5), 1, 1));
        waiting.put_back(first);
        let order: Vec<u8> = (0..2).map(|_| waiting.take(1).remove(0).tries).collect();
        assert_eq!(order, [1, 2]);
    }
}
