//! Webhooks that watch a vehicle, and dynamic ones.

use std::time::Duration;

use uuid::Uuid;

use super::super::*;
use crate::{
    connect::{Permission, PermissionSet},
    ids::{ApplicationNo, SubscriptionId, VehicleId, WebhookId, WebhookNo},
    signal::{
        DOORS, GridCell, IS_CABLE_CONNECTED, IS_CHARGING, LOCATION, ODOMETER, Powertrain, SPEED,
        STATE_OF_CHARGE, SUNROOF,
    },
    webhook::{
        Agent, ChargingEvent, Dynamic, EventBased, Plan, Profile, Revision, SimulatedMode, Status, Trigger,
        Unified, Webhook,
    },
};

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const WEBHOOK: WebhookNo = WebhookNo(1);

/// Minutes after a start.
pub(super) fn at(minutes: i64) -> Timestamp {
    Timestamp::from_secs(1_799_971_200 + minutes * 60)
}

pub(super) fn webhook(plan: Plan) -> Webhook {
    Webhook {
        no: WEBHOOK,
        id: WebhookId(Uuid::from_u128(1)),
        application: ApplicationNo(1),
        name: "Home".into(),
        status: Status { verified: true, epoch: 1, ..Status::default() },
        revision: Revision {
            number: 1,
            callback_uri: "https://example.com".into(),
            plan,
            agent: Agent::Milepost,
            error_uri: None,
            headers: None,
            error_uri_unchecked: false,
            cadence_epoch: 0,
        },
    }
}

/// Fires on the charge and, beyond a band, on the odometer; carries both, the doors and the sunroof.
pub(super) fn unified() -> Plan {
    Plan::Unified(Unified {
        triggers: vec![
            Trigger { signal: STATE_OF_CHARGE, dead_band: None },
            Trigger { signal: ODOMETER, dead_band: Some(10.0) },
        ],
        data: vec![STATE_OF_CHARGE, ODOMETER, DOORS, SUNROOF],
        profile: Profile::Union,
        simulated_mode: SimulatedMode::Simulated,
        lenient_verification: false,
    })
}

pub(super) fn charging_events() -> Plan {
    Plan::EventBased(EventBased { events: ChargingEvent::ALL.iter().copied().collect() })
}

pub(super) struct Car {
    pub(super) document: Document,
    pub(super) info: VehicleInfo,
    pub(super) webhooks: Vec<Webhook>,
}

type Values<'a> = &'a [(SignalId, Result<Value, ErrorCode>)];

fn number(value: f64) -> Result<Value, ErrorCode> {
    Ok(Value::Number(value))
}

impl Car {
    pub(super) fn on(plan: Plan) -> Self {
        Self::of("TESLA", plan)
    }

    fn of(make: &str, plan: Plan) -> Self {
        let info = VehicleInfo {
            id: VehicleId(Uuid::from_u128(9 << 8)),
            make: make.into(),
            model: "Model 3".into(),
            year: 2024,
            mode: Mode::Live,
            powertrain: Powertrain::Bev,
            region: Region::Europe,
        };
        let document = Document { permissions: PermissionSet::ALL, ..Document::default() };
        let mut car = Self { document, info, webhooks: vec![webhook(plan)] };
        let id = SubscriptionId(Uuid::from_u128(77));
        let outcome = car.step(Input::Subscribe { webhook: WEBHOOK, id }, at(0));
        assert_eq!(outcome.events, []);
        car
    }

    pub(super) fn step(&mut self, input: Input, now: Timestamp) -> Outcome {
        let webhooks: Vec<&Webhook> = self.webhooks.iter().collect();
        let outcome = step(&mut self.document, &self.info, &webhooks, input, now);
        assert_eq!(Document::decode(&self.document.encode()).as_ref(), Ok(&self.document));
        outcome
    }

    fn wanted(&self, now: Timestamp) -> Vec<SignalId> {
        wanted(&self.document, &self.info, &self.webhooks.iter().collect::<Vec<_>>(), now)
    }

    /// What follows a read that brings these values.
    pub(super) fn read(&mut self, values: Values<'_>, now: Timestamp) -> Vec<Occasion> {
        occasions(&self.answer(values, now))
    }

