//! The promises that every backend keeps, as functions over [`Store`] and [`Keyring`](crate::Keyring).
//!
//! Each function is one sentence of the contract and wants a store of its own that is empty. A backend runs them all
//! with one line:
//!
//! ```ignore
//! store::conformance_of_store!(open_a_store);     // async fn open_a_store() -> (impl Store, guard)
//! store::conformance_of_keyring!(open_a_keyring); // async fn open_a_keyring() -> (impl Keyring, guard)
//! ```
//!
//! That makes one test of each. The guard is what has to outlive the store, such as its folder. After each promise, the
//! store must find itself sound.

#![expect(missing_docs, reason = "each function is named after its promise")]

mod deliveries;
pub mod fixture;
mod grants;
mod keyring;
mod ledger;
mod queue;
mod recordings;
mod registry;
mod tombstones;
mod upkeep;
mod vehicles;

pub use deliveries::*;
pub use grants::*;
pub use keyring::*;
pub use ledger::*;
pub use queue::*;
pub use recordings::*;
pub use registry::*;
pub use tombstones::*;
pub use upkeep::*;
pub use vehicles::*;

use crate::{Store, StoreError};

/// What must hold after every promise: the store finds nothing wrong with itself, if it is still open.
pub async fn is_sound(store: &dyn Store) {
    match store.check().await {
        Err(StoreError::Closed) => {}
        findings => assert_eq!(findings.expect("the check runs"), Vec::<String>::new()),
    }
}

