//! What is offered and granted, and what the application gets for it.

use std::sync::Arc;

use domain::{
    connect::{
        AuthorizeRequest, Outcome, PermissionSet,
        authorize::{Answer, Door},
        consent::{self, ChoiceRefused, Earlier},
    },
    ids::{UserId, VehicleId},
};

use super::{
    Motion, Note, Screen, TroubleKind, Visit, identity,
    linking::{Consent, has_ended_since},
    visit::{Account, Given, virtual_key},
};
use crate::{
    App, AppError,
    ports::{AccountCar, BrandAccount},
    usecases::tokens::NewCode,
};

/// Vehicles that a visit remembers while the owner reads about the key, so that it does not outgrow a link. Who gives more is sent back at
/// once.
const MOST_GIVEN: usize = 64;

/// A car on the grant screen, with what can be given of it.
pub struct Offer {
    /// The car.
    pub car: AccountCar,
    /// What is granted of it unless the owner takes something out.
    pub permissions: PermissionSet,
}

impl App {
    /// The cars of the grant screen, in their order.
    pub async fn offers(&self, visit: &Visit) -> Result<Vec<Offer>, AppError> {
        let account = match visit.factor() {
            None => self.account(visit).await?.ok(),
            Some(_) => None,
        };
        Ok(account.map_or_else(Vec::new, |account| offers(&visit.request, &account)))
    }

    /// The owner agrees: vehicles by their places on the grant screen, and what is left in of the permissions.
    pub async fn approve(
        self: &Arc<Self>,
        visit: Visit,
        places: &[usize],
        left_in: PermissionSet,
    ) -> Result<Motion, AppError> {
        let account = match self.account(&visit).await? {
            Ok(account) if visit.factor().is_none() && visit.request.door == Door::Authorize => account,
            _ => return self.skipped(visit).await,
        };
        let mut offers = offers(&visit.request, &account);
        let note = |refused| match refused {
            ChoiceRefused::NoVehicle => Note::NoVehicle,
            ChoiceRefused::OneOnly => Note::OneOnly,
            ChoiceRefused::NoPermission => Note::NoPermission,
        };
        let places = match consent::chosen(places, offers.len(), visit.request.single) {
            Ok(places) => places,
            Err(refused) => return self.again(visit, Screen::Grant, note(refused)).await,
        };
        let required = visit.request.required;
        for offer in &mut offers {
            offer.permissions = consent::granted(offer.permissions, required, left_in);
        }
        if places.iter().any(|&place| offers[place].permissions == PermissionSet::default()) {
            return self.again(visit, Screen::Grant, Note::NoPermission).await;
        }
        let mut place = 0..;
        offers.retain(|_| place.next().is_some_and(|place| places.contains(&place)));
        self.grant(visit, &account, offers).await
    }

    /// Links what was granted, and sends the owner back with it.
    pub(super) async fn grant(
        self: &Arc<Self>,
        visit: Visit,
        account: &BrandAccount,
        offers: Vec<Offer>,
    ) -> Result<Motion, AppError> {
        let consent = Consent {
            application: &visit.application,
            account: identity(account),
            external_id: &visit.request.external_id,
            asked: visit.request.asked,
            capacities: &visit.so_far.capacities,
            car: visit.so_far.account.as_ref().and_then(Account::car),
            signed_in_at: visit.signed_in_at(),
        };
        let specs: Vec<_> = offers.iter().map(|offer| offer.car.spec.clone()).collect();
        let wants_key = offers.iter().any(|offer| offer.car.needs_virtual_key);
        match self.link_consent(consent, offers).await {
            Ok(Some((user, vehicles))) => {
                for spec in specs {
                    self.restore(&visit, &spec).await?;
                }
                self.given(visit, user, vehicles, wants_key).await
            }
            Ok(None) => self.sign_in_again(visit).await,
            Err(AppError::Plan(message)) => self.trouble(visit, TroubleKind::PlanLimit, &message).await,
            Err(error) => Err(error),
        }
    }

    /// Sends the owner back with what the application has been given; where a car wants a key, by way of the page about it.
    pub(super) async fn given(
        &self,
        mut visit: Visit,
        user: UserId,
        vehicles: Vec<VehicleId>,
        wants_key: bool,
    ) -> Result<Motion, AppError> {
        let key = vehicles.first().filter(|_| wants_key).and_then(|&vehicle| virtual_key(&visit, vehicle));
        if key.is_some() && vehicles.len() <= MOST_GIVEN {
            visit.so_far.given = Some(Given::new(user, &vehicles));
            return self.go(visit, Screen::VirtualKey).await;
        }
        self.give(visit, user, vehicles, key).await
    }