    fn answer(&mut self, values: Values<'_>, now: Timestamp) -> Outcome {
        let answer = |(signal, outcome): &(SignalId, Result<Value, ErrorCode>)| Answer {
            signal: *signal,
            outcome: outcome.clone().map(|value| (value, Some(now))).map_err(Fault::from),
        };
        self.step(Input::Answers(values.iter().map(answer).collect()), now)
    }

    fn fail(&mut self, code: ErrorCode, now: Timestamp) -> Vec<Occasion> {
        let signals = self.wanted(now);
        occasions(&self.step(Input::SourceFailed(signals, code.into()), now))
    }

    /// What follows readings, each with the minute in which it was measured.
    pub(super) fn push(&mut self, readings: &[(SignalId, f64, i64)], now: Timestamp) -> Outcome {
        let reading = |&(signal, value, observed): &(SignalId, f64, i64)| Reading {
            feed: FeedKey(1),
            signal,
            value: Some(Value::Number(value)),
            observed_at: Some(at(observed)),
            received_at: now,
            order: Order::Observed,
            id: None,
            hold: Duration::ZERO,
            reset: false,
            place: 0,
        };
        self.step(Input::Readings(readings.iter().map(reading).collect()), now)
    }
}

pub(super) fn occasions(outcome: &Outcome) -> Vec<Occasion> {
    outcome.events.iter().map(|event| event.occasion.clone()).collect()
}

pub(super) fn changed(signals: &[SignalId]) -> Occasion {
    Occasion::Changed(signals.to_vec())
}

pub(super) fn errors(code: ErrorCode, resolved: bool, signals: &[SignalId]) -> Occasion {
    Occasion::Errors(vec![ErrorChange { code, resolved, signals: signals.to_vec() }])
}

const ASLEEP: ErrorCode = ErrorCode::VEHICLE_STATE_ASLEEP;
const INCAPABLE: ErrorCode = ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE;

fn doors() -> Value {
    Value::Grid(vec![GridCell { is_open: Some(false), ..GridCell::default() }])
}

/// A full answer of the unified webhook's signals.
pub(super) fn full(charge: f64, km: f64) -> Vec<(SignalId, Result<Value, ErrorCode>)> {
    vec![
        (STATE_OF_CHARGE, number(charge)),
        (ODOMETER, number(km)),
        (DOORS, Ok(doors())),
        (SUNROOF, Ok(Value::Flag(false))),
    ]
}

#[test]
fn row_s01_the_first_delivery_comes_when_everything_is_read() {
    let mut car = Car::on(unified());
    assert_eq!(car.wanted(at(0)), [DOORS, SUNROOF, ODOMETER, STATE_OF_CHARGE]);
    assert_eq!(car.read(&full(80.0, 100.0), at(0)), [Occasion::FirstDelivery]);
    assert_eq!(car.wanted(at(0)), [], "and the next read is some minutes off");
}

#[test]
fn row_s02_what_a_car_does_not_have_is_reported_besides() {
    let mut car = Car::on(unified());
    let mut values = full(80.0, 100.0);
    values[3].1 = Err(INCAPABLE);
    assert_eq!(car.read(&values, at(0)), [Occasion::FirstDelivery, errors(INCAPABLE, false, &[SUNROOF])]);
}

#[test]
fn a_first_delivery_waits_for_a_cloud_in_trouble_and_not_for_a_car_that_sleeps() {
    let mut car = Car::on(unified());
    assert_eq!(car.fail(ErrorCode::RATE_LIMIT_SMARTCAR_API, at(0)), []);
    assert_eq!(car.wanted(at(1)).len(), 4, "it is asked again");
    assert_eq!(car.fail(ASLEEP, at(1)), [Occasion::FirstDelivery, errors(ASLEEP, false, &[])]);
    let events = car.read(&full(80.0, 100.0), at(61));
    assert_eq!(events, [changed(&[STATE_OF_CHARGE, ODOMETER]), errors(ASLEEP, true, &[])]);
}

#[test]
fn a_first_delivery_goes_out_after_a_quarter_of_an_hour_with_what_there_is() {
    let mut car = Car::on(unified());
    let mut values = full(80.0, 100.0);
    values[0].1 = Err(ErrorCode::UPSTREAM_NO_RESPONSE);
    let mut now = at(0);
    let mut reads = 0;
    let posted = loop {
        let events = car.read(&values, now);
        reads += 1;
        if !events.is_empty() {
            break events;
        }
        now = car.document.subscriptions[0].gathering.expect("still gathering").read_at;
        assert!(reads < 20);
    };
    assert_eq!(posted, [Occasion::FirstDelivery]);
    assert!(now <= at(15), "{now:?}");
}

