//! What the promises are tried on: made step by step, with ids that count up.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::{
    cadence::Cadence,
    connect::{Permission, PermissionSet, country::Country, defaults::Defaults},
    ids::{
        ApplicationId, ApplicationNo, ConnectionId, EventId, EventNo, PoolNo, SubscriptionId, UserId,
        VehicleId, VehicleNo, WebhookId, WebhookNo,
    },
    signal::{Endpoint, Powertrain},
    time::Timestamp,
    units::UnitSystem,
    vehicle::{Mode, Region, RowChange, VehicleInfo},
    webhook::{Agent, Disabled, Plan, Revision, Scheduled, ScheduledName},
};
use uuid::Uuid;

use crate::{
    Application, LaneKey, LaneLease, LogStatus, NewApplication, NewEvent, NewLink, NewObservation,
    NewWebhook, NodeId, OutcomeOf, QueuedEvent, Record, Redelivered, Secret, SourceRef, StepCommit,
    StepResult, Store, StoredWebhook, SwitchedOff, Tombstone, Unsendable, Version, WebhookChange,
};

/// A store with something in it, and ids for more.
#[allow(missing_docs, reason = "the fields are what they are named after")]
pub struct Fixture<'a> {
    pub store: &'a dyn Store,
    pub application: ApplicationNo,
    pub pool: PoolNo,
    ids: AtomicU64,
}

/// A moment, in seconds after the one at which all fixtures begin.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_750_000_000 + seconds)
}

/// Later than all moments of the promises.
pub fn later() -> Timestamp {
    at(1_000_000)
}

/// The node that records.
pub const NODE: NodeId = NodeId(u64::MAX - 6);

impl<'a> Fixture<'a> {
    /// With an application and a pool.
    pub async fn new(store: &'a dyn Store) -> Self {
        let pool = store.pool("brand".into()).await.expect("a pool is made");
        let mut fixture = Self { store, application: ApplicationNo(0), pool, ids: AtomicU64::new(1) };
        fixture.application = fixture.application("fleet").await.no;
        fixture
    }

    /// The next id.
    pub fn uuid(&self) -> Uuid {
        Uuid::from_u128(
            0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(self.ids.fetch_add(1, Ordering::Relaxed)),
        )
    }

    /// Makes an application.
    pub async fn application(&self, name: &str) -> Application {
        let new = NewApplication {
            id: ApplicationId(self.uuid()),
            name: name.into(),
            redirect_uris: vec![
                "https://fleet.example/callback".into(),
                "https://fleet.example/other".into(),
            ],
            plan: "standard".into(),
            connect: Defaults { permissions: None, country: Country::find("FR") },
            management_token: b"sealed".to_vec(),
            secret: secret(1),
            created_at: at(0),
        };
        self.store.create_application(new).await.expect("an application is made")
    }

    /// Makes a webhook that delivers.
    pub async fn webhook(&self) -> StoredWebhook {
        let webhook = self.unverified().await.webhook;
        let uri = webhook.revision.callback_uri;
        let passed = WebhookChange::Verification { uri, result: Vec::new(), passed: true };
        let changed = self.store.change_webhook(webhook.no, passed).await.expect("a webhook is verified");
        changed.done().expect("it is there").0
    }

    /// Makes a webhook that is not verified.
    pub async fn unverified(&self) -> StoredWebhook {
        let new = NewWebhook {
            id: WebhookId(self.uuid()),
            application: self.application,
            name: "mileage".into(),
            revision: revision(1),
            auto_subscribe: false,
            verify: false,
            created_at: at(0),
        };
        self.store.create_webhook(new).await.expect("a webhook is made")
    }

    /// What it takes to link a vehicle.
    pub fn new_link(&self, user: UserId) -> NewLink {
        let id = VehicleId(self.uuid());
        NewLink {
            application: self.application,
            user,
            connection: ConnectionId(self.uuid()),
            info: VehicleInfo {
                id,
                make: "TESLA".into(),
                model: "Model 3".into(),
                year: 2_022,
                mode: Mode::Simulated,
                powertrain: Powertrain::Bev,
                region: Region::Canada,
            },
            vin: vec![],
            again: None,
            permissions: PermissionSet::default()
                .with(Permission::ReadOdometer)
                .with(Permission::ReadBattery),
            source: SourceRef { kind: 1, pool: self.pool, spec: b"car".to_vec() },
            car: None,
            document: b"first document".to_vec(),
            connected_at: at(1),
        }
    }

