//! What a consent changes: the owner, the vehicles and their connections.
//!
//! An application meets the same owner again by a keyed hash of the account at the brand, and the same car of that owner
//! by a keyed hash of its number: it keeps its id when it is disconnected and connected again. A car that another
//! account has, too, is another vehicle: what is kept of a vehicle is sealed under its owner's key.

use std::sync::Arc;

use domain::{
    connect::{PermissionSet, authorize::ExternalId},
    ids::{ApplicationNo, ConnectionId, UserId, VehicleId, VehicleNo},
    time::Timestamp,
    vehicle::{Document, Input, VehicleInfo},
};
use store::{KnownVehicle, NewLink, Owner, SourceRef};
use uuid::Uuid;

use super::Offer;
use crate::{App, AppError, ApplicationEntry, Find, What, usecases::chance};

/// What an owner has agreed to.
pub(super) struct Consent<'a> {
    pub(super) application: &'a ApplicationEntry,
    /// The account at the brand.
    pub(super) account: String,
    pub(super) external_id: &'a ExternalId,
    /// What was asked for, before the owner took anything out.
    pub(super) asked: PermissionSet,
    /// Batteries that were chosen, in Wh, by the vehicle's number.
    pub(super) capacities: &'a [(String, u32)],
    /// The car of the simulator that the account is about.
    pub(super) car: Option<Uuid>,
    /// When the owner signed in.
    pub(super) signed_in_at: Option<Timestamp>,
}

/// Whether an owner has ended an access since signing in.
pub(super) fn has_ended_since(owner: Option<&Owner>, signed_in_at: Option<Timestamp>) -> bool {
    let ended_at = owner.and_then(|owner| owner.ended_at);
    ended_at.is_some_and(|ended_at| signed_in_at.is_none_or(|at| at <= ended_at))
}

impl App {
    /// The owner, if the application has met the account before.
    pub(super) async fn met_owner(
        &self,
        application: &ApplicationEntry,
        account: &str,
    ) -> Result<Option<Owner>, AppError> {
        let application = &application.application;
        let account = self.sealer.key(application.id.0).await?.find(Find::Account, account.as_bytes());
        Ok(self.store.owner_of_account(application.no, account).await?)
    }

    /// The owner and the connected ones of these vehicles with what is granted of them, if the application has met the account
    /// before.
    pub(super) async fn earlier(
        &self,
        application: &ApplicationEntry,
        account: &str,
        vins: impl Iterator<Item = &str>,
    ) -> Result<Option<(Owner, Vec<(VehicleId, PermissionSet)>)>, AppError> {
        let Some(owner) = self.met_owner(application, account).await? else { return Ok(None) };
        let key = self.sealer.key(application.application.id.0).await?;
        let vins = vins.map(|vin| key.find(Find::Vin, vin.as_bytes()).to_vec()).collect();
        let known = self.store.known_vehicles(owner.user, vins).await?;
        let connected = known.into_iter().flatten().filter_map(|known| Some((known.id, known.granted?)));
        Ok(Some((owner, connected.collect())))
    }

    /// The application's own id of an owner.
    pub async fn external_id(&self, user: UserId) -> Result<Option<String>, AppError> {
        match self.store.owner(user).await? {
            Some(owner) if !owner.external_id.is_empty() => self.opened_external_id(&owner).await.map(Some),
            _ => Ok(None),
        }
    }

    async fn opened_external_id(&self, owner: &Owner) -> Result<String, AppError> {
        let key = self.sealer.key(owner.user.0).await?;
        let plain = key.open(What::ExternalId, owner.user.0, &owner.external_id)?;
        String::from_utf8(plain).map_err(|error| AppError::Internal(error.to_string()))
    }