#[test]
fn row_t01_one_change_is_one_event_and_row_t04_data_alone_is_none() {
    let mut car = Car::on(unified());
    car.read(&full(80.0, 100.0), at(0));
    assert_eq!(car.read(&full(81.0, 100.0), at(5)), [changed(&[STATE_OF_CHARGE])]);
    let mut values = full(81.0, 100.0);
    values[3].1 = Ok(Value::Flag(true));
    assert_eq!(car.read(&values, at(10)), []);
    assert_eq!(car.read(&values, at(15)), [], "row T05: the same again");
}

#[test]
fn row_t02_two_changes_of_one_read_are_one_event_and_row_t03_of_two_reads_two() {
    let mut car = Car::on(unified());
    car.read(&full(80.0, 100.0), at(0));
    assert_eq!(car.read(&full(79.0, 120.0), at(5)), [changed(&[STATE_OF_CHARGE, ODOMETER])]);
    assert_eq!(car.read(&full(78.0, 120.0), at(10)), [changed(&[STATE_OF_CHARGE])]);
    assert_eq!(car.read(&full(78.0, 140.0), at(15)), [changed(&[ODOMETER])]);
}

#[test]
fn a_dead_band_is_left_by_drifting_too() {
    let mut car = Car::on(unified());
    car.read(&full(80.0, 100.0), at(0));
    let story: Vec<_> = [104.0, 108.0, 110.0, 115.0, 119.9, 120.0]
        .into_iter()
        .enumerate()
        .map(|(step, km)| !car.read(&full(80.0, km), at(5 + step as i64)).is_empty())
        .collect();
    assert_eq!(story, [false, false, true, false, false, true]);
}

#[test]
fn what_cannot_be_believed_fires_nothing_and_what_comes_back_unchanged_neither() {
    let mut car = Car::on(unified());
    car.read(&full(80.0, 100.0), at(0));
    assert_eq!(car.read(&full(255.0, 100.0), at(5)), []);
    assert_eq!(car.read(&full(80.0, 100.0), at(10)), []);
    assert_eq!(car.read(&full(79.0, 100.0), at(15)), [changed(&[STATE_OF_CHARGE])]);
}

#[test]
fn row_e03_to_e05_an_error_is_told_when_it_appears_and_when_it_clears() {
    let mut car = Car::on(unified());
    car.read(&full(80.0, 100.0), at(0));
    let mut values = full(80.0, 100.0);
    values[2].1 = Err(INCAPABLE);
    values[3].1 = Err(INCAPABLE);
    assert_eq!(car.read(&values, at(5)), [errors(INCAPABLE, false, &[DOORS, SUNROOF])]);
    assert_eq!(car.read(&values, at(10)), [], "row E05: it persists");
    values[2] = full(0.0, 0.0)[2].clone();
    assert_eq!(car.read(&values, at(15)), [errors(INCAPABLE, true, &[DOORS])]);
    assert_eq!(car.read(&full(80.0, 100.0), at(20)), [errors(INCAPABLE, true, &[SUNROOF])]);
}

#[test]
fn row_e10_a_failure_of_the_whole_vehicle_names_no_signals() {
    let failed = ErrorCode::CONNECTED_SERVICES_ACCOUNT_AUTHENTICATION_FAILED;
    let mut car = Car::on(unified());
    car.read(&full(80.0, 100.0), at(0));
    assert_eq!(car.fail(failed, at(60)), [errors(failed, false, &[])]);
    assert_eq!(car.fail(failed, at(120)), []);
    assert_eq!(car.fail(ErrorCode::RATE_LIMIT_SMARTCAR_API, at(180)), [], "that says nothing about the car");
    assert_eq!(car.read(&full(80.0, 100.0), at(240)), [errors(failed, true, &[])]);
}