    /// The owner leaves the page about the key. The code is issued only now: a car and its key may take longer than a code lives.
    /// It is about what is still connected.
    pub async fn leave_key(&self, mut visit: Visit) -> Result<Motion, AppError> {
        let key = visit.virtual_key_url();
        let Some(given) = visit.so_far.given.take() else { return self.skipped(visit).await };
        let owner = self.store.owner(given.user()).await?;
        if has_ended_since(owner.as_ref(), visit.signed_in_at()) {
            return self.sign_in_again(visit).await;
        }
        let mut vehicles = given.vehicles();
        let mut numbers = self.store.vehicle_numbers(vehicles.clone()).await?.into_iter();
        vehicles.retain(|_| numbers.next().flatten().is_some());
        match vehicles.is_empty() {
            true => self.skipped(visit).await,
            false => self.give(visit, given.user(), vehicles, key).await,
        }
    }

    /// To the brand's login: who has signed in is believed no more.
    pub(super) async fn sign_in_again(&self, mut visit: Visit) -> Result<Motion, AppError> {
        visit.so_far.account = None;
        self.go(visit, Screen::SignIn).await
    }

    /// Sends the owner back with what the application has been given.
    pub(super) async fn give(
        &self,
        visit: Visit,
        user: UserId,
        vehicles: Vec<VehicleId>,
        virtual_key_url: Option<String>,
    ) -> Result<Motion, AppError> {
        let code = match visit.request.answer {
            Answer::Nothing | Answer::Vehicle => None,
            Answer::Code => {
                let code = self
                    .issue_code(NewCode {
                        application: visit.application.application.no,
                        user,
                        vehicles,
                        redirect_uri: visit.request.redirect_uri.clone(),
                        challenge: visit.request.challenge.clone(),
                    })
                    .await?;
                Some(code.to_string())
            }
        };
        let external_id = self.external_id_to_return(&visit.request, user).await?;
        self.finish(visit, Outcome::Granted { code, user, external_id, virtual_key_url }).await
    }

    pub(super) async fn external_id_to_return(
        &self,
        request: &AuthorizeRequest,
        user: UserId,
    ) -> Result<Option<String>, AppError> {
        if request.returns_external_id() { self.external_id(user).await } else { Ok(None) }
    }

    /// The owner and the vehicles of an earlier consent that this one would only repeat, and whether one of them wants a key.
    pub(super) async fn repeated(
        &self,
        visit: &Visit,
        account: &BrandAccount,
        offers: &[Offer],
    ) -> Result<Option<(UserId, Vec<VehicleId>, bool)>, AppError> {
        let request = &visit.request;
        if request.force {
            return Ok(None);
        }
        let identity = identity(account);
        let vins = offers.iter().map(|offer| offer.car.vin.as_str());
        let Some((owner, vehicles)) = self.earlier(&visit.application, &identity, vins).await? else {
            return Ok(None);
        };
        let earlier = Earlier {
            asked: owner.asked,
            connected: vehicles.len(),
            granted: vehicles.iter().fold(PermissionSet::ALL, |all, (_, granted)| all.and(*granted)),
            has_ended: owner.ended_at.is_some(),
        };
        let known = self.external_id(owner.user).await?;
        let wanted = (request.asked, request.required);
        let repeats = consent::is_repetition(earlier, wanted, offers.len(), request.single)
            && !has_ended_since(Some(&owner), visit.signed_in_at())
            && request.external_id.is_known(known.as_deref());
        if !repeats {
            return Ok(None);
        }
        let keyless = offers.iter().filter(|offer| offer.car.needs_virtual_key);
        let vins = keyless.map(|offer| offer.car.vin.as_str());
        let wants_key = self.earlier(&visit.application, &identity, vins).await?;
        let wants_key = wants_key.is_some_and(|(_, vehicles)| !vehicles.is_empty());
        Ok(Some((owner.user, vehicles.into_iter().map(|(id, _)| id).collect(), wants_key)))
    }
}

/// The cars of an account that can be connected, with what can be given of each.
pub(super) fn offers(request: &AuthorizeRequest, account: &BrandAccount) -> Vec<Offer> {
    let wanted = |car: &&AccountCar| request.vin.as_ref().is_none_or(|vin| *vin == car.vin);
    let offer = |car: &AccountCar| {
        let permissions = consent::offer(request.asked, request.required, car.supported)?;
        Some(Offer { car: car.clone(), permissions })
    };
    account.cars.iter().filter(wanted).filter_map(offer).collect()
}
