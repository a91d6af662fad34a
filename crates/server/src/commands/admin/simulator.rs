//! `milepost simulator`: cars to try things with, and all that can happen to them.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use crate::{
    cli::{Car, NewCar, Owner, Paging, SimulatorCommand, WithServer},
    commands::{client::Client, refusal::about, show},
};

const CARS: &str = "/simulator/vehicles";
const CAR_COLUMNS: &[&str] = &[
    "id",
    "make",
    "model",
    "year",
    "state.profile",
    "state.state",
    "state.stage",
    "login.username",
    "vehicleIds",
];

pub(crate) async fn simulator(with: WithServer<SimulatorCommand>) -> Result<()> {
    let (client, json) = (Client::of(&with.server)?, with.server.json);
    let (car, control, body) = match with.command {
        SimulatorCommand::Make(new) => {
            show::object(&make(&client, *new).await?, json);
            return Ok(());
        }
        SimulatorCommand::List { paging } => {
            let page = client.list(CARS, &[], &paging).await?;
            show::list_or(&page, CAR_COLUMNS, json, "no simulated cars; `milepost simulator make` makes one");
            return Ok(());
        }
        SimulatorCommand::Models => {
            models(&client, json).await?;
            return Ok(());
        }
        SimulatorCommand::Show(car) => {
            let id = id_of(&client, &car).await?;
            show::object(&client.get(&format!("{CARS}/{id}")).await?, json);
            return Ok(());
        }
        SimulatorCommand::Stages(car) => {
            let id = id_of(&client, &car).await?;
            let page = client.get(&format!("{CARS}/{id}/stages")).await?;
            show::list(&page, &["stage", "activity", "beginsAtSeconds", "now"], json);
            return Ok(());
        }
        SimulatorCommand::Connect { car, app, owner } => {
            let id = id_of(&client, &car).await?;
            let connected = client.post(&format!("{CARS}/{id}/connect"), owner.connect_body(&app)).await?;
            show::object(&connected, json);
            return Ok(());
        }
        SimulatorCommand::Delete(car) => {
            let id = id_of(&client, &car).await?;
            client.delete(&format!("{CARS}/{id}")).await?;
            super::done(json);
            return Ok(());
        }
        SimulatorCommand::Start(car) => (car, "start", json!({})),
        SimulatorCommand::Pause(car) => (car, "pause", json!({})),
        SimulatorCommand::Restart(car) => (car, "restart", json!({})),
        SimulatorCommand::Speed { car, factor } => (car, "speed", json!({ "factor": factor })),
        SimulatorCommand::Jump { car, seconds, stage } => {
            let to = [("seconds", seconds.map(Value::from)), ("stage", stage.map(Value::from))];
            let given: Map<_, _> =
                to.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
            (car, "jump", Value::Object(given))
        }
        SimulatorCommand::Profile { car, profile } => (car, "profile", json!({ "profile": profile })),
        SimulatorCommand::Fail { car, error, .. } => {
            (car, "fail", json!({ "error": error.map(|text| failure(&text)) }))
        }
        SimulatorCommand::Latency { car, latency } => (car, "latency", json!({ "latency": latency })),
        SimulatorCommand::PlugIn(car) => (car, "plug-in", json!({})),
        SimulatorCommand::Unplug(car) => (car, "unplug", json!({})),
        SimulatorCommand::Interrupt(car) => (car, "interrupt", json!({})),
        SimulatorCommand::OpenDoor(car) => (car, "open-door", json!({})),
        SimulatorCommand::CloseDoor(car) => (car, "close-door", json!({})),
        SimulatorCommand::Fault { car, system } => (car, "fault", json!({ "system": system })),
        SimulatorCommand::ClearFault(car) => (car, "clear-fault", json!({})),
        SimulatorCommand::Revoke(car) => (car, "revoke", json!({})),
        SimulatorCommand::ChangePassword(car) => (car, "change-password", json!({})),
        SimulatorCommand::Restore(car) => (car, "restore", json!({})),
    };
    let id = id_of(&client, &car).await?;
    show::object(&client.post(&format!("{CARS}/{id}/{control}"), body).await?, json);
    Ok(())
}

/// Lists the models that can be simulated.
pub(super) async fn models(client: &Client, json: bool) -> Result<()> {
    let columns = &["make", "model", "firstYear", "lastYear", "powertrain", "regions"];
    show::list(&client.get("/simulator/models").await?, columns, json);
    Ok(())
}

/// Makes a car, and connects it where an application is named. The answer has the car in any case: its id is what the other
/// commands take, and its owner signs in with `login`.
pub(super) async fn make(client: &Client, new: NewCar) -> Result<Value> {
    let body = json!({
        "make": new.make, "model": new.model, "year": new.year, "region": new.region, "profile": new.profile,
        "seed": new.seed, "started": !new.not_started,
    });
    if let Some(app) = &new.app {
        client.get(&format!("/applications/{app}")).await.map_err(|error| about(error, "applicationId"))?;
    }
    let mut car = client.post(CARS, body).await?;
    let Some(app) = new.app else { return Ok(car) };
    let body = new.owner.connect_body(&app);
    let mut connected = connect_new(client, car["id"].as_str().unwrap_or_default(), body).await?;
    if let Some(members) = car.as_object_mut() {
        // Those of the connection are shown.
        members.remove("warnings");
    }
    connected["simulatedVehicle"] = car;
    Ok(connected)
}

/// Connects a car that was made just now. When it cannot be connected, it is deleted again.
pub(crate) async fn connect_new(client: &Client, car: &str, body: Value) -> Result<Value> {
    let refused = match client.post(&format!("{CARS}/{car}/connect"), body).await {
        Ok(connected) => return Ok(connected),
        Err(refused) => refused,
    };
    match client.delete(&format!("{CARS}/{car}")).await {
        Ok(_) => Err(refused),
        Err(_) => Err(refused.context(format!("the car {car} was made, but is not connected"))),
    }
}

impl Owner {
    fn connect_body(&self, app: &str) -> Value {
        let mut body = json!({ "applicationId": app, "userId": self.user });
        if !self.permissions.is_empty() {
            body["permissions"] = json!(self.permissions);
        }
        body
    }
}

/// `VEHICLE_STATE:ASLEEP`, or a type alone.
fn failure(text: &str) -> Value {
    match text.split_once(':') {
        Some((kind, code)) => json!({ "type": kind.to_uppercase(), "code": code.to_uppercase() }),
        None => json!({ "type": text.to_uppercase() }),
    }
}

/// The id of the car that is meant: by its own id, or by that of a vehicle that an application has of it.
async fn id_of(client: &Client, car: &Car) -> Result<String> {
    let id = car.id.clone();
    if client.get(&format!("{CARS}/{id}")).await.is_ok() {
        return Ok(id);
    }
    let all = Paging { all: true, ..Paging::default() };
    let cars = client.list(CARS, &[], &all).await?;
    let is_meant =
        |of: &&Value| of["vehicleIds"].as_array().into_iter().flatten().any(|vehicle| *vehicle == car.id);
    match cars["items"].as_array().into_iter().flatten().find(is_meant) {
        Some(found) => Ok(found["id"].as_str().unwrap_or_default().to_owned()),
        None => bail!("no simulated car with this id; `milepost simulator list` lists them"),
    }
}