    /// Links what was granted: new vehicles, and those that were disconnected; what is connected gets the permissions
    /// that were granted now. Answers with the owner and the vehicles in the order of the offers; `None` when the owner has
    /// ended an access since signing in, and has to sign in again before there is another.
    pub(super) async fn link_consent(
        self: &Arc<Self>,
        consent: Consent<'_>,
        offers: Vec<Offer>,
    ) -> Result<Option<(UserId, Vec<VehicleId>)>, AppError> {
        let _one_at_a_time = self.linking.lock().await;
        let application = &consent.application.application;
        let now = self.now();
        let key = self.sealer.key(application.id.0).await?;
        let account = key.find(Find::Account, consent.account.as_bytes());
        let known_owner = self.store.owner_of_account(application.no, account).await?;
        if has_ended_since(known_owner.as_ref(), consent.signed_in_at) {
            return Ok(None);
        }
        let user = match &known_owner {
            Some(owner) => owner.user,
            None => UserId::new(now, chance(&*self.dice)),
        };
        let vins: Vec<Vec<u8>> =
            offers.iter().map(|offer| key.find(Find::Vin, offer.car.vin.as_bytes()).to_vec()).collect();
        let known = self.store.known_vehicles(user, vins.clone()).await?;
        let missing = known.iter().filter(|known| known.is_none_or(|known| known.granted.is_none())).count();
        let connected = self.store.count_vehicles(Some(application.no)).await?;
        self.settings.plans.allow_vehicles(&application.plan, connected, missing as u64)?;

        let user_key = self.sealer.make_keys(&[user.0]).await?.remove(0);
        let external_id = match (consent.external_id, known_owner) {
            (ExternalId::Clear, _) => vec![],
            (ExternalId::Set(id), _) => user_key.seal(&*self.dice, What::ExternalId, user.0, id.as_bytes()),
            (ExternalId::Keep, owner) => owner.map(|owner| owner.external_id).unwrap_or_default(),
        };
        let owner = Owner {
            user,
            application: application.no,
            account,
            external_id,
            asked: consent.asked,
            // What was noted before stays.
            ended_at: None,
        };
        let (mut links, mut ids, mut regranted) = (Vec::new(), Vec::new(), Vec::new());
        for ((offer, vin), known) in offers.iter().zip(vins).zip(known) {
            if let Some(KnownVehicle { no, id, granted: Some(_) }) = known {
                regranted.push((no, offer.permissions));
                ids.push(id);
                continue;
            }
            let id = known.map_or_else(|| VehicleId::new(now, chance(&*self.dice)), |known| known.id);
            let document = Document { permissions: offer.permissions, ..Document::default() };
            ids.push(id);
            links.push(NewLink {
                application: application.no,
                user,
                connection: ConnectionId::new(now, chance(&*self.dice)),
                info: info(id, offer),
                vin,
                again: known.map(|known| known.no),
                permissions: offer.permissions,
                source: self.source(offer).await?,
                car: None,
                document: user_key.seal(&*self.dice, What::Document, id.0, &document.encode()),
                connected_at: now,
            });
        }
        let again: Vec<bool> = links.iter().map(|link| link.again.is_some()).collect();
        let numbers = self.store.link_owned(owner, links).await?;
        for (&no, again) in numbers.iter().zip(again) {
            if let Some(car) = consent.car {
                self.store.attach_car(car, no).await?;
            }
            if again {
                self.put_on_automatic_webhooks(no, application.no).await?;
            }
        }
        for (no, permissions) in regranted {
            self.deliver_letter(no, Input::Permissions(permissions)).await?;
        }
        self.keep_capacities(&consent, &offers, user).await?;
        self.health.wake_sweeper();
        Ok(Some((user, ids)))
    }

    async fn source(self: &Arc<Self>, offer: &Offer) -> Result<SourceRef, AppError> {
        let pool = self.pool(&format!("simulated:{}", offer.car.make)).await?;
        Ok(SourceRef { kind: offer.car.kind, pool, spec: offer.car.spec.clone() })
    }

    /// The walk that puts vehicles on automatic webhooks goes by their numbers, and has passed this one.
    pub(in crate::usecases) async fn put_on_automatic_webhooks(
        &self,
        vehicle: VehicleNo,
        application: ApplicationNo,
    ) -> Result<(), AppError> {
        let Some(row) = self.store.load(vec![vehicle]).await?.pop().flatten() else { return Ok(()) };
        for entry in self.registry.webhooks(Some(application)) {
            let passed = entry.stored.auto_subscribe && entry.stored.auto_after >= vehicle;
            if passed && self.may_watch(&entry, &row.info) {
                self.subscribe_numbers(&entry, &[vehicle]).await?;
            }
        }
        Ok(())
    }

    async fn keep_capacities(
        &self,
        consent: &Consent<'_>,
        offers: &[Offer],
        user: UserId,
    ) -> Result<(), AppError> {
        let chosen = |offer: &Offer| {
            let mut known = consent.capacities.iter().filter(|(vin, _)| *vin == offer.car.vin);
            known.next_back().map(|&(_, wh)| wh)
        };
        let key = self.sealer.key(consent.application.application.id.0).await?;
        for (offer, capacity_wh) in offers.iter().filter_map(|offer| Some((offer, chosen(offer)?))) {
            let vin = key.find(Find::Vin, offer.car.vin.as_bytes()).to_vec();
            if let Some(known) = self.store.known_vehicles(user, vec![vin]).await?.pop().flatten() {
                self.store.set_capacity(known.no, capacity_wh).await?;
            }
        }
        Ok(())
    }
}

fn info(id: VehicleId, offer: &Offer) -> VehicleInfo {
    let car = &offer.car;
    VehicleInfo {
        id,
        make: car.make.clone(),
        model: car.model.clone(),
        year: car.year,
        mode: car.mode,
        powertrain: car.powertrain,
        region: car.region,
    }
}