    /// Links a vehicle of a new owner.
    pub async fn vehicle(&self) -> VehicleNo {
        self.vehicle_of(UserId(self.uuid())).await
    }

    /// Links a vehicle of an owner.
    pub async fn vehicle_of(&self, user: UserId) -> VehicleNo {
        self.store.link(vec![self.new_link(user)]).await.expect("a vehicle is linked")[0]
    }

    /// The version of a vehicle's document.
    pub async fn version(&self, vehicle: VehicleNo) -> Version {
        self.store.load(vec![vehicle]).await.expect("loads")[0].as_ref().expect("is there").version
    }

    /// A step that changes nothing but the document.
    pub async fn step(&self, vehicle: VehicleNo, now: Timestamp) -> StepCommit {
        StepCommit {
            vehicle,
            expected: self.version(vehicle).await,
            document: b"next document".to_vec(),
            due: None,
            observations: Vec::new(),
            events: Vec::new(),
            lapsed: Vec::new(),
            rows: Vec::new(),
            now,
        }
    }

    /// Commits a step that must succeed.
    pub async fn commit(&self, commit: StepCommit) -> (Vec<EventNo>, Vec<Tombstone>) {
        match self.store.commit_steps(vec![commit]).await.expect("commits").remove(0) {
            StepResult::Committed { events, tombstones, .. } => {
                (events.into_iter().flatten().collect(), tombstones)
            }
            other => panic!("a step was not committed: {other:?}"),
        }
    }

    /// Commits one change of the relational rows.
    pub async fn change(&self, vehicle: VehicleNo, change: RowChange, now: Timestamp) -> Option<Tombstone> {
        let commit = StepCommit { rows: vec![change], ..self.step(vehicle, now).await };
        self.commit(commit).await.1.pop()
    }

    /// Puts a vehicle on a webhook.
    pub async fn subscribe(&self, vehicle: VehicleNo, webhook: WebhookNo) -> SubscriptionId {
        let id = SubscriptionId(self.uuid());
        self.change(vehicle, RowChange::Subscribe { webhook, id }, at(2)).await;
        id
    }

    /// An event for a lane.
    pub fn event(&self, lane: LaneKey, sequence: u64) -> NewEvent {
        NewEvent {
            lane,
            revision: 1,
            epoch: 1,
            id: EventId(self.uuid()),
            slot: at(0),
            sequence,
            occasion: b"why".to_vec(),
            observation: 0,
        }
    }

    /// Queues an event of a vehicle in the first lane of a webhook.
    pub async fn queue(&self, vehicle: VehicleNo, webhook: WebhookNo, now: Timestamp) -> EventNo {
        let commit = StepCommit {
            observations: vec![NewObservation { taken_at: now, body: b"seen".to_vec() }],
            events: vec![NewEvent { epoch: self.epoch(webhook).await, ..self.event(lane(webhook), 1) }],
            ..self.step(vehicle, now).await
        };
        self.commit(commit).await.0[0]
    }

    /// The epoch of a webhook; 0 when it is deleted.
    pub async fn epoch(&self, webhook: WebhookNo) -> u32 {
        let all = self.store.webhooks().await.expect("lists");
        all.iter().find(|one| one.webhook.no == webhook).map_or(0, |one| one.webhook.status.epoch)
    }

    /// Switches a webhook off.
    pub async fn switch_off(&self, webhook: WebhookNo, now: Timestamp) -> Tombstone {
        let since = SwitchedOff { at: now, status: None, failure: None };
        let off = WebhookChange::Disable { why: Disabled::Operator, since };
        let changed = self.store.change_webhook(webhook, off).await.expect("changes").done();
        changed.expect("is there").1.expect("what is queued is covered")
    }

