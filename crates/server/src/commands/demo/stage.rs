//! What the demo acts with: the screen, an application with a webhook of each generation, and a fleet.

use std::{cell::RefCell, sync::Arc};

use anyhow::{Context, Result, bail};
use app::{
    App, CarState, NewWebhookRequest, WebhookView,
    ports::{CarRequest, Clock, NewRecording},
};
use domain::{
    cadence::Cadence,
    connect::{PermissionSet, defaults::Defaults},
    ids::{ApplicationId, VehicleId, WebhookId},
    signal::{
        BATTERY_RANGE, DOORS, Endpoint, IS_CABLE_CONNECTED, IS_CHARGING, LOCATION, ODOMETER, STATE_OF_CHARGE,
        SignalId,
    },
    time::Timestamp,
    units::UnitSystem,
    webhook::{
        Agent, ChargingEvent, Dynamic, EventBased, Plan, Profile, Scheduled, ScheduledName, SimulatedMode,
        Trigger, Unified,
    },
};
use lab::{
    Id,
    console::{self, Console},
    receiver::{Received, Receiver},
};
use serde_json::json;
use uuid::Uuid;

use super::{
    Trip,
    owner::{Door, SignIn},
};
use crate::{cli::Demo, machine::MachineClock, wiring::Running};

const NOTE: anstyle::Style = anstyle::AnsiColor::Cyan.on_default();
/// The name of the demo's application.
pub(super) const APPLICATION: &str = "Demo fleet";
const AIRBAG: &str = "diagnostics-airbag";

/// What the lines mean, for who sees them for the first time.
const LEGEND: [(&str, &str); 5] = [
    (
        "schedule",
        "v2 scheduled: data on a cadence, here each full hour; Energy and Upkeep share a callback URI",
    ),
    ("eventBased", "v2 eventBased: charging starts, stops or completes, of brands that report it"),
    ("dynamic", "v2 dynamic: data every hour, every half hour while a car is plugged in"),
    ("VEHICLE_STATE", "unified: chosen signals, as soon as one that is a trigger has changed"),
    ("VEHICLE_ERROR", "unified: an error appears or is resolved; these go to a URI of their own"),
];

/// Make, model, region, profile, and the number that what is drawn about the car is drawn from. The story refers to them
/// by their place.
const FLEET: [(&str, &str, &str, &str, u32); 6] = [
    ("TESLA", "Model 3", "US", "parked", 19),
    ("FORD", "Mustang Mach-E", "US", "parked", 45),
    ("KIA", "EV6", "US", "driving", 37),
    ("BMW", "i4", "EUROPE", "driving", 40),
    ("VOLKSWAGEN", "ID.4", "EUROPE", "charging", 16),
    ("TOYOTA", "RAV4 Prime", "US", "parked", 25),
];
/// Those whose brands tell of charging; dynamic webhooks of the demo follow them, too.
const TOLD_OF_CHARGING: [usize; 3] = [0, 1, 5];

/// A car of the story.
pub(super) struct Actor {
    /// Make and model.
    pub name: String,
    /// In the simulator.
    pub car: Uuid,
    pub vehicle: VehicleId,
}

/// The fleet and what is to be known about it.
pub(super) struct Cast {
    pub actors: Vec<Actor>,
    /// How many payloads a slot of the scheduled webhooks has.
    pub per_slot: u64,
}

