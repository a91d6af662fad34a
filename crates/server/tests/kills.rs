//! The real binary is killed, again and again, at moments that chance chooses, while vehicles are read and people call;
//! afterwards nothing is lost, and what came twice was in flight. `MILEPOST_BIN` names another binary to kill.

mod support;

use std::time::Duration;

use lab::behaviour::Behaviour;
use support::stage::{Moment, Plan, RestoreTo, Stage};
use tokio::sync::Mutex;

/// One at a time: how soon a server is ready is measured.
static STAGE: Mutex<()> = Mutex::const_new(());

fn plan(seed: u64) -> Plan {
    Plan { seed, steady: 20, restless: 4, callers: 3, receiver: Behaviour::GOOD }
}

async fn check(name: &str, plan: Plan, moments: impl IntoIterator<Item = Moment>) {
    let _alone = STAGE.lock().await;
    let mut stage = Stage::set(plan).await;
    for moment in moments {
        stage.kill(moment).await;
    }
    stage.end(name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_a1_what_a_call_was_answered_with_holds_after_a_kill() {
    let plan = Plan { callers: 6, ..plan(1) };
    check("a1", plan, [Moment::Any; 4]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_a2_a_slot_that_a_kill_cuts_short_is_served_once() {
    check("a2", Plan { steady: 60, ..plan(2) }, [Moment::InSlot; 4]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_a4_what_was_in_flight_at_a_kill_comes_again_under_its_id_and_with_its_data() {
    let slow = Behaviour::Slow(Duration::from_millis(40));
    check("a4", Plan { steady: 60, receiver: slow, ..plan(4) }, [Moment::InSlot; 4]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_a6_killed_again_while_recovering() {
    check("a6", plan(6), [Moment::InSlot, Moment::WhileStarting(20), Moment::Any]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_i1_a_server_told_to_stop_under_load_ends_in_time_and_repeats_nothing() {
    let _alone = STAGE.lock().await;
    let slow = Behaviour::Slow(Duration::from_millis(100));
    let mut stage = Stage::set(Plan { steady: 60, receiver: slow, ..plan(11) }).await;
    let took = stage.stop_under_load().await;
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert_eq!(stage.kills(), 0, "nothing could excuse a repeat");
    stage.end("i1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_b11_a_second_server_on_the_same_folder_is_refused_with_one_clear_line() {
    let _alone = STAGE.lock().await;
    let mut stage = Stage::set(Plan { callers: 0, ..plan(12) }).await;
    let (code, said) = stage.start_a_second().await;
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("uses this data folder"), "{said}");
    stage.end("b11").await;
}

/// Between a backup and its restore, and from one restore to the next.
struct Pace {
    kills: u64,
    restore_every: u64,
}

/// Kills at any moment, and now and then goes back to a backup of a few kills ago.
async fn kill_back_up_and_restore(stage: &mut Stage, pace: &Pace) {
    let (mut said, mut restored, mut backed_up) = (0, 0, false);
    while stage.kills() < pace.kills {
        let in_era = stage.kills() - restored;
        if backed_up && in_era >= pace.restore_every {
            let place = if stage.up_to(1) == 0 { RestoreTo::SameFolder } else { RestoreTo::NewFolder };
            stage.restore(place).await;
            (restored, backed_up) = (stage.kills(), false);
        } else if !backed_up && in_era + stage.up_to(4) >= pace.restore_every.saturating_sub(2) {
            stage.back_up().await;
            backed_up = true;
        } else {
            let moment = stage.any_moment();
            stage.kill(moment).await;
        }
        if stage.kills() >= said + 50 {
            said = stage.kills();
            println!("{said} of {} kills", pace.kills);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kills_races_and_restores_calls_were_done_once_and_what_has_ended_stays_ended() {
    let _alone = STAGE.lock().await;
    let mut stage = Stage::set(plan(7)).await;
    for place in [RestoreTo::NewFolder, RestoreTo::SameFolder] {
        stage.kill(Moment::InSlot).await;
        stage.back_up().await;
        stage.kill(Moment::Any).await;
        stage.restore(place).await;
    }
    stage.kill(Moment::InSlot).await;
    stage.end("races and restores").await;
    let done = stage.done();
    assert!(done.keyed > 50 && done.races > 5 && done.races_won > 5, "{done:?}");
}

/// `MILEPOST_SOAK_KILLS` says how many, `MILEPOST_SOAK_SEED` which, and a backup is restored after every
/// `MILEPOST_SOAK_RESTORE_EVERY` of them.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes as long as one lets it"]
async fn soak_kills_of_the_real_binary() {
    let _alone = STAGE.lock().await;
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (kills, seed) = (number("MILEPOST_SOAK_KILLS", 100), number("MILEPOST_SOAK_SEED", 1));
    let pace = Pace { kills, restore_every: number("MILEPOST_SOAK_RESTORE_EVERY", 50) };
    println!("{kills} kills, seed {seed}");
    let mut stage = Stage::set(plan(seed)).await;
    kill_back_up_and_restore(&mut stage, &pace).await;
    stage.end("soak").await;
}