#[test]
fn row_e07_a_signal_that_was_not_granted_is_an_error_until_it_is() {
    let mut car = Car::on(unified());
    car.read(&full(80.0, 100.0), at(0));
    let less: PermissionSet =
        Permission::ALL.iter().copied().filter(|&one| one != Permission::ReadOdometer).collect();
    let outcome = car.step(Input::Permissions(less), at(1));
    assert_eq!(occasions(&outcome), [errors(ErrorCode::PERMISSION, false, &[ODOMETER])]);
    assert!(!car.wanted(at(2)).contains(&ODOMETER));
    let outcome = car.step(Input::Permissions(PermissionSet::ALL), at(3));
    assert_eq!(occasions(&outcome), [], "it is read first");
    assert!(car.wanted(at(3)).contains(&ODOMETER));
    let resolved = errors(ErrorCode::PERMISSION, true, &[ODOMETER]);
    assert_eq!(car.read(&full(80.0, 100.0), at(3)), [changed(&[ODOMETER]), resolved], "and then sent");
}

#[test]
fn row_s04_a_webhook_that_is_switched_on_again_is_owed_a_first_delivery() {
    let mut car = Car::on(unified());
    car.read(&full(80.0, 100.0), at(0));
    car.webhooks[0].status.disabled = Some(crate::webhook::Disabled::Operator);
    assert_eq!(car.read(&full(70.0, 100.0), at(5)), [], "row S06");
    assert_eq!(car.wanted(at(500)), []);
    car.webhooks[0].status = Status { verified: true, epoch: 2, ..Status::default() };
    let outcome = car.step(Input::Tick, at(600));
    assert_eq!(occasions(&outcome), []);
    assert_eq!(outcome.next_due, Some(at(600)));
    assert_eq!(car.wanted(at(600)).len(), 4);
    assert_eq!(car.read(&full(60.0, 100.0), at(600)), [Occasion::FirstDelivery]);
}

#[test]
fn row_s03_a_second_subscription_begins_with_a_first_delivery() {
    let mut car = Car::on(unified());
    car.read(&full(80.0, 100.0), at(0));
    car.step(Input::Unsubscribe { webhook: WEBHOOK }, at(1));
    assert_eq!(car.read(&full(70.0, 100.0), at(2)), [], "row S07");
    let id = SubscriptionId(Uuid::from_u128(78));
    let outcome = car.step(Input::Subscribe { webhook: WEBHOOK, id }, at(3));
    assert_eq!(occasions(&outcome), [Occasion::FirstDelivery], "all is known and fresh");
}

#[test]
fn a_new_trigger_takes_its_baseline_silently() {
    let mut car = Car::on(unified());
    car.read(&full(80.0, 100.0), at(0));
    let Plan::Unified(settings) = &mut car.webhooks[0].revision.plan else { panic!("a unified webhook") };
    settings.triggers.push(Trigger { signal: SPEED, dead_band: None });
    let with = |speed| {
        let mut values = full(80.0, 100.0);
        values.push((SPEED, number(speed)));
        values
    };
    assert_eq!(car.read(&with(30.0), at(5)), []);
    assert_eq!(car.read(&with(31.0), at(10)), [changed(&[SPEED])]);
}

#[test]
fn pushed_readings_make_one_event_per_moment_and_carry_what_was_known_then() {
    let mut car = Car::on(unified());
    car.read(&full(80.0, 100.0), at(0));
    let outcome = car.push(
        &[
            (STATE_OF_CHARGE, 78.0, 3),
            (STATE_OF_CHARGE, 79.0, 2),
            (ODOMETER, 111.0, 3),
            (STATE_OF_CHARGE, 79.0, 2),
        ],
        at(4),
    );
    assert_eq!(occasions(&outcome), [changed(&[STATE_OF_CHARGE]), changed(&[STATE_OF_CHARGE, ODOMETER])]);
    let charge = |event: &Event| {
        let sample = outcome.observations[event.observation].newest(STATE_OF_CHARGE).unwrap();
        sample.map(|sample| sample.value.clone())
    };
    assert_eq!(outcome.events.iter().map(charge).collect::<Vec<_>>(), [number(79.0), number(78.0)]);
    assert!(outcome.events[0].sequence < outcome.events[1].sequence);
    assert_ne!(outcome.events[0].id, outcome.events[1].id);
    let again = car.push(&[(STATE_OF_CHARGE, 79.0, 2), (STATE_OF_CHARGE, 78.0, 3)], at(5));
    assert_eq!(occasions(&again), [], "late and duplicate");
    let judged = car.document.signal(STATE_OF_CHARGE).unwrap().judged.clone().unwrap();
    assert_eq!(judged.verdict, Verdict::Duplicate);
    assert_eq!(judged.before.map(|(value, _)| value), Some(Value::Number(79.0)));
}

