//! The simulator: cars that exist before anybody is connected to them.

use domain::{
    connect::PermissionSet,
    ids::{ApplicationId, UserId, VehicleId},
    signal::Powertrain,
    vehicle::Input,
};
use store::{Car, KnownVehicle, SourceRef, Store, VehicleRow};
use uuid::Uuid;

use super::{
    connect::SimulatedLogin,
    idempotency::Answering,
    vehicles::{LinkRequest, Linked},
};
use crate::{
    App, AppError,
    ports::{CarActivity, CarCommand, CarRefused, CarRequest, CarStage, MadeCar},
    scheduler,
};
use std::sync::Arc;

/// A simulated car as an operator sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct CarState {
    /// The car.
    pub car: Car,
    /// Vehicles of applications that are this car.
    pub vehicles: Vec<VehicleId>,
    /// What it does now.
    pub state: CarActivity,
    /// How its owner signs in at the brand.
    pub login: SimulatedLogin,
}

impl App {
    /// Makes a car in the simulator.
    pub async fn make_car(
        self: &Arc<Self>,
        request: &CarRequest,
        answering: Option<&Answering<'_, CarState>>,
    ) -> Result<CarState, AppError> {
        let mut seed = [0; 8];
        self.dice.fill(&mut seed);
        let made = self
            .simulator
            .make(request, u64::from_le_bytes(seed), self.now())
            .map_err(|CarRefused { field, message }| AppError::invalid(field, message))?;
        self.add_car(made, answering).await
    }

    async fn add_car(
        self: &Arc<Self>,
        made: MadeCar,
        answering: Option<&Answering<'_, CarState>>,
    ) -> Result<CarState, AppError> {
        let car = self.new_car(made).await?;
        let state = self.car_state(car.clone(), vec![]);
        let add = move |store: Arc<dyn Store>| async move { store.add_car(car).await };
        self.keeping(answering, &state, add).await?;
        Ok(state)
    }

    /// A car of the simulator.
    pub async fn car(&self, id: Uuid) -> Result<CarState, AppError> {
        let (car, vehicles) = self.store.car(id).await?.ok_or(AppError::NotFound("simulated vehicle"))?;
        Ok(self.car_state(car, vehicles))
    }

    /// Cars of the simulator, oldest first.
    pub async fn cars(&self, after: Option<Uuid>, limit: usize) -> Result<Vec<CarState>, AppError> {
        let cars = self.store.list_cars(after, limit).await?;
        Ok(cars.into_iter().map(|(car, vehicles)| self.car_state(car, vehicles)).collect())
    }

    /// Does something to a car; every vehicle that is this car follows.
    pub async fn control_car(
        &self,
        id: Uuid,
        command: &CarCommand,
        answering: Option<&Answering<'_, CarState>>,
    ) -> Result<CarState, AppError> {
        let current = self.car(id).await?;
        let spec = self
            .simulator
            .control(&current.car.source.spec, command, self.now())
            .map_err(|CarRefused { field, message }| AppError::invalid(field, message))?;
        let source = SourceRef { spec: spec.clone(), ..current.car.source.clone() };
        let state = self.car_state(Car { source, ..current.car }, current.vehicles);
        let update = move |store: Arc<dyn Store>| async move { store.update_car(id, spec).await };
        if !self.keeping(answering, &state, update).await? {
            return Err(AppError::NotFound("simulated vehicle"));
        }
        Ok(state)
    }

    /// The stages of a car's profile; of one that goes on for days, those of the present day.
    pub async fn car_stages(&self, id: Uuid) -> Result<Vec<CarStage>, AppError> {
        let spec = self.car(id).await?.car.source.spec;
        self.simulator.stages(&spec, self.now()).map_err(AppError::Conflict)
    }

    /// Connects a car to an application, as its owner would in the consent flow. A car that was connected before is the same
    /// vehicle again, of the same owner unless another one is named; one that is connected gets these permissions.
    pub async fn connect_car(
        &self,
        id: Uuid,
        application: ApplicationId,
        user: Option<UserId>,
        permissions: PermissionSet,
        answering: Option<&Answering<'_, VehicleRow>>,
    ) -> Result<Linked, AppError> {
        let application = self.application(application)?.application.no;
        let car = self.car(id).await?.car;
        let _one_at_a_time = self.linking.lock().await;
        let known = self.store.vehicle_of_car(id, application, user).await?;
        if let Some((KnownVehicle { no, id: vehicle, granted: Some(_) }, user)) = known {
            self.deliver_letter(no, Input::Permissions(permissions)).await?;
            let connection = self.vehicle(vehicle, Some(application)).await?.connection;
            return Ok(Linked { no, vehicle, user, connection });
        }
        let user = known.map(|(_, owner)| owner).or(user);
        let again = known.map(|(known, _)| known);
        let request = LinkRequest { application, user, info: car.info, permissions, source: car.source };
        let linked = self.link_all(vec![request], again, Some(id), answering).await?.remove(0);
        if again.is_some() {
            self.put_on_automatic_webhooks(linked.no, application).await?;
        }
        Ok(linked)
    }

    /// Brands and models that the simulator can make.
    pub fn car_models(&self) -> Vec<(String, String, u16, u16, Powertrain, String)> {
        self.simulator.models()
    }

    /// The budget with this name; a new one gets its loop.
    pub async fn pool(self: &Arc<Self>, name: &str) -> Result<domain::ids::PoolNo, AppError> {
        let pool = self.store.pool(name.to_owned()).await?;
        scheduler::start_pool(self, pool, name.to_owned());
        Ok(pool)
    }

    fn car_state(&self, car: Car, vehicles: Vec<VehicleId>) -> CarState {
        let state = self.simulator.describe(&car.source.spec, self.now());
        let login = self.simulated_login(car.id);
        CarState { car, vehicles, state, login }
    }
}
