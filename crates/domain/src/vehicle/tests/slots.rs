//! Webhooks with slots.

use std::time::Duration;

use uuid::Uuid;

use super::{super::*, example};
use crate::{
    cadence::Cadence,
    connect::{Permission, PermissionSet},
    ids::{ApplicationNo, EventId, SubscriptionId, VehicleId, WebhookId, WebhookNo},
    signal,
    units::UnitSystem,
    webhook::{Agent, Disabled, Plan, Revision, Scheduled, ScheduledName, Status, Webhook},
};

const MINUTE: Duration = Duration::from_secs(60);
const HOURLY: WebhookNo = WebhookNo(1);
const SIX_HOURLY: WebhookNo = WebhookNo(2);

/// Hours and minutes after a midnight.
fn at(hour: i64, minute: i64) -> Timestamp {
    Timestamp::from_secs(1_799_971_200 + hour * 3_600 + minute * 60)
}

fn webhook(no: WebhookNo, hours: u8) -> Webhook {
    Webhook {
        no,
        id: WebhookId(Uuid::from_u128(no.0 as u128)),
        application: ApplicationNo(1),
        name: "Fleet".into(),
        status: Status { verified: true, epoch: 1, ..Status::default() },
        revision: Revision {
            number: 1,
            callback_uri: "https://example.com".into(),
            plan: Plan::Scheduled(Scheduled {
                cadence: Cadence::every_hours(hours).unwrap(),
                endpoints: [signal::Endpoint::Odometer, signal::Endpoint::Vin].into_iter().collect(),
                units: UnitSystem::Metric,
                event_name: ScheduledName::Schedule,
                vehicles_per_request: 1,
            }),
            agent: Agent::Milepost,
            error_uri: None,
            headers: None,
            error_uri_unchecked: false,
            cadence_epoch: 1,
        },
    }
}

/// A car with its webhooks, stepped by hand.
struct Car {
    document: Document,
    info: VehicleInfo,
    webhooks: Vec<Webhook>,
}

impl Car {
    /// On the webhooks since `since`.
    fn on(webhooks: Vec<Webhook>, since: Timestamp) -> Self {
        let info = VehicleInfo {
            id: VehicleId(Uuid::from_u128(9)),
            make: "TESLA".into(),
            model: "Model 3".into(),
            year: 2024,
            mode: Mode::Live,
            powertrain: Powertrain::Bev,
            region: crate::vehicle::Region::Europe,
        };
        let document = Document { permissions: PermissionSet::ALL, ..Document::default() };
        let mut car = Self { document, info, webhooks };
        for no in car.webhooks.iter().map(|webhook| webhook.no).collect::<Vec<_>>() {
            car.step(Input::Subscribe { webhook: no, id: SubscriptionId(Uuid::nil()) }, since);
        }
        car
    }

    fn step(&mut self, input: Input, now: Timestamp) -> Outcome {
        let webhooks: Vec<&Webhook> = self.webhooks.iter().collect();
        step(&mut self.document, &self.info, &webhooks, input, now)
    }

    fn wanted(&self, now: Timestamp) -> Vec<SignalId> {
        wanted(&self.document, &self.info, &self.webhooks.iter().collect::<Vec<_>>(), now)
    }

    /// Answers what is wanted: the VIN always, the odometer as told.
    fn answer(&mut self, odometer: Result<f64, ErrorCode>, now: Timestamp) -> Outcome {
        let answers = self.wanted(now).into_iter().map(|signal| Answer {
            signal,
            outcome: match signal {
                signal::VIN => Ok((Value::Text("5YJ3E1EA7KF000001".into()), None)),
                _ => odometer.map(|km| (Value::Number(km), Some(now))).map_err(Fault::from),
            },
        });
        let answers = answers.collect();
        self.step(Input::Answers(answers), now)
    }

