//! Faults that were planted are found: a soak that finds nothing is worth something only if it finds these.

use app::planted::{Planted, plant};
use milepost_sim::soak;

/// Worlds of a week that it may take.
const WORLDS: u64 = 200;

/// Plants a fault and lets worlds live until one is found guilty.
fn find(fault: Planted) {
    plant(Some(fault));
    let guilty = (1..=WORLDS).find_map(|seed| {
        let lived = std::panic::catch_unwind(|| soak::live(seed, 1, true));
        let guilt = lived.map_or_else(|_| Some("panicked".to_owned()), |life| life.guilt());
        guilt.map(|guilt| (seed, guilt))
    });
    plant(None);
    let (seed, guilt) = guilty.unwrap_or_else(|| panic!("{fault:?} was not found in {WORLDS} weeks"));
    let first = guilt.lines().nth(1).unwrap_or(&guilt);
    println!("{fault:?}: found in week {seed}: {first}");
}

macro_rules! found {
    ($($name:ident: $fault:ident;)*) => {$(
        #[test]
        fn $name() {
            find(Planted::$fault);
        }
    )*};
}

found! {
    an_end_that_is_not_recorded_is_found: EndNotRecorded;
    a_new_id_on_retries_is_found: NewIdOnRetry;
    attempts_that_a_restart_forgets_are_found: AttemptsForgotten;
    missed_slots_that_are_posted_are_found: MissedSlotsPosted;
    retries_without_end_are_found: RetriesWithoutEnd;
    ignored_tombstones_are_found: TombstonesIgnored;
    slots_that_come_early_are_found: EarlyByAMinute;
    an_event_that_is_queued_twice_is_found: PostedTwice;
    an_accepted_event_that_is_sent_again_is_found: AcceptedRetried;
}
