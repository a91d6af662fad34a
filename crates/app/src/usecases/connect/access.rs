//! The owner's own page: what an application has access to, and the end of it.
//!
//! An owner is here who a brand's login says it is. What is shown and ended are the connected vehicles of that owner as
//! this application knows them; of anybody else's the answer is the same as of a vehicle that there is not.

use domain::{
    connect::authorize::Door,
    ids::{UserId, VehicleId},
    vehicle::Input,
};
use store::{VehicleFilter, VehicleRow};

use super::{Motion, Note, Screen, Visit, identity};
use crate::{App, AppError};

/// The most vehicles on the page. Those that do not fit come up when others have gone.
const MOST_SHOWN: usize = 1_000;

/// A vehicle that an application has access to.
pub struct Access {
    /// What is granted of it, and since when.
    pub vehicle: VehicleRow,
    /// Its number, where the brand's side knows it.
    pub vin: Option<String>,
}

impl App {
    /// What the application has access to, of the owner who has signed in; `None` when nobody has.
    pub async fn accesses(&self, visit: &Visit) -> Result<Option<Vec<Access>>, AppError> {
        let Some(owner) = self.visiting_owner(visit).await? else { return Ok(None) };
        let Some(user) = owner else { return Ok(Some(vec![])) };
        let rows = self.list_vehicles(of_owner(visit, user), MOST_SHOWN).await?;
        let access = |vehicle: VehicleRow| {
            let vin = self.accounts.car(vehicle.source.kind, &vehicle.source.spec).map(|car| car.vin);
            Access { vehicle, vin }
        };
        Ok(Some(rows.into_iter().map(access).collect()))
    }

    /// The owner ends the access to a vehicle: tokens open it no more, and nothing of it leaves.
    pub async fn end_access(&self, mut visit: Visit, vehicle: Option<VehicleId>) -> Result<Motion, AppError> {
        let Some(owner) = self.visiting_owner(&visit).await? else { return self.skipped(visit).await };
        visit.so_far.ended = None;
        let Some(row) = self.connected_to(&visit, owner, vehicle).await? else {
            return self.again(visit, Screen::Access, Note::NoAccess).await;
        };
        self.note_ended_access(row.user).await?;
        match self.deliver_letter(row.no, Input::Disconnect).await {
            // Somebody else was faster.
            Ok(()) | Err(AppError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        visit.so_far.ended = Some((row.info.make, row.info.model));
        self.go(visit, Screen::Access).await
    }

    /// From now on nobody grants anything who signed in to the account before. A consent that is being written comes
    /// first, and is ended with the rest.
    async fn note_ended_access(&self, user: UserId) -> Result<(), AppError> {
        let _no_consent = self.linking.lock().await;
        self.store.note_ended_access(user, self.now()).await?;
        self.note_ends().await
    }

    /// A vehicle, if it is connected and this owner's.
    async fn connected_to(
        &self,
        visit: &Visit,
        owner: Option<UserId>,
        vehicle: Option<VehicleId>,
    ) -> Result<Option<VehicleRow>, AppError> {
        let (Some(user), Some(vehicle)) = (owner, vehicle) else { return Ok(None) };
        let (rows, _) = self.connections(of_owner(visit, user), Some(vehicle), 1).await?;
        Ok(rows.into_iter().next())
    }

    /// Who has signed in, as the application knows them: `None` when nobody has, `Some(None)` for a stranger.
    async fn visiting_owner(&self, visit: &Visit) -> Result<Option<Option<UserId>>, AppError> {
        if visit.request.door != Door::Access || visit.factor().is_some() {
            return Ok(None);
        }
        let Ok(account) = self.account(visit).await? else { return Ok(None) };
        let owner = self.met_owner(&visit.application, &identity(&account)).await?;
        Ok(Some(owner.map(|owner| owner.user)))
    }

    /// Back to the first page, with nobody signed in: where the application is told nothing, no page leads to it.
    pub(super) async fn begin_again(&self, mut visit: Visit) -> Result<Motion, AppError> {
        let so_far = &mut visit.so_far;
        (so_far.make, so_far.username, so_far.account) = (None, None, None);
        (so_far.trouble, so_far.ended) = (None, None);
        self.go(visit, Screen::Preamble).await
    }
}

fn of_owner(visit: &Visit, user: UserId) -> VehicleFilter {
    let application = Some(visit.application.application.no);
    VehicleFilter { application, user: Some(user), ..VehicleFilter::default() }
}