#[test]
fn fresh_pushes_suspend_reads_and_silence_brings_them_back() {
    let mut car = Car::on(unified());
    car.read(&full(80.0, 100.0), at(0));
    let first = car.document.watching.read_at.unwrap();
    assert!(first > at(0) && first <= at(10), "{first:?}");
    for minute in 1..30 {
        car.push(&[(STATE_OF_CHARGE, 80.0 - minute as f64, minute), (ODOMETER, 100.0, minute)], at(minute));
        let due = car.document.watching.read_at.unwrap();
        if due <= at(minute) {
            assert_eq!(car.wanted(at(minute)), [], "no read while pushes are fresh");
            car.step(Input::Tick, at(minute));
            assert!(car.document.watching.read_at.unwrap() > at(minute));
        }
    }
    let mut due = car.document.watching.read_at.unwrap();
    while car.wanted(due).is_empty() {
        car.step(Input::Tick, due);
        due = car.document.watching.read_at.unwrap();
    }
    assert!(due > at(38) && due <= at(45), "the stream is silent, and reads come back: {due:?}");
}

#[test]
fn a_vehicle_that_only_pushes_is_never_read_and_its_first_push_is_its_first_delivery() {
    let mut car = Car::on(unified());
    car.document.pushes.only = true;
    assert_eq!(car.wanted(at(0)), []);
    let outcome = car.step(Input::Tick, at(1));
    assert_eq!(outcome.next_due, None);
    let outcome = car.push(&[(STATE_OF_CHARGE, 80.0, 2)], at(2));
    assert_eq!(occasions(&outcome), [Occasion::FirstDelivery]);
    assert_eq!(outcome.next_due, None);
    assert_eq!(occasions(&car.push(&[(STATE_OF_CHARGE, 79.0, 3)], at(3))), [changed(&[STATE_OF_CHARGE])]);
}

#[test]
fn held_readings_fire_when_their_time_has_come() {
    let mut car = Car::on(unified());
    car.document.pushes.only = true;
    car.push(&[(STATE_OF_CHARGE, 80.0, 0)], at(0));
    let held = |value, minute: i64, now| Reading {
        feed: FeedKey(1),
        signal: STATE_OF_CHARGE,
        value: Some(Value::Number(value)),
        observed_at: Some(at(minute)),
        received_at: now,
        order: Order::Observed,
        id: None,
        hold: MINUTE,
        reset: false,
        place: 0,
    };
    let outcome = car.step(Input::Readings(vec![held(78.0, 3, at(4))]), at(4));
    assert_eq!((occasions(&outcome), outcome.next_due), (vec![], Some(at(5))));
    let outcome = car.step(Input::Readings(vec![held(79.0, 2, at(4))]), at(4));
    assert_eq!(occasions(&outcome), [changed(&[STATE_OF_CHARGE])], "a later one has overtaken it");
    let outcome = car.step(Input::Tick, at(5));
    assert_eq!(occasions(&outcome), [changed(&[STATE_OF_CHARGE])]);
}

#[test]
fn row_b01_charging_events_follow_what_is_read_and_row_b02_only_those_chosen() {
    let plugged = |charging| [(IS_CHARGING, Ok(Value::Flag(charging))), (STATE_OF_CHARGE, number(50.0))];
    let mut car = Car::on(charging_events());
    assert_eq!(car.read(&plugged(false), at(0)), [], "the first look");
    assert_eq!(car.read(&plugged(true), at(5)), [Occasion::Charging(ChargingEvent::Started)]);
    assert_eq!(car.read(&plugged(true), at(6)), []);
    assert_eq!(car.read(&plugged(false), at(7)), [Occasion::Charging(ChargingEvent::Stopped)]);
    let only_ends = Plan::EventBased(EventBased { events: [ChargingEvent::Stopped].into_iter().collect() });
    let mut car = Car::on(only_ends);
    car.read(&plugged(false), at(0));
    assert_eq!(car.read(&plugged(true), at(5)), []);
    assert_eq!(car.read(&plugged(false), at(7)), [Occasion::Charging(ChargingEvent::Stopped)]);
}

