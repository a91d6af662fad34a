//! The limits and deadlines that the application works within. Every queue and every wait has one.

use std::{collections::BTreeMap, time::Duration};

use domain::limits::Limit;

use crate::Plans;

/// The limits and deadlines of an [`App`](crate::App).
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where this server is reached from outside, without a trailing slash: `https://milepost.example.com`.
    pub origin: String,
    /// Sending.
    pub delivery: DeliverySettings,
    /// Asking vehicles.
    pub reads: ReadSettings,
    /// Keeping and forgetting.
    pub retention: RetentionSettings,
    /// What applications may use.
    pub plans: Plans,
    /// The pages on which owners give access.
    pub connect: ConnectSettings,
    /// How many times faster than people the clock runs, in rehearsals: a visit of Connect and its code live as much longer.
    pub pace: u32,
}

/// The pages on which owners give access.
#[derive(Clone, Debug)]
pub struct ConnectSettings {
    /// Whether cars of the simulator can be connected there. Anybody can sign in to those.
    pub simulated: bool,
}

/// Sending.
#[derive(Clone, Debug)]
pub struct DeliverySettings {
    /// From the look-up of the name to the last byte of the answer.
    pub deadline: Duration,
    /// How many events of a lane are held in memory.
    pub window: usize,
    /// Requests in flight for one lane.
    pub lane_in_flight: u32,
    /// Requests in flight in all, as a safety net.
    pub in_flight: usize,
    /// Events older than this are not sent any more.
    pub max_age: Duration,
    /// Bytes kept of a receiver's answer to a verification or test.
    pub keep_answer: usize,
    /// The shortest time between two verifications or tests of one webhook.
    pub probe_interval: Duration,
}

/// Asking vehicles.
#[derive(Clone, Debug)]
pub struct ReadSettings {
    /// Reads in flight in one pool.
    pub in_flight: usize,
    /// Reads per second in one pool; `None` leaves the budget open.
    pub per_second: Option<f64>,
    /// How long one read may take.
    pub deadline: Duration,
    /// Vehicles claimed at once.
    pub claim: usize,
    /// How long a pool's loop sleeps at most before it looks for due vehicles again.
    pub look_every: Duration,
    /// How often applications may ask one vehicle, by its brand.
    pub vehicle_rates: VehicleRates,
}

/// How often applications may ask one vehicle, by its brand. A brand that is not here leaves it open.
#[derive(Clone, Debug, Default)]
pub struct VehicleRates(pub BTreeMap<String, Limit>);

impl VehicleRates {
    /// Stands for the brands that are not named.
    pub const OTHERS: &str = "*";

    /// The limit for the vehicles of a brand.
    pub fn of(&self, make: &str) -> Option<Limit> {
        self.0.get(make).or_else(|| self.0.get(Self::OTHERS)).copied()
    }
}

/// Keeping and forgetting.
#[derive(Clone, Debug)]
pub struct RetentionSettings {
    /// Observations: what events carried. Longer than `DeliverySettings::max_age`, so that no waiting event loses its body.
    pub observations: Duration,
    /// Log rows.
    pub log: Duration,
    /// Roll-ups.
    pub roll_ups: Duration,
    /// The most bytes that the database may take; beyond it the oldest history goes first.
    pub max_bytes: Option<u64>,
    /// Below so many free bytes on disk, health turns red.
    pub min_free_bytes: u64,
    /// Rows deleted at once.
    pub batch: usize,
    /// The pause between passes over what is to be forgotten, while there is nothing more to do.
    pub pass_every: Duration,
    /// The pause between heartbeats: so long it may take until a store that cannot be written, or a clock that is off,
    /// is noticed.
    pub heartbeat_every: Duration,
    /// How often the whole store is looked through, piece by piece; never for `None`.
    pub check_every: Option<Duration>,
}

const HOUR: Duration = Duration::from_secs(3_600);

impl Default for Settings {
    fn default() -> Self {
        Self {
            pace: 1,
            origin: "http://127.0.0.1:8080".into(),
            delivery: DeliverySettings {
                deadline: Duration::from_secs(15),
                window: 4_096,
                lane_in_flight: 64,
                in_flight: 2_048,
                max_age: 24 * HOUR,
                keep_answer: 16 * 1_024,
                probe_interval: Duration::from_secs(1),
            },
            reads: ReadSettings {
                in_flight: 65_536,
                per_second: None,
                deadline: Duration::from_secs(75),
                claim: 512,
                look_every: Duration::from_secs(60),
                vehicle_rates: VehicleRates::default(),
            },
            retention: RetentionSettings {
                observations: 72 * HOUR,
                log: 30 * 24 * HOUR,
                roll_ups: 90 * 24 * HOUR,
                max_bytes: None,
                min_free_bytes: 64 * 1_024 * 1_024,
                batch: 5_000,
                pass_every: Duration::from_secs(5),
                heartbeat_every: Duration::from_secs(1),
                check_every: None,
            },
            plans: Plans::default(),
            connect: ConnectSettings { simulated: true },
        }
    }
}