    fn fail(&mut self, code: ErrorCode, now: Timestamp) -> Outcome {
        let signals = self.wanted(now);
        self.step(Input::SourceFailed(signals, code.into()), now)
    }
}

fn slots(outcome: &Outcome) -> Vec<(WebhookNo, Timestamp)> {
    outcome.events.iter().map(|event| (event.webhook, event.at)).collect()
}

#[test]
fn a_subscription_sends_nothing_by_itself_and_is_due_at_the_next_slot() {
    let mut car = Car::on(vec![], at(0, 0));
    car.webhooks.push(webhook(HOURLY, 1));
    let outcome = car.step(Input::Subscribe { webhook: HOURLY, id: SubscriptionId(Uuid::nil()) }, at(0, 45));
    assert_eq!((outcome.events.len(), outcome.next_due), (0, Some(at(1, 0))));
    assert!(matches!(outcome.rows[..], [RowChange::Subscribe { webhook: HOURLY, .. }]));
}

#[test]
fn one_read_serves_every_subscription_that_is_due() {
    let mut car = Car::on(vec![webhook(HOURLY, 1), webhook(SIX_HOURLY, 6)], at(5, 30));
    assert_eq!(car.wanted(at(6, 0)), [signal::ODOMETER, signal::VIN]);
    let outcome = car.answer(Ok(1.0), at(6, 0));
    assert_eq!(slots(&outcome), [(HOURLY, at(6, 0)), (SIX_HOURLY, at(6, 0))]);
    assert_eq!(outcome.observations.first().map(|observation| observation.signals.len()), Some(2));
}

#[test]
fn row_c03_a_car_that_cannot_be_reached_is_tried_in_the_next_windows_and_posted_late() {
    let mut car = Car::on(vec![webhook(HOURLY, 1)], at(0, 30));
    let mut outcome = car.fail(ErrorCode::VEHICLE_STATE_UNREACHABLE, at(1, 0));
    let mut reads = 1;
    while outcome.next_due.unwrap() < at(1, 30) {
        let due = outcome.next_due.unwrap();
        assert!(outcome.events.is_empty());
        outcome = car.fail(ErrorCode::VEHICLE_STATE_UNREACHABLE, due);
        reads += 1;
    }
    assert_eq!((reads, outcome.next_due), (7, Some(at(1, 30))));
    let outcome = car.answer(Ok(7.0), at(1, 30));
    assert_eq!(slots(&outcome), [(HOURLY, at(1, 0))]);
    assert_eq!(outcome.events[0].id, EventId::of_slot(car.webhooks[0].id, car.info.id, at(1, 0)));
}

#[test]
fn a_slot_that_brought_nothing_ends_with_the_next_one_as_error_entries() {
    let mut car = Car::on(vec![webhook(HOURLY, 1)], at(0, 30));
    car.fail(ErrorCode::VEHICLE_STATE_ASLEEP, at(1, 0));
    let outcome = car.answer(Ok(7.0), at(2, 0));
    assert_eq!(slots(&outcome), [(HOURLY, at(1, 0)), (HOURLY, at(2, 0))]);
    assert_eq!(outcome.lapsed, [], "somebody looked");
}

#[test]
fn an_endpoint_that_failed_for_good_is_posted_at_once() {
    let mut car = Car::on(vec![webhook(HOURLY, 1)], at(0, 30));
    let outcome = car.answer(Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE), at(1, 0));
    let observation = outcome.observations.first().expect("an event has an observation").clone();
    assert_eq!(observation.get(signal::ODOMETER), Some(&Err(ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE)));
    assert!(observation.get(signal::VIN).is_some_and(Result::is_ok));
}

#[test]
fn a_permission_that_was_not_granted_is_an_error_entry_and_is_not_read() {
    let mut car = Car::on(vec![webhook(HOURLY, 1)], at(0, 30));
    car.step(Input::Permissions(PermissionSet::default().with(Permission::ReadVin)), at(0, 40));
    assert_eq!(car.wanted(at(1, 0)), [signal::VIN]);
    let outcome = car.answer(Ok(1.0), at(1, 0));
    assert_eq!(outcome.observations[0].get(signal::ODOMETER), Some(&Err(ErrorCode::PERMISSION)));
}