/// Makes one test of each promise of a store. `$open` is an async function that opens an empty store and gives what
/// must outlive it.
#[macro_export]
macro_rules! conformance_of_store {
    ($open:path) => {
        $crate::conformance_of_store! { @ $open:
            // Registry
            an_application_is_listed_with_what_it_was_made_with
            an_application_with_connections_or_webhooks_is_not_deleted
            an_application_has_no_more_secrets_than_allowed_and_never_none
            an_edit_keeps_the_revisions_before_it
            an_edit_can_take_a_verification_away_and_never_gives_one
            a_verification_or_test_leaves_its_result
            a_webhook_that_was_switched_off_can_be_switched_on
            an_edit_of_an_application_on_a_version_that_has_passed_writes_nothing
            an_edit_of_a_webhook_on_a_revision_that_has_passed_writes_nothing
            a_verification_counts_only_for_the_uri_that_answered
            a_uri_for_errors_is_verified_until_it_changes
            a_webhook_that_is_switched_off_says_since_when_and_after_what
            a_deleted_webhook_is_gone_with_its_subscriptions
            a_sweep_goes_on_where_it_was
            progress_of_an_older_sweep_does_not_touch_a_newer_one
            a_webhook_begins_to_deliver_anew_each_time_it_is_verified_or_switched_on
            vehicles_on_a_webhook_that_watches_them_are_told_when_it_begins_to_deliver
            a_feed_is_listed_with_what_it_was_made_with
            the_first_answer_under_an_idempotency_key_stays
            // Grants
            a_token_opens_what_it_was_granted
            a_code_is_read_with_what_it_was_kept_with
            a_redeemed_code_gives_tokens_for_the_vehicles_of_its_consent
            a_code_that_comes_again_takes_back_what_it_gave
            a_code_is_unknown_to_other_applications_and_after_its_time
            a_refresh_gives_a_successor_pair_and_leaves_access_tokens_alone
            a_refresh_token_that_crosses_itself_gives_a_bounded_number_of_pairs
            a_refresh_token_that_comes_after_the_grace_revokes_its_grant
            a_refresh_token_is_unknown_to_other_applications_and_after_its_time
            a_grant_ends_however_often_it_is_refreshed
            a_revoked_refresh_token_takes_its_grant_and_an_access_token_only_itself
            what_an_owner_has_granted_can_be_forgotten
            what_an_application_was_granted_goes_with_it
            retention_deletes_codes_and_tokens_after_their_time
            // Vehicles
            a_pool_keeps_its_number
            linked_vehicles_are_numbered_in_order_and_begin_at_version_one
            links_are_made_all_or_none
            vehicles_load_in_the_order_asked
            an_owner_may_have_several_vehicles
            vehicles_are_listed_by_application_owner_and_source
            the_vehicles_of_an_owner_are_found_until_they_are_erased
            a_step_is_committed_with_all_that_it_wants_written
            each_event_of_a_step_carries_its_own_observation
            a_step_that_conflicts_fails_alone_and_writes_nothing
            a_vehicle_is_due_once_and_at_its_newest_time
            due_vehicles_come_in_the_order_of_time_and_number
            a_claim_goes_on_after_the_last_one
            a_vehicle_without_a_due_time_is_never_due
            each_pool_has_its_own_due_vehicles
            a_subscription_begins_and_ends_with_its_step
            subscriptions_are_listed_in_pages
            observations_are_read_newest_first_in_pages
            a_disconnected_vehicle_is_gone_and_the_log_still_names_it
            an_owner_is_found_again_by_the_account_and_forgotten_on_demand
            a_vehicle_that_is_linked_again_keeps_its_number_and_its_past
            a_step_from_before_a_new_connection_writes_nothing
            a_capacity_is_kept_with_its_vehicle
            requests_about_a_vehicle_are_counted_by_month
            data_of_a_source_is_replaced_only_where_it_is_still_what_it_was
            cars_are_listed_with_the_vehicles_connected_to_them
            a_car_passes_its_data_on_to_its_vehicles
            the_vehicle_of_a_car_is_found_until_it_is_erased
            // Recordings
            a_recording_is_complete_when_a_car_drives_it
            a_car_that_is_there_takes_a_recording
            a_recording_is_unused_when_its_last_vehicle_is_erased
            an_upload_that_was_given_up_is_unused
            a_car_is_deleted_unless_a_vehicle_is_connected_to_it
            // Queue
            a_lane_has_one_holder_until_the_lease_ends
            a_lane_that_was_given_back_is_free_at_once
            events_come_in_the_order_of_due_time_and_number_retries_among_them
            an_event_comes_with_all_that_its_body_needs
            a_retry_keeps_its_attempts
            a_lane_says_when_its_next_attempt_is_due_and_how_deep_it_is
            lanes_with_work_are_those_with_events
            waiting_events_are_listed_in_pages_along_the_queue
            of_waiting_events_those_that_were_attempted_are_listed_and_found
            waiting_events_of_a_vehicle_are_listed
            an_event_is_recorded_once
            a_stale_epoch_is_refused
            a_redelivery_keeps_the_id_and_gets_a_number_of_its_own
            a_redelivery_is_refused_from_the_commit_on_that_ends_the_right_to_it
            a_step_queues_nothing_for_a_webhook_that_has_ended_since_it_was_made
            // Tombstones
            a_webhook_that_is_switched_off_drops_what_is_queued
            an_unsubscribed_vehicle_cancels_what_is_queued_for_that_webhook
            a_narrowed_permission_cancels_what_is_queued_of_the_vehicle
            a_widened_permission_cancels_nothing
            a_disconnect_cancels_what_is_queued_of_the_vehicle
            a_tombstone_does_not_cover_what_comes_after_it
            a_sweep_of_a_tombstone_looks_at_a_bounded_number_of_events
            a_retry_that_moves_towards_the_front_is_still_swept
            what_a_tombstone_dropped_can_be_redelivered
            // Deliveries
            the_log_has_one_row_per_ended_event
            the_log_is_filtered_by_all_conditions_at_once
            the_log_is_read_in_pages_newest_first
            roll_ups_agree_with_the_log
            missed_slots_are_logged_and_counted
            a_slot_that_ends_without_an_event_is_logged_as_it_ended
            the_last_delivery_of_a_webhook_is_known
            // Upkeep
            retention_deletes_what_is_old_and_nothing_else
            retention_deletes_a_bounded_number_at_a_time
            an_event_outlives_its_observation
            the_oldest_rows_can_be_deleted_whatever_their_age
            numbers_are_not_used_again
            an_erased_vehicle_leaves_its_place_in_the_log_and_nothing_else
            rows_from_while_the_clock_was_ahead_go_with_those_after_them
            rows_that_are_not_old_yet_hide_none_behind_them
            a_clock_that_was_far_behind_for_a_moment_costs_no_rows_before_it
            tokens_and_answers_from_ahead_are_set_back
            an_event_that_waits_for_long_does_not_hold_up_the_oldest_rows
            a_clock_that_is_right_again_can_be_accepted
            an_installation_keeps_its_number
            a_check_in_pieces_comes_to_its_end
            // Ledger
            what_ends_is_in_the_ledger
            what_comes_back_replaces_its_entry
            the_end_of_a_larger_thing_replaces_those_of_the_smaller_ones
            an_end_is_applied_to_what_is_from_before_it
            a_revoked_consent_stays_revoked_where_it_is_known_and_no_other_is
            a_newer_entry_is_not_replaced_by_an_older_one
            an_edit_that_moves_a_webhook_is_in_the_ledger
            an_answer_is_kept_with_its_work_or_not_at_all
            a_kept_answer_names_the_event_that_was_queued_with_it
            a_car_is_attached_with_the_link_that_names_it
            an_erased_vehicle_is_found_no_more_by_what_was_noted_of_it
            the_latest_heartbeat_never_goes_back
            a_backup_is_a_file_that_was_not_there
            a_closed_store_says_so
        }
    };
    (@ $open:path: $($promise:ident)*) => {$(
        #[tokio::test]
        async fn $promise() {
            let (store, _guard) = $open().await;
            $crate::conformance::$promise(&store).await;
            $crate::conformance::is_sound(&store).await;
        }
    )*};
}

/// Makes one test of each promise of a keyring. `$open` is an async function that opens an empty keyring and gives what
/// must outlive it.
#[macro_export]
macro_rules! conformance_of_keyring {
    ($open:path) => {
        $crate::conformance_of_keyring! { @ $open:
            the_first_key_of_a_subject_stays
            an_erased_key_is_gone_for_good
            the_ledger_has_every_erasure_with_its_first_moment
            a_note_is_kept
            the_keyring_has_the_newest_entries_of_subjects_that_are_not_erased
            an_exported_keyring_is_a_file_that_was_not_there
        }
    };
    (@ $open:path: $($promise:ident)*) => {$(
        #[tokio::test]
        async fn $promise() {
            let (keyring, _guard) = $open().await;
            $crate::conformance::$promise(&keyring).await;
        }
    )*};
}
