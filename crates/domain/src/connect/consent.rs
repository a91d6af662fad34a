//! What an owner is asked on the grant screen, and what follows from the answer.

use super::PermissionSet;

/// What a car can give of what is asked; `None` when it lacks something that is required, or can give nothing at all.
pub fn offer(
    asked: PermissionSet,
    required: PermissionSet,
    supported: PermissionSet,
) -> Option<PermissionSet> {
    let offered = asked.and(supported);
    (required.and(supported) == required && offered != PermissionSet::default()).then_some(offered)
}

/// What is granted of a car for which `offered` can be given: what the owner left in, and all that is required.
pub fn granted(offered: PermissionSet, required: PermissionSet, chosen: PermissionSet) -> PermissionSet {
    offered.and(chosen.or(required))
}

/// An earlier consent of an owner, as far as the next one is compared with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// What was asked then.
    pub asked: PermissionSet,
    /// How many of the cars that are offered now are connected.
    pub connected: usize,
    /// What is granted of each of those.
    pub granted: PermissionSet,
    /// Whether the owner has ever ended an access: a car that is not connected may be one that was.
    pub has_ended: bool,
}

/// Whether the grant screen says nothing that the owner has not agreed to already.
pub fn is_repetition(
    earlier: Earlier,
    (asked, required): (PermissionSet, PermissionSet),
    offered: usize,
    single: bool,
) -> bool {
    let Earlier { connected, granted, .. } = earlier;
    let is_whole = connected == offered || !earlier.has_ended;
    earlier.asked == asked
        && required.and(granted) == required
        && connected > 0
        && is_whole
        && !(single && connected > 1)
}

/// Why an answer on the grant screen is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChoiceRefused {
    /// No car, or one that was not offered.
    NoVehicle,
    /// More cars than one.
    OneOnly,
    /// Nothing left that could be given.
    NoPermission,
}

/// The cars that an owner has chosen by their places in the list, each once.
///
/// # Errors
///
/// When there is none, one that was not offered, or one too many.
pub fn chosen(places: &[usize], offered: usize, single: bool) -> Result<Vec<usize>, ChoiceRefused> {
    let mut places = places.to_vec();
    places.sort_unstable();
    places.dedup();
    match places.last() {
        None => Err(ChoiceRefused::NoVehicle),
        Some(&last) if last >= offered => Err(ChoiceRefused::NoVehicle),
        Some(_) if single && places.len() > 1 => Err(ChoiceRefused::OneOnly),
        Some(_) => Ok(places),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Permission::{self, ReadFuel, ReadOdometer, ReadVin};

    fn set<const N: usize>(permissions: [Permission; N]) -> PermissionSet {
        permissions.into_iter().collect()
    }

    #[test]
    fn a_car_without_a_required_permission_is_not_offered() {
        let asked = set([ReadOdometer, ReadFuel, ReadVin]);
        assert_eq!(
            offer(asked, set([ReadOdometer]), set([ReadOdometer, ReadVin])),
            Some(set([ReadOdometer, ReadVin]))
        );
        assert_eq!(offer(asked, set([ReadFuel]), set([ReadOdometer, ReadVin])), None);
        assert_eq!(offer(asked, set([]), set([])), None);
    }

    #[test]
    fn what_is_required_is_granted_whatever_the_form_says() {
        let offered = set([ReadOdometer, ReadVin]);
        assert_eq!(granted(offered, set([ReadOdometer]), set([])), set([ReadOdometer]));
        assert_eq!(granted(offered, set([]), set([ReadVin, ReadFuel])), set([ReadVin]));
    }

    #[test]
    fn a_consent_is_a_repetition_only_when_nothing_else_is_asked() {
        let (asked, none) = (set([ReadVin]), PermissionSet::default());
        let earlier = |connected| Earlier { asked, connected, granted: asked, has_ended: false };
        assert!(is_repetition(earlier(2), (asked, none), 3, false));
        assert!(is_repetition(earlier(1), (asked, asked), 1, true));
        assert!(!is_repetition(earlier(2), (asked, none), 2, true));
        assert!(!is_repetition(earlier(0), (asked, none), 2, false));
        assert!(!is_repetition(earlier(1), (set([ReadVin, ReadFuel]), none), 1, false));
        let without = Earlier { granted: none, ..earlier(1) };
        assert!(!is_repetition(without, (asked, asked), 1, false), "what is required now was taken out then");
        let ended = |connected| Earlier { has_ended: true, ..earlier(connected) };
        assert!(!is_repetition(ended(1), (asked, none), 2, false), "one may be connected anew");
        assert!(is_repetition(ended(2), (asked, none), 2, false));
    }

    #[test]
    fn only_what_was_offered_can_be_chosen() {
        assert_eq!(chosen(&[2, 0, 2], 3, false), Ok(vec![0, 2]));
        assert_eq!(chosen(&[], 3, false), Err(ChoiceRefused::NoVehicle));
        assert_eq!(chosen(&[3], 3, false), Err(ChoiceRefused::NoVehicle));
        assert_eq!(chosen(&[0, 1], 3, true), Err(ChoiceRefused::OneOnly));
        assert_eq!(chosen(&[1, 1], 3, true), Ok(vec![1]));
    }
}