/// What the demo acts with.
pub(super) struct Stage<'a> {
    pub app: Arc<App>,
    pub clock: Arc<MachineClock>,
    receiver: &'a Receiver,
    console: RefCell<Console>,
    json: bool,
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        app: Arc<App>,
        clock: Arc<MachineClock>,
        receiver: &'a Receiver,
        console: Console,
        json: bool,
    ) -> Self {
        Self { app, clock, receiver, console: RefCell::new(console), json }
    }

    /// A line about the demo: what it is about, and what is to be said.
    pub(super) fn note(&self, label: &str, text: &str) {
        if self.json {
            println!("{}", json!({ "note": label, "text": text }));
        } else {
            anstream::println!("{NOTE}·{NOTE:#} {label:<9} {text}");
        }
    }

    /// A line about what happens to a car, at its time.
    pub(super) fn tell(&self, text: &str) {
        let time = self.clock.now().to_string();
        if self.json {
            println!("{}", json!({ "note": "story", "time": time, "text": text }));
        } else {
            anstream::println!("{NOTE}{}  · {text}{NOTE:#}", time.get(11..19).unwrap_or_default());
        }
    }

    /// A webhook as it arrived.
    pub(super) fn show(&self, received: &Received) {
        if self.json {
            println!("{}", console::json(received));
        } else {
            anstream::println!("{}", self.console.borrow_mut().line(received));
        }
    }

    pub(super) fn introduce(&self, running: &Running, args: &Demo, from: Timestamp, retired: usize) {
        self.note("server", &format!("http://{}", running.address));
        self.note("receiver", &self.receiver.url("/"));
        self.note("data", &args.data.display().to_string());
        self.note("clock", &format!("{from}, at {}× speed", args.speed));
        if let Some(path) = &running.admin_token.written_to {
            self.note("admin", &format!("the token was written to {}", path.display()));
        }
        if retired > 0 {
            self.note(
                "earlier",
                &format!(
                    "an earlier demo has used this folder: its data stays, its {retired} webhooks are switched off, \
                     because its receiver has ended"
                ),
            );
        }
        if self.json {
            return;
        }
        if args.replay.is_none() {
            anstream::println!();
            for (event, meaning) in LEGEND {
                anstream::println!("  {event:<13}  {meaning}");
            }
            anstream::println!(
                "  {:<13}  SIG ✓: the signature fits the body; HTTP: what the receiver answered",
                ""
            );
        }
        anstream::println!("\n{}", self.console.borrow().heading());
    }

    /// An application with a scheduled webhook and a car that drives a recorded trip. Answers with how many payloads a
    /// slot has.
    pub(super) async fn set_up_trip(&self, trip: Trip) -> Result<u64> {
        let (application, _) = self.application().await?;
        let endpoints = [Endpoint::Attributes, Endpoint::Battery, Endpoint::Location];
        let plan = scheduled(&endpoints, UnitSystem::Metric)?;
        let webhook = self.webhook(application, "Recorded trip", "/webhooks", plan).await?;
        let vehicle = self.recorded(application, trip).await?;
        self.app.subscribe(webhook, &[vehicle]).await?;
        self.note("subscribed", "1 vehicle; the next slot is at the full hour");
        Ok(1)
    }

    /// An application with a webhook of each generation, two of the scheduled ones, and the fleet on them.
    pub(super) async fn set_up_fleet(&self) -> Result<Cast> {
        let (application, door) = self.application().await?;
        let [energy, upkeep, charging, pulse, changes] = self.webhooks(application).await?;
        let mut actors = Vec::with_capacity(FLEET.len());
        for (make, model, region, profile, seed) in FLEET {
            let request = CarRequest {
                make: make.into(),
                model: model.into(),
                year: None,
                region: region.into(),
                profile: profile.into(),
                seed: Some(seed),
                started: true,
            };
            let car = self.app.make_car(&request, None).await?;
            actors.push(self.connect(&door, &car).await?);
        }
        let all: Vec<VehicleId> = actors.iter().map(|actor| actor.vehicle).collect();
        let told: Vec<VehicleId> = TOLD_OF_CHARGING.iter().filter_map(|&at| all.get(at).copied()).collect();
        for (webhook, vehicles) in
            [(energy, &all), (upkeep, &all), (charging, &told), (pulse, &told), (changes, &all)]
        {
            self.app.subscribe(webhook, vehicles).await?;
        }
        self.note("subscribed", &format!("{} vehicles; the next slot is at the full hour", all.len()));
        self.tell_who_waits(charging, &actors).await?;
        self.note("connect", &format!("link a car of your own in a browser: {}", door.link()));
        Ok(Cast { per_slot: 2 * actors.len() as u64, actors })
    }

    /// Some brands report charging events only after the owner has approved that there.
    async fn tell_who_waits(&self, webhook: WebhookId, actors: &[Actor]) -> Result<()> {
        let webhook = self.app.webhook_entry(webhook)?;
        for actor in TOLD_OF_CHARGING.iter().filter_map(|&at| actors.get(at)) {
            if self.app.awaits_approval(&webhook, actor.vehicle).await? {
                self.tell(&format!("{}: charging events wait for the owner's approval", actor.name));
            }
        }
        Ok(())
    }

    async fn application(&self) -> Result<(ApplicationId, Door)> {
        // Nobody is led there: owners of the demo hand their code over at once.
        let redirect_uri = "http://localhost/linked".to_owned();
        let created = self
            .app
            .create_application(
                APPLICATION,
                vec![redirect_uri.clone()],
                app::UNLIMITED,
                Defaults::default(),
                None,
            )
            .await?;
        self.receiver.set_secrets_everywhere(&[created.entry.management_token.as_str()]);
        let id = created.entry.application.id;
        self.note("made", &format!("application {id}"));
        let origin = &self.app.settings().origin;
        let secret = created.client_secret.to_string();
        Ok((id, Door::new(origin, id.to_string(), secret, redirect_uri)?))
    }

    async fn webhooks(&self, application: ApplicationId) -> Result<[WebhookId; 5]> {
        use Endpoint::*;
        let energy = scheduled(&[Attributes, Odometer, Location, Battery, Charge], UnitSystem::Metric)?;
        let upkeep = scheduled(&[Attributes, TirePressure, Odometer, Security], UnitSystem::Imperial)?;
        let events = ChargingEvent::ALL.iter().copied().collect();
        let charging = Plan::EventBased(EventBased { events });
        let pulse = Plan::Dynamic(Dynamic::default());
        Ok([
            self.webhook(application, "Energy", "/webhooks", energy).await?,
            self.webhook(application, "Upkeep", "/webhooks", upkeep).await?,
            self.webhook(application, "Charging", "/charging", charging).await?,
            self.webhook(application, "Pulse", "/pulse", pulse).await?,
            self.webhook(application, "Changes", "/changes", unified()).await?,
        ])
    }

    /// Makes a webhook, verified by a challenge that the receiver has to answer, and tests it.
    async fn webhook(
        &self,
        application: ApplicationId,
        name: &str,
        path: &str,
        plan: Plan,
    ) -> Result<WebhookId> {
        let kind = plan.kind();
        let error_uri = matches!(plan, Plan::Unified(_)).then(|| self.receiver.url("/errors"));
        let request = NewWebhookRequest {
            application,
            name: name.into(),
            callback_uri: self.receiver.url(path),
            error_uri,
            error_uri_unchecked: false,
            verify: false,
            // What a visitor links comes along by itself.
            auto_subscribe: matches!(plan, Plan::Unified(_)),
            plan,
            agent: Agent::Milepost,
            headers: Default::default(),
        };
        let id = self.app.create_webhook(request, None).await?.entry.webhook().id;
        self.console.borrow_mut().name(Id(id.0.as_u128()), name);
        let answered = self.app.verify_webhook(id).await?;
        let expected = verified(&answered)?;
        let digest = expected.get(..12).unwrap_or_default();
        self.note(
            "verified",
            &format!("webhook {id} {name}, {}: the answer was {digest}…", kind.as_str()),
        );
        let tested = self.app.test_webhook(id, false).await?;
        match tested.last_test {
            Some(test) if test.passed => Ok(id),
            test => bail!(
                "the test of webhook {id} failed: {}",
                test.and_then(|test| test.problem).unwrap_or_default()
            ),
        }
    }

    /// A recorded trip has no owner who could sign in.
    async fn recorded(&self, application: ApplicationId, trip: Trip) -> Result<VehicleId> {
        let Trip { name, columns, content } = trip;
        let recording = NewRecording { name, columns, speed: 1, longest_pause: None, started_at: None };
        let (car, report) = self.app.record_trip(recording, content).await?;
        report.lines().iter().for_each(|line| self.note("recording", line));
        let linked = self.app.connect_car(car.car.id, application, None, PermissionSet::ALL, None).await?;
        Ok(self.introduced(&car, linked.vehicle).vehicle)
    }

    /// The owner of a car goes through Connect.
    async fn connect(&self, door: &Door, car: &CarState) -> Result<Actor> {
        let (info, login) = (&car.car.info, &car.login);
        let sign_in = SignIn { make: &info.make, username: &login.username, password: &login.password };
        let linked = door.link_vehicles(&sign_in).await?;
        let [vehicle] = &linked[..] else { bail!("an owner of one car linked {}", linked.len()) };
        Ok(self.introduced(car, vehicle.parse().context("a vehicle's id")?))
    }

    fn introduced(&self, car: &CarState, vehicle: VehicleId) -> Actor {
        let info = &car.car.info;
        let name = format!("{} {}", info.make, info.model);
        self.console.borrow_mut().name(Id(vehicle.0.as_u128()), &name);
        self.note("connected", &format!("{name} {} as vehicle {vehicle}", info.year));
        Actor { name, car: car.car.id, vehicle }
    }
}

