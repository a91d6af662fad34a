//! Which battery a car has, where its brand does not say: asked in a visit, or by a link of its own.

use std::time::Duration;

use domain::{
    connect::{ConnectError, Outcome, Permission, authorize::Door},
    ids::VehicleId,
};
use store::VehicleRow;
use uuid::Uuid;

use super::{Motion, Note, Offer, Screen, TroubleKind, Visit};
use crate::{App, AppError, What, ports::AccountCar};

/// How long a link to the battery page works.
const CAPACITY_LINK_LIFE: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Cars of an account whose battery is asked for, so that a visit does not outgrow a link.
const MOST_CAPACITIES: usize = 16;

/// A battery that the brand of a vehicle does not settle, in kWh.
pub struct CapacityChoice {
    /// Those that the model may have.
    pub available: Vec<f64>,
    /// The one that the owner has chosen.
    pub chosen: Option<f64>,
    /// Where the owner can choose, for 30 days.
    pub link: String,
}

impl App {
    /// The cars that may have one of several batteries, with those.
    pub async fn ambiguous_cars(&self, visit: &Visit) -> Result<Vec<AccountCar>, AppError> {
        if visit.request.door == Door::Capacity {
            return Ok(self.car_of_link(visit).await?.into_iter().map(|(_, car)| car).collect());
        }
        let offers = self.offers(visit).await?;
        Ok(ambiguous(visit, &offers).map(|offer| offer.car.clone()).collect())
    }

    /// Takes the battery that the owner has chosen for a car.
    pub async fn choose_capacity(
        &self,
        mut visit: Visit,
        vin: &str,
        capacity_wh: Option<u32>,
    ) -> Result<Motion, AppError> {
        let cars = self.ambiguous_cars(&visit).await?;
        let Some(car) = cars.iter().find(|car| car.vin == vin) else { return self.skipped(visit).await };
        let Some(chosen) = capacity_wh.filter(|wh| car.capacities_wh.contains(wh)) else {
            return self.again(visit, Screen::Capacity, Note::NoCapacity).await;
        };
        if visit.request.door == Door::Capacity {
            return self.keep_capacity(visit, chosen).await;
        }
        visit.so_far.capacities.push((vin.to_owned(), chosen));
        self.signed_in(visit).await
    }

    /// The owner does not know, or does not say.
    pub async fn skip_capacity(&self, mut visit: Visit) -> Result<Motion, AppError> {
        if visit.request.door == Door::Capacity {
            return self.finish(visit, Outcome::failed(ConnectError::BatteryCapacityNoSelection)).await;
        }
        visit.so_far.capacities_asked = true;
        self.signed_in(visit).await
    }

    /// A link to the page on which an owner says which battery a vehicle has. It works for thirty days.
    pub async fn capacity_link(&self, vehicle: VehicleId) -> Result<String, AppError> {
        let row = self.vehicle(vehicle, None).await?;
        let entry = self.registry.application(row.application).ok_or(AppError::NotFound("application"))?;
        let id = entry.application.id;
        let until = (self.now() + CAPACITY_LINK_LIFE).as_micros().to_be_bytes();
        let plain = [vehicle.0.as_bytes().as_slice(), &until].concat();
        let sealed = self.sealer.key(id.0).await?.seal(&*self.dice, What::CapacityLink, id.0, &plain);
        let (origin, sealed) = (&self.settings.origin, hex::encode(sealed));
        Ok(format!(
            "{origin}/battery-capacity?vehicle_id={vehicle}&client_id={id}&token={sealed}&response_type=vehicle_id"
        ))
    }

    /// What is known of a vehicle's battery where its brand does not settle which it is.
    pub async fn capacity_choice(&self, row: &VehicleRow) -> Result<Option<CapacityChoice>, AppError> {
        let car = self.accounts.car(row.source.kind, &row.source.spec);
        let Some(car) = car.filter(|car| !car.capacities_wh.is_empty()) else { return Ok(None) };
        let kilowatt_hours = |wh: u32| f64::from(wh) / 1_000.0;
        Ok(Some(CapacityChoice {
            available: car.capacities_wh.into_iter().map(kilowatt_hours).collect(),
            chosen: self.store.capacity(row.no).await?.map(kilowatt_hours),
            link: self.capacity_link(row.info.id).await?,
        }))
    }

    /// To the choice of a battery, when the link is one of ours.
    pub(super) async fn to_capacity(&self, visit: Visit) -> Result<Motion, AppError> {
        match self.car_of_link(&visit).await? {
            Some(_) => self.go(visit, Screen::Capacity).await,
            None => {
                let message = "the link to choose a battery is not valid any more";
                self.trouble(visit, TroubleKind::Configuration, message).await
            }
        }
    }

    /// The vehicle that a link to the battery page is about, while the link is good.
    pub(super) async fn car_of_link(
        &self,
        visit: &Visit,
    ) -> Result<Option<(VehicleRow, AccountCar)>, AppError> {
        let id = visit.application.application.id;
        let Some(sealed) = visit.request.token.as_deref().and_then(|token| hex::decode(token).ok()) else {
            return Ok(None);
        };
        let key = self.sealer.key(id.0).await?;
        let Ok(plain) = key.open(What::CapacityLink, id.0, &sealed) else { return Ok(None) };
        let (Some(vehicle), Some(until)) = (plain.first_chunk::<16>(), plain.last_chunk::<8>()) else {
            return Ok(None);
        };
        let vehicle = VehicleId(Uuid::from_bytes(*vehicle));
        if visit.request.vehicle != Some(vehicle) || i64::from_be_bytes(*until) <= self.now().as_micros() {
            return Ok(None);
        }
        let row = match self.vehicle(vehicle, Some(visit.application.application.no)).await {
            Ok(row) => row,
            Err(AppError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let car = self.accounts.car(row.source.kind, &row.source.spec);
        Ok(car.filter(|car| !car.capacities_wh.is_empty()).map(|car| (row, car)))
    }

    pub(super) async fn keep_capacity(&self, visit: Visit, capacity_wh: u32) -> Result<Motion, AppError> {
        let Some((row, _)) = self.car_of_link(&visit).await? else { return self.skipped(visit).await };
        self.store.set_capacity(row.no, capacity_wh).await?;
        let outcome = Outcome::Vehicle {
            vehicle: row.info.id,
            user: None,
            external_id: None,
            selected_capacity: Some(kilowatt_hours(capacity_wh)),
        };
        self.finish(visit, outcome).await
    }
}

/// A capacity as it is written: `58.5`.
pub(crate) fn kilowatt_hours(wh: u32) -> String {
    (f64::from(wh) / 1_000.0).to_string()
}

/// Offers of cars whose battery is not known and has not been asked for yet.
pub(super) fn ambiguous<'a>(visit: &'a Visit, offers: &'a [Offer]) -> impl Iterator<Item = &'a Offer> {
    let asked = |offer: &&Offer| offer.permissions.contains(Permission::ReadBattery);
    let so_far = &visit.so_far;
    let done = so_far.capacities_asked || so_far.capacities.len() >= MOST_CAPACITIES;
    let chosen = move |vin: &str| done || so_far.capacities.iter().any(|(known, _)| known == vin);
    offers
        .iter()
        .filter(asked)
        .filter(move |offer| offer.car.capacities_wh.len() > 1 && !chosen(&offer.car.vin))
}