#[test]
fn charging_events_of_a_ford_wait_for_its_owner() {
    let charging = |charging| [(IS_CHARGING, Ok(Value::Flag(charging)))];
    let mut car = Car::of("FORD", charging_events());
    car.read(&charging(false), at(0));
    assert_eq!(car.read(&charging(true), at(5)), []);
    car.step(Input::Approve, at(6));
    assert_eq!(car.read(&charging(false), at(10)), [Occasion::Charging(ChargingEvent::Stopped)]);
}

#[test]
fn charging_that_began_while_a_webhook_was_off_is_no_event() {
    let charging = |charging| [(IS_CHARGING, Ok(Value::Flag(charging)))];
    let mut car = Car::on(charging_events());
    car.read(&charging(false), at(0));
    car.webhooks[0].status = Status { verified: true, epoch: 2, ..Status::default() };
    car.step(Input::Tick, at(60));
    assert_eq!(car.read(&charging(true), at(60)), []);
    assert_eq!(car.read(&charging(false), at(61)), [Occasion::Charging(ChargingEvent::Stopped)]);
}

#[test]
fn row_y01_and_y02_a_dynamic_webhook_is_hourly_and_half_hourly_while_plugged_in() {
    let mut car = Car::on(Plan::Dynamic(Dynamic::default()));
    let mut due = at(60);
    let mut posts = Vec::new();
    for _ in 0..7 {
        assert_eq!(car.wanted(due - Duration::from_secs(1)), []);
        let plugged = (at(100)..at(200)).contains(&due);
        let wanted = car.wanted(due);
        assert!(wanted.contains(&LOCATION) && wanted.contains(&IS_CABLE_CONNECTED));
        let answers: Vec<_> = wanted
            .into_iter()
            .map(|signal| match signal {
                IS_CABLE_CONNECTED => (signal, Ok(Value::Flag(plugged))),
                LOCATION => (signal, Ok(Value::position(1.0, 2.0, None))),
                STATE_OF_CHARGE => (signal, number(50.0)),
                _ => (signal, Ok(super::example(signal))),
            })
            .collect();
        assert_eq!(car.read(&answers, due), [Occasion::Slot]);
        posts.push(due.since(at(0)).as_secs() / 60);
        due = car.document.subscriptions[0].next_slot;
    }
    assert_eq!(posts, [60, 120, 150, 180, 210, 240, 300]);
}

#[test]
fn the_moments_after_a_first_delivery_are_changes_even_in_one_push() {
    let mut car = Car::on(unified());
    car.document.pushes.only = true;
    let outcome = car
        .push(&[(STATE_OF_CHARGE, 80.0, 1), (STATE_OF_CHARGE, 79.0, 2), (STATE_OF_CHARGE, 78.0, 3)], at(4));
    let expected = [Occasion::FirstDelivery, changed(&[STATE_OF_CHARGE]), changed(&[STATE_OF_CHARGE])];
    assert_eq!(occasions(&outcome), expected);
    assert_eq!(outcome.observations.len(), 3, "each with what was known then");
}

#[test]
fn a_dead_band_without_an_event_before_it_is_left_by_drifting_too() {
    let mut car = Car::on(unified());
    car.document.pushes.only = true;
    car.push(&[(STATE_OF_CHARGE, 80.0, 0)], at(0));
    let story: Vec<_> = [100.0, 104.0, 108.0, 111.0, 115.0]
        .into_iter()
        .enumerate()
        .map(|(step, km)| occasions(&car.push(&[(ODOMETER, km, 1 + step as i64)], at(1 + step as i64))).len())
        .collect();
    assert_eq!(story, [0, 0, 0, 1, 0]);
}

#[test]
fn a_second_webhook_about_charging_takes_nothing_from_the_first() {
    let charging = |charging| [(IS_CHARGING, Ok(Value::Flag(charging)))];
    let mut car = Car::on(charging_events());
    car.read(&charging(false), at(0));
    assert_eq!(car.read(&charging(true), at(5)), [Occasion::Charging(ChargingEvent::Started)]);
    let second = WebhookNo(2);
    car.webhooks.push(Webhook { no: second, ..webhook(charging_events()) });
    car.step(Input::Subscribe { webhook: second, id: SubscriptionId(Uuid::from_u128(78)) }, at(6));
    let stopped = Occasion::Charging(ChargingEvent::Stopped);
    assert_eq!(car.read(&charging(false), at(10)), [stopped.clone(), stopped]);
}