/// The digest that the receiver has answered.
fn verified(view: &WebhookView) -> Result<&str> {
    let webhook = view.entry.webhook();
    let result = view.last_verification.as_ref();
    if !webhook.status.verified {
        let problem = result.and_then(|result| result.problem.as_deref()).unwrap_or_default();
        bail!("webhook {} was not verified: {problem}", webhook.id);
    }
    Ok(result.map_or("", |result| &result.expected))
}

fn scheduled(endpoints: &[Endpoint], units: UnitSystem) -> Result<Plan> {
    Ok(Plan::Scheduled(Scheduled {
        cadence: Cadence::every_hours(1)?,
        endpoints: endpoints.iter().copied().collect(),
        units,
        event_name: ScheduledName::Schedule,
        vehicles_per_request: 1,
    }))
}

/// Told of charging and doors, of each five percent and twenty kilometres, and of the airbag.
fn unified() -> Plan {
    let trigger = |signal, dead_band| Trigger { signal, dead_band };
    let mut triggers = vec![
        trigger(IS_CHARGING, None),
        trigger(STATE_OF_CHARGE, Some(5.0)),
        trigger(IS_CABLE_CONNECTED, None),
        trigger(DOORS, None),
        trigger(ODOMETER, Some(20.0)),
    ];
    triggers.extend(SignalId::from_code(AIRBAG).map(|airbag| trigger(airbag, None)));
    let mut data: Vec<SignalId> = triggers.iter().map(|trigger| trigger.signal).collect();
    data.extend([LOCATION, BATTERY_RANGE]);
    Plan::Unified(Unified {
        triggers,
        data,
        profile: Profile::Union,
        simulated_mode: SimulatedMode::Simulated,
        lenient_verification: false,
    })
}