#[test]
fn fault_d11_after_an_outage_there_is_one_catch_up_and_the_rest_is_counted() {
    let mut car = Car::on(vec![webhook(HOURLY, 1)], at(0, 30));
    let outcome = car.answer(Ok(1.0), at(25, 20));
    assert_eq!(slots(&outcome), [(HOURLY, at(25, 0))]);
    let [missed] = outcome.lapsed[..] else { panic!("{:?}", outcome.lapsed) };
    assert_eq!((missed.from, missed.until, missed.count), (at(1, 0), at(24, 0), 24));
    assert_eq!(outcome.next_due, Some(at(26, 0)));
}

#[test]
fn fault_d1_a_clock_that_steps_back_repeats_no_slot() {
    let mut car = Car::on(vec![webhook(HOURLY, 1)], at(0, 30));
    assert_eq!(slots(&car.answer(Ok(1.0), at(1, 0))), [(HOURLY, at(1, 0))]);
    for minute in [59, 58, 30, 0] {
        assert_eq!(car.wanted(at(0, minute)), []);
        assert_eq!(slots(&car.step(Input::Tick, at(0, minute))), []);
    }
    assert_eq!(slots(&car.step(Input::Tick, at(1, 0))), [], "the hour comes a second time");
}

#[test]
fn fault_d9_a_cars_clock_is_data_and_orders_nothing() {
    for captured_at in [Timestamp::from_micros(i64::MIN), Timestamp::from_secs(-1), Timestamp::NEVER] {
        let mut car = Car::on(vec![webhook(HOURLY, 1)], at(0, 30));
        let answers = car
            .wanted(at(1, 0))
            .into_iter()
            .map(|signal| Answer { signal, outcome: Ok((example(signal), Some(captured_at))) });
        let outcome = car.step(Input::Answers(answers.collect()), at(1, 0));
        assert_eq!(slots(&outcome), [(HOURLY, at(1, 0))]);
        assert_eq!(outcome.next_due, Some(at(2, 0)));
        let observation = &outcome.observations[0];
        assert_eq!(observation.taken_at, at(1, 0));
        assert!(Observation::decode(&observation.encode()).is_ok());
    }
}

#[test]
fn fault_f7_a_number_that_is_none_is_invalid_data() {
    let mut car = Car::on(vec![webhook(HOURLY, 1)], at(0, 30));
    let outcome = car.answer(Ok(f64::NAN), at(1, 0));
    assert!(outcome.events.is_empty(), "invalid data may pass, so it is read again");
    assert_eq!(car.document.signal(signal::ODOMETER).unwrap().fault, Some(ErrorCode::UPSTREAM_INVALID_DATA));
}

#[test]
fn slots_of_a_webhook_that_does_not_deliver_are_not_read_and_those_of_an_unverified_one_are_noted() {
    let off = Status { verified: true, disabled: Some(Disabled::Operator), epoch: 1, ..Status::default() };
    let unverified = Status { epoch: 1, ..Status::default() };
    for (status, noted) in [(off, vec![]), (unverified, vec![(at(3, 0), Lapse::Unverified)])] {
        let mut car = Car::on(vec![Webhook { status, ..webhook(HOURLY, 1) }], at(0, 30));
        assert_eq!(car.wanted(at(1, 0)), [], "nothing is read for it");
        let outcome = car.step(Input::Tick, at(3, 10));
        assert_eq!((slots(&outcome), outcome.next_due), (vec![], Some(at(4, 0))));
        let lapsed: Vec<_> = outcome.lapsed.iter().map(|lapsed| (lapsed.until, lapsed.why)).collect();
        assert_eq!(lapsed, noted);
    }
}

