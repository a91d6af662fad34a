//! Signing in again for a vehicle that has lost its access.

use domain::{
    connect::{
        Outcome,
        authorize::{Answer, ExternalId},
    },
    ids::{UserId, VehicleId},
    vehicle::Region,
};
use store::Owner;
use uuid::Uuid;

use super::{Motion, Note, Screen, TroubleKind, Visit, identity, visit::Account};
use crate::{
    App, AppError, What,
    ports::{BrandAccount, CarCommand},
};

impl App {
    /// To the login of the brand whose vehicle lost its access.
    pub(super) async fn to_brand_of_vehicle(&self, mut visit: Visit) -> Result<Motion, AppError> {
        let vehicle = visit.request.vehicle.unwrap_or(VehicleId(Uuid::nil()));
        let row = match self.vehicle(vehicle, Some(visit.application.application.no)).await {
            Ok(row) => row,
            Err(AppError::NotFound(_)) => {
                let message = "the application has no vehicle with this vehicle_id";
                return self.trouble(visit, TroubleKind::Configuration, message).await;
            }
            Err(error) => return Err(error),
        };
        visit.so_far.make = Some(row.info.make);
        visit.so_far.country = match row.info.region {
            Region::UnitedStates => "US".into(),
            Region::Canada => "CA".into(),
            Region::Europe if visit.country().region != Region::Europe => "DE".into(),
            Region::Europe => visit.so_far.country,
        };
        self.go(visit, Screen::SignIn).await
    }

    /// Gives a vehicle its access back, when the owner has signed in to the account that it is in.
    pub(super) async fn reauthenticate(
        &self,
        visit: Visit,
        account: BrandAccount,
    ) -> Result<Motion, AppError> {
        let vehicle = visit.request.vehicle.unwrap_or(VehicleId(Uuid::nil()));
        let row = match self.vehicle(vehicle, Some(visit.application.application.no)).await {
            Ok(row) => row,
            Err(AppError::NotFound(_)) => return self.skipped(visit).await,
            Err(error) => return Err(error),
        };
        let is_it = self.accounts.car(row.source.kind, &row.source.spec).map(|car| car.vin);
        if is_it.is_none() || !account.cars.iter().any(|car| Some(&car.vin) == is_it.as_ref()) {
            return self.again(visit, Screen::SignIn, Note::AnotherAccount).await;
        }
        self.restore(&visit, &row.source.spec).await?;
        let (mut user, mut external_id) = (None, None);
        if self.is_owner(&visit, &account, row.user).await? {
            self.keep_external_id(&visit, &account).await?;
            user = (visit.request.answer == Answer::Nothing).then_some(row.user);
            external_id = self.external_id_to_return(&visit.request, row.user).await?;
        }
        let outcome = Outcome::Vehicle { vehicle, user, external_id, selected_capacity: None };
        self.finish(visit, outcome).await
    }

    /// Whether an account is the one that an owner connected with. A car may be in more accounts than one: whoever has signed in to
    /// another brings the access back, and is nobody that the application knows.
    async fn is_owner(&self, visit: &Visit, account: &BrandAccount, user: UserId) -> Result<bool, AppError> {
        let owner = self.met_owner(&visit.application, &identity(account)).await?;
        Ok(owner.is_some_and(|owner| owner.user == user))
    }

    /// Keeps the application's own id of the owner who has signed in again.
    async fn keep_external_id(&self, visit: &Visit, account: &BrandAccount) -> Result<(), AppError> {
        let id = match &visit.request.external_id {
            ExternalId::Keep => return Ok(()),
            ExternalId::Clear => None,
            ExternalId::Set(id) => Some(id),
        };
        let _one_at_a_time = self.linking.lock().await;
        let Some(owner) = self.met_owner(&visit.application, &identity(account)).await? else {
            return Ok(());
        };
        let user = owner.user;
        let external_id = match id {
            None => vec![],
            Some(id) => {
                let key = self.sealer.key(user.0).await?;
                key.seal(&*self.dice, What::ExternalId, user.0, id.as_bytes())
            }
        };
        self.store.link_owned(Owner { external_id, ..owner }, vec![]).await?;
        Ok(())
    }

    /// Lets a car of the operator be read again whose owner had taken the access away.
    pub(super) async fn restore(&self, visit: &Visit, spec: &[u8]) -> Result<(), AppError> {
        let Some(car) = visit.so_far.account.as_ref().and_then(Account::car) else { return Ok(()) };
        // A recorded trip has no account to be restored.
        if let Ok(spec) = self.simulator.control(spec, &CarCommand::Restore, self.now()) {
            self.store.update_car(car, spec).await?;
        }
        Ok(())
    }
}