    /// Queues an ended event once more, whatever it carries.
    pub async fn redeliver(
        &self,
        event: EventNo,
        now: Timestamp,
    ) -> Result<(LaneKey, QueuedEvent), Unsendable> {
        match self.store.redeliver(event, PermissionSet::default(), now).await.expect("answers") {
            Redelivered::Queued(lane, event) => Ok((lane, *event)),
            Redelivered::Refused(why) => Err(why),
        }
    }

    /// Leases the first lane of a webhook.
    pub async fn lease(&self, webhook: WebhookNo) -> LaneLease {
        self.store
            .lease_lane(NODE, lane(webhook), at(0), later())
            .await
            .expect("a lane is leased")
            .expect("nobody else holds it")
    }

    /// Everything that waits in the first lane of a webhook.
    pub async fn waiting(&self, webhook: WebhookNo) -> Vec<QueuedEvent> {
        self.store.fill(lane(webhook), Timestamp::NEVER, 1_000).await.expect("a lane is filled")
    }

    /// The numbers of what waits in the first lane of a webhook.
    pub async fn waiting_numbers(&self, webhook: WebhookNo) -> Vec<EventNo> {
        self.waiting(webhook).await.into_iter().map(|event| event.no).collect()
    }

    /// Ends events of a webhook that wait since a moment.
    pub async fn end(
        &self,
        webhook: WebhookNo,
        queued_at: Timestamp,
        events: &[EventNo],
        status: LogStatus,
        now: Timestamp,
    ) {
        let lease = self.lease(webhook).await;
        let records = events.iter().map(|&event| ended(event, queued_at, status, now)).collect();
        let recorded = self.store.record(lease, records).await.expect("records");
        assert_eq!(recorded.moved, events.len());
    }

    /// Sweeps a tombstone to its end.
    pub async fn bury(&self, tombstone: &Tombstone, now: Timestamp) {
        while !self.store.bury(tombstone.no, now, 100).await.expect("a sweep goes on") {}
    }

    /// How an event ended; `None` when it has not.
    pub async fn end_of(&self, event: EventNo) -> Option<LogStatus> {
        self.store.delivery(event).await.expect("the log is read").map(|logged| logged.status)
    }
}

/// The first lane of a webhook.
pub const fn lane(webhook: WebhookNo) -> LaneKey {
    LaneKey { webhook, stripe: 0 }
}

/// A client secret, told apart by a number.
pub fn secret(number: u8) -> Secret {
    Secret { hash: [number; 32], hint: format!("hint{number}"), created_at: at(i64::from(number)) }
}

/// A revision of a scheduled webhook.
pub fn revision(number: u32) -> Revision {
    Revision {
        number,
        callback_uri: format!("https://fleet.example/{number}"),
        plan: Plan::Scheduled(Scheduled {
            cadence: Cadence::daily(),
            endpoints: [Endpoint::Odometer, Endpoint::Battery].into_iter().collect(),
            units: UnitSystem::Metric,
            event_name: ScheduledName::Schedule,
            vehicles_per_request: 1,
        }),
        agent: Agent::Milepost,
        cadence_epoch: 1,
        error_uri: None,
        headers: None,
        error_uri_unchecked: false,
    }
}

/// The record of an event that is over after one attempt.
pub fn ended(event: EventNo, queued_at: Timestamp, status: LogStatus, now: Timestamp) -> Record {
    Record { outcome: OutcomeOf::Ended(status, now), ..attempt(event, queued_at) }
}

/// The record of an event that is tried again.
pub fn retried(event: EventNo, queued_at: Timestamp, next: Timestamp) -> Record {
    Record { outcome: OutcomeOf::RetryAt(next), ..attempt(event, queued_at) }
}

fn attempt(event: EventNo, attempt_at: Timestamp) -> Record {
    Record {
        event,
        attempt_at,
        attempts: b"attempts".to_vec(),
        attempt_count: 2,
        http_status: 200,
        took_ms: 30,
        outcome: OutcomeOf::RetryAt(attempt_at),
    }
}