#[test]
fn a_changed_cadence_plans_the_next_slot_anew() {
    let mut car = Car::on(vec![webhook(SIX_HOURLY, 6)], at(0, 30));
    let mut faster = webhook(SIX_HOURLY, 1);
    faster.revision.cadence_epoch = 2;
    car.webhooks = vec![faster];
    assert_eq!(car.step(Input::Tick, at(0, 40)).next_due, Some(at(1, 0)));
}

#[test]
fn a_deleted_webhook_takes_its_subscription_along() {
    let mut car = Car::on(vec![webhook(HOURLY, 1)], at(0, 30));
    car.webhooks.clear();
    let outcome = car.step(Input::Tick, at(1, 0));
    assert_eq!((outcome.next_due, car.document.subscriptions.len()), (None, 0));
}

#[test]
fn what_a_step_ends_is_not_posted_by_the_same_step() {
    for input in [Input::Unsubscribe { webhook: HOURLY }, Input::Disconnect] {
        let mut car = Car::on(vec![webhook(HOURLY, 1)], at(0, 30));
        car.fail(ErrorCode::VEHICLE_STATE_ASLEEP, at(1, 0));
        // At two, the slot of one o'clock is given up, and would be posted.
        let outcome = car.step(input, at(2, 0) + MINUTE);
        assert_eq!((slots(&outcome), outcome.next_due), (vec![], None));
        assert_eq!(lapses(&outcome), [(at(2, 0), Lapse::Left), (at(1, 0), Lapse::Left)]);
    }
}

/// Slots that ended without an event, and why.
fn lapses(outcome: &Outcome) -> Vec<(Timestamp, Lapse)> {
    outcome.lapsed.iter().map(|lapsed| (lapsed.until, lapsed.why)).collect()
}

#[test]
fn a_slot_that_is_still_gathered_when_the_vehicle_leaves_lapses() {
    for input in [Input::Unsubscribe { webhook: HOURLY }, Input::Disconnect] {
        let mut car = Car::on(vec![webhook(HOURLY, 1)], at(0, 30));
        car.fail(ErrorCode::VEHICLE_STATE_ASLEEP, at(1, 0));
        let outcome = car.step(input, at(1, 0) + MINUTE);
        assert_eq!((slots(&outcome), lapses(&outcome)), (vec![], vec![(at(1, 0), Lapse::Left)]));
        assert_eq!(outcome.lapsed[0].id, EventId::of_slot(car.webhooks[0].id, car.info.id, at(1, 0)));
    }
}

#[test]
fn a_slot_that_is_still_gathered_when_its_webhook_is_switched_off_lapses_once() {
    let mut car = Car::on(vec![webhook(HOURLY, 1)], at(0, 30));
    car.fail(ErrorCode::VEHICLE_STATE_ASLEEP, at(1, 0));
    car.webhooks[0].status.disabled = Some(Disabled::Operator);
    let outcome = car.step(Input::Tick, at(1, 0) + MINUTE);
    assert_eq!((slots(&outcome), lapses(&outcome)), (vec![], vec![(at(1, 0), Lapse::SwitchedOff)]));
    assert_eq!(lapses(&car.step(Input::Tick, at(1, 0) + 2 * MINUTE)), []);
}

#[test]
fn a_step_that_changes_nothing_says_so() {
    let mut car = Car::on(vec![webhook(HOURLY, 1)], at(0, 30));
    assert!(car.step(Input::Tick, at(0, 31)).unchanged);
    assert!(car.step(Input::Unsubscribe { webhook: SIX_HOURLY }, at(0, 31)).unchanged);
    assert!(!car.answer(Ok(1.0), at(1, 0)).unchanged);
}