#[test]
fn a_charging_event_happened_when_the_car_measured_it() {
    let mut car = Car::on(charging_events());
    let flag = |charging, minute, now| Reading {
        feed: FeedKey(1),
        signal: IS_CHARGING,
        value: Some(Value::Flag(charging)),
        observed_at: Some(at(minute)),
        received_at: now,
        order: Order::Observed,
        id: None,
        hold: Duration::ZERO,
        reset: false,
        place: 0,
    };
    let batch = vec![flag(false, 1, at(60)), flag(true, 20, at(60)), flag(false, 40, at(60))];
    let outcome = car.step(Input::Readings(batch), at(60));
    assert_eq!(outcome.events.iter().map(|event| event.at).collect::<Vec<_>>(), [at(20), at(40)]);
}

#[test]
fn what_the_owner_has_not_granted_is_not_taken_in() {
    let mut car = Car::on(unified());
    car.document.pushes.only = true;
    car.push(&[(STATE_OF_CHARGE, 80.0, 0), (ODOMETER, 100.0, 0)], at(0));
    let less: PermissionSet =
        Permission::ALL.iter().copied().filter(|&one| one != Permission::ReadBattery).collect();
    car.step(Input::Permissions(less), at(1));
    for minute in 2..5 {
        let outcome = car.push(&[(STATE_OF_CHARGE, 80.0 - minute as f64, minute)], at(minute));
        assert_eq!(occasions(&outcome), []);
    }
    assert_eq!(car.document.value(STATE_OF_CHARGE), None);
}

#[test]
fn pushes_of_other_signals_do_not_suspend_reads() {
    let mut car = Car::on(unified());
    car.read(&full(80.0, 100.0), at(0));
    car.push(&[(STATE_OF_CHARGE, 79.0, 1), (ODOMETER, 100.0, 1)], at(1));
    let due = (2..60).find(|&minute| {
        car.push(&[(ODOMETER, 100.0 + minute as f64, minute)], at(minute));
        !car.wanted(at(minute)).is_empty()
    });
    assert!(due.is_some_and(|minute| minute <= 20), "{due:?}");
}

#[test]
fn several_values_of_one_moment_are_a_change_only_if_the_last_one_is() {
    let mut car = Car::on(unified());
    car.document.pushes.only = true;
    car.push(&[(STATE_OF_CHARGE, 80.0, 0)], at(0));
    let both = [(STATE_OF_CHARGE, 50.0, 1), (STATE_OF_CHARGE, 51.0, 1)];
    assert_eq!(occasions(&car.push(&both, at(1))), [changed(&[STATE_OF_CHARGE])]);
    assert_eq!(occasions(&car.push(&both, at(2))), [], "the same again");
}

#[test]
fn a_car_that_begins_to_drive_is_read_sooner() {
    let mut car = Car::on(unified());
    for minute in [0, 10, 30, 60, 100, 140] {
        car.read(&full(80.0, 100.0), at(minute));
    }
    let planned = car.document.watching.read_at.unwrap();
    assert!(planned > at(170), "{planned:?}");
    car.push(&[(SPEED, 50.0, 141)], at(141));
    assert!(car.document.watching.read_at.unwrap() <= at(142));
}

/// What fired by a read, and what it was held against.
fn causes(car: &mut Car, values: Values<'_>, now: Timestamp) -> Vec<(Fired, Option<Value>)> {
    let outcome = car.answer(values, now);
    let of_events = |cause: &Cause| outcome.events.iter().any(|event| event.sequence == cause.sequence);
    let causes = outcome.observations.iter().flat_map(|observation| &observation.causes);
    assert!(causes.clone().all(of_events), "{outcome:?}");
    causes.map(|cause| (cause.fired, cause.before.clone())).collect()
}

#[test]
fn an_event_keeps_what_it_was_decided_by() {
    let mut car = Car::on(unified());
    let mut first = full(80.0, 100.0);
    first[0].1 = Err(ASLEEP);
    assert_eq!(causes(&mut car, &first, at(0)), []);
    let charge = Fired::Signal(STATE_OF_CHARGE);
    let odometer = Fired::Signal(ODOMETER);
    assert_eq!(
        causes(&mut car, &full(80.0, 100.0), at(5)),
        [(charge, None)],
        "the first value after an error"
    );
    let both = causes(&mut car, &full(81.0, 120.0), at(10));
    assert_eq!(both, [(charge, Some(Value::Number(80.0))), (odometer, Some(Value::Number(100.0)))]);
    assert_eq!(causes(&mut car, &full(81.0, 120.0), at(15)), []);
}

