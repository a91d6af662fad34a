//! Cars that only push, on webhooks that watch them: what is pushed, by senders whose clocks lead and lag.

use std::time::Duration;

use app::PushedReading;
use domain::{
    signal::{self, Value},
    time::Timestamp,
};

use super::Soak;
use crate::{
    values::Stay,
    world::{Car, Hook},
};

/// How far the clock of a sender is from the true time, in seconds; nothing where it sends no moment. A lagging sender
/// says something late, and a leading one must not spoil what is true afterwards.
const SENDERS: &[Option<i64>] = &[
    None,
    None,
    Some(0),
    Some(0),
    Some(0),
    Some(-1),
    Some(-240),
    Some(-3_600),
    Some(-86_400),
    Some(20),
    Some(55),
    Some(300),
    Some(3_600),
    Some(400 * 86_400),
];
/// How long the last events take to arrive.
const REST: Duration = Duration::from_secs(15 * 60);

impl Soak {
    /// Two cars that only push, and a webhook that watches them whose receiver accepts everything.
    pub(super) fn add_pushed_cars(&mut self) {
        self.pushed = (0..2).map(|_| self.world.pushed_car()).collect();
        let calm = self.world.unified_webhook(&[signal::STATE_OF_CHARGE]);
        self.calm = Some(calm);
        for hook in self.watching.clone().into_iter().chain([calm]) {
            let cars = self.pushed.clone();
            self.world.subscribe_all(hook, &cars);
        }
        self.note_stays();
    }

    /// Something about a car that only pushes: most often, a push.
    pub(super) fn act_on_pushed(&mut self) {
        let car = self.chance.pick(&self.pushed);
        let calm = self.calm.expect("a calm webhook where cars push");
        match self.chance.below(10) {
            0 => {
                self.world.ask(|app| async move { app.unsubscribe(calm.id, car.id()).await.map(drop) });
            }
            1 | 2 => {
                self.world.ask(|app| async move { app.subscribe(calm.id, &[car.id()]).await.map(drop) });
            }
            _ => self.push_some(car),
        }
    }

    /// Pushes a few values of a car, by senders with clocks of every kind.
    pub(super) fn push_some(&mut self, car: Car) {
        for _ in 0..self.chance.from_to(1, 4) {
            let sender = self.chance.pick(SENDERS);
            self.push_from(car, sender);
            let pause = self.chance.pick(&[0, 1, 30]);
            self.world.advance(Duration::from_secs(pause));
        }
    }

    /// Pushes the next value of a car, measured at what the sender takes for now; true when it was applied.
    fn push_from(&mut self, car: Car, sender: Option<i64>) -> bool {
        let value = self.pushes.next_value();
        let truth = self.truth();
        let observed_at = sender.map(|seconds| shifted(truth, seconds));
        let reading = PushedReading::of(car.id(), signal::STATE_OF_CHARGE, Value::Number(value));
        let reading = PushedReading { observed_at, ..reading };
        let feed = self.feed.clone().expect("a feed where cars push");
        let at = self.world.monotonic();
        let applied = self.world.push_applied(&feed, reading).unwrap_or(false);
        self.pushes.note(car, value, at, applied);
        applied
    }

    /// The time by a clock that is right.
    fn truth(&self) -> Timestamp {
        shifted(self.world.now(), -self.ahead)
    }

    /// Sets the server's clock to a time that is wrong by so much.
    pub(super) fn set_clock_ahead(&mut self, seconds: i64) {
        self.world.jump(seconds - self.ahead);
        self.ahead = seconds;
    }

    /// With all clocks right, one more reading of each car counts, and every webhook that watches the car gets it.
    pub(super) fn push_the_last(&mut self) {
        for car in self.pushed.clone() {
            for sender in [Some(0), None] {
                // Two readings of one moment conflict.
                self.world.advance(Duration::from_secs(2));
                if !self.push_from(car, sender) {
                    self.broken.push(format!(
                        "car {}: a reading of {sender:?} at the end was not applied",
                        car.number
                    ));
                }
            }
        }
        self.world.advance(REST);
        self.note_stays();
        let open: Vec<Stay> = self.stays.iter().filter(|stay| stay.until.is_none()).copied().collect();
        for Stay { hook, car, .. } in open {
            if let Err(wrong) = self.pushes.last_came(&self.world, hook, car) {
                self.broken.push(wrong);
            }
        }
    }

    /// What the values that arrived show.
    pub(super) fn judge_values(&mut self) -> Vec<String> {
        let Some(calm) = self.calm else { return Vec::new() };
        let stays: Vec<Stay> = self.stays.iter().filter(|stay| stay.hook == calm).copied().collect();
        let mut found = self.pushes.missing(&mut self.world, &stays);
        for hook in self.watching.clone().into_iter().chain([calm]) {
            found.extend(self.pushes.judge(&mut self.world, hook, &self.pushed));
        }
        found
    }

    /// Notes which cars that push are on which webhooks that deliver.
    pub(super) fn note_stays(&mut self) {
        let now = self.world.monotonic();
        let mut on: Vec<(Hook, Car)> = Vec::new();
        for car in self.pushed.clone() {
            let rows = loop {
                self.world.start();
                let rows = self.world.ask(|app| async move { app.subscriptions_of_vehicle(car.id()).await });
                if let Some(rows) = rows {
                    break rows.unwrap_or_default();
                }
            };
            self.world.start();
            let app = self.world.app();
            let hooks = self.watching.iter().chain(&self.calm);
            let watched = hooks.filter(|hook| rows.iter().any(|row| row.webhook == hook.no));
            on.extend(watched.filter(|&&hook| super::delivers(&app, hook)).map(|&hook| (hook, car)));
        }
        for stay in self.stays.iter_mut().filter(|stay| stay.until.is_none()) {
            if !on.contains(&(stay.hook, stay.car)) {
                stay.until = Some(now);
            }
        }
        for (hook, car) in on {
            let known = |stay: &&Stay| stay.hook == hook && stay.car == car && stay.until.is_none();
            if self.stays.iter().find(known).is_none() {
                self.stays.push(Stay { hook, car, from: now, until: None });
            }
        }
    }
}

fn shifted(at: Timestamp, seconds: i64) -> Timestamp {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { at - by } else { at + by }
}