#[test]
fn a_read_that_somebody_asked_for_is_known_and_leaves_the_slot_to_the_read_that_is_due() {
    let mut car = Car::on(vec![webhook(HOURLY, 1)], at(0, 30));
    let asked = |outcome: Result<f64, ErrorCode>, now| {
        let outcome = outcome.map(|km| (Value::Number(km), Some(now))).map_err(Fault::from);
        Input::Asked(vec![signal::ODOMETER], Ok(vec![Answer { signal: signal::ODOMETER, outcome }]))
    };
    let outcome = car.step(asked(Ok(1.0), at(0, 40)), at(0, 40));
    assert_eq!((outcome.events.len(), outcome.next_due), (0, Some(at(1, 0))));
    assert_eq!(car.document.value(signal::ODOMETER), Some(&Value::Number(1.0)));
    let failed = Err(ErrorCode::VEHICLE_STATE_ASLEEP.into());
    for input in [asked(Ok(2.0), at(1, 0)), Input::Asked(vec![signal::VIN], failed)] {
        let outcome = car.step(input, at(1, 0));
        assert_eq!(
            (outcome.events.len(), outcome.next_due),
            (0, Some(at(1, 0))),
            "the slot waits for its read"
        );
    }
    assert_eq!(slots(&car.answer(Ok(2.0), at(1, 0))), [(HOURLY, at(1, 0))]);
}

#[test]
fn a_slot_is_posted_when_somebodys_read_has_brought_all_that_it_needs() {
    let mut car = Car::on(vec![webhook(HOURLY, 1)], at(0, 30));
    let wanted = car.wanted(at(1, 0));
    let value = |signal| Ok((example(signal), None));
    let answers = wanted.iter().map(|&signal| Answer { signal, outcome: value(signal) }).collect();
    let outcome = car.step(Input::Asked(wanted, Ok(answers)), at(1, 0));
    assert_eq!(slots(&outcome), [(HOURLY, at(1, 0))]);
}

/// The minutes after the slot of 01:00 at which a car that is asleep until `awake` is posted.
fn posted_after_sleep(endpoints: &[signal::Endpoint], permissions: PermissionSet, awake: Timestamp) -> i64 {
    let mut hourly = webhook(HOURLY, 1);
    let Plan::Scheduled(scheduled) = &mut hourly.revision.plan else { panic!("a scheduled webhook") };
    scheduled.endpoints = endpoints.iter().copied().collect();
    let mut car = Car::on(vec![hourly], at(0, 30));
    car.document.permissions = permissions;
    let mut now = at(1, 0);
    while now < at(2, 0) {
        let outcome = match now < awake {
            true => car.fail(ErrorCode::VEHICLE_STATE_ASLEEP, now),
            false => car.answer(Ok(7.0), now),
        };
        if let [event] = &outcome.events[..] {
            assert_eq!(event.at, at(1, 0));
            let of_odometer = |seen: &&Observed| seen.signal == signal::ODOMETER;
            let odometer = outcome.observations[0].signals.iter().find(of_odometer).unwrap();
            assert!(odometer.outcome.is_ok(), "{odometer:?}");
            return i64::try_from(now.since(at(1, 0)).as_secs() / 60).unwrap();
        }
        now = outcome.next_due.unwrap();
    }
    panic!("the slot was not posted");
}

#[test]
fn a_sleeping_car_is_waited_for_whatever_needs_no_read_beside_its_odometer() {
    use signal::Endpoint::{Attributes, Location, Odometer};
    let all = PermissionSet::ALL;
    let no_location =
        Permission::ALL.iter().copied().filter(|&one| one != Permission::ReadLocation).collect();
    for awake in [at(1, 1), at(1, 20), at(1, 40)] {
        let alone = posted_after_sleep(&[Odometer], all, awake);
        assert_eq!(posted_after_sleep(&[Attributes, Odometer], all, awake), alone, "{awake}");
        assert_eq!(posted_after_sleep(&[Odometer, Location], no_location, awake), alone, "{awake}");
    }
}