#[test]
fn a_charging_event_keeps_what_it_was_decided_by() {
    let mut car = Car::on(charging_events());
    let says = |charging| [(IS_CHARGING, Ok(Value::Flag(charging)))];
    assert_eq!(causes(&mut car, &says(false), at(0)), []);
    let started = causes(&mut car, &says(true), at(5));
    assert_eq!(started, [(Fired::Charging(ChargingEvent::Started), Some(Value::Flag(false)))]);
}

#[test]
fn an_error_that_lasts_is_resolved_by_an_answer_and_by_no_failure() {
    let asleep = ErrorCode::VEHICLE_STATE_ASLEEP;
    let account = ErrorCode::CONNECTED_SERVICES_ACCOUNT_AUTHENTICATION_FAILED;
    // A failed read of what lasts, then a read of something else that works.
    for failure in [asleep, ErrorCode::UPSTREAM_NO_RESPONSE, account] {
        let mut car = Car::on(unified());
        let mut values = full(80.0, 100.0);
        values[3].1 = Err(INCAPABLE);
        car.read(&values, at(0));
        let about = |occasions: Vec<Occasion>| {
            let about_incapable = |occasion: &Occasion| match occasion {
                Occasion::Errors(changes) => changes.iter().any(|change| change.code == INCAPABLE),
                _ => false,
            };
            occasions.into_iter().filter(about_incapable).collect::<Vec<_>>()
        };
        let failed = Input::Asked(vec![ODOMETER, SUNROOF], Err(failure.into()));
        assert_eq!(about(occasions(&car.step(failed, at(60)))), [], "{failure}");
        let outcome = Ok((Value::Number(101.0), Some(at(90))));
        let works = Input::Asked(vec![ODOMETER], Ok(vec![Answer { signal: ODOMETER, outcome }]));
        assert_eq!(about(occasions(&car.step(works, at(90)))), [], "{failure}");
        assert_eq!(
            about(car.read(&values, at(115))),
            [],
            "{failure}: it was never resolved, so it does not come again"
        );
        let repaired = car.read(&full(80.0, 101.0), at(175));
        assert_eq!(about(repaired), [errors(INCAPABLE, true, &[SUNROOF])], "{failure}");
    }
}

#[test]
fn a_failure_of_one_signal_that_passes_resolves_nothing_that_lasts_of_it() {
    let mut car = Car::on(unified());
    let mut values = full(80.0, 100.0);
    values[3].1 = Err(INCAPABLE);
    car.read(&values, at(0));
    for failure in [ErrorCode::VEHICLE_STATE_ASLEEP, ErrorCode::UPSTREAM_INVALID_DATA] {
        values[3].1 = Err(failure);
        assert_eq!(car.read(&values, at(60)), [], "{failure}");
    }
    let other = ErrorCode::COMPATIBILITY_SMARTCAR_NOT_CAPABLE;
    values[3].1 = Err(other);
    let both = Occasion::Errors(vec![
        ErrorChange { code: other, resolved: false, signals: vec![SUNROOF] },
        ErrorChange { code: INCAPABLE, resolved: true, signals: vec![SUNROOF] },
    ]);
    assert_eq!(car.read(&values, at(120)), [both], "an answer takes the place of the one before");
}

#[test]
fn an_error_of_the_whole_vehicle_that_lasts_is_not_resolved_by_its_sleep() {
    let failed = ErrorCode::CONNECTED_SERVICES_ACCOUNT_AUTHENTICATION_FAILED;
    let asleep = ErrorCode::VEHICLE_STATE_ASLEEP;
    let mut car = Car::on(unified());
    car.read(&full(80.0, 100.0), at(0));
    assert_eq!(car.fail(failed, at(60)), [errors(failed, false, &[])]);
    assert_eq!(car.fail(asleep, at(120)), [errors(asleep, false, &[])]);
    let resolved = car.read(&full(80.0, 100.0), at(180));
    let both = Occasion::Errors(vec![
        ErrorChange { code: failed, resolved: true, signals: vec![] },
        ErrorChange { code: asleep, resolved: true, signals: vec![] },
    ]);
    assert_eq!(resolved, [both]);
}
