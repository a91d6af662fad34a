//! Vehicles and connections: linking, listing, changing what may be read, disconnecting, erasing.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    connect::PermissionSet,
    ids::{ApplicationId, ApplicationNo, ConnectionId, UserId, VehicleId, VehicleNo},
    vehicle::{Document, Input, Pushes, VehicleInfo},
};
use store::{
    DisconnectedVehicle, KnownVehicle, NewLink, SourceRef, Store, SubscriptionRow, VehicleFilter, VehicleRow,
};
use uuid::Uuid;

use super::{chance, idempotency::Answering};
use crate::{App, AppError, Precondition, What};

/// The source of vehicles that nobody can be asked about: all that is known of them is pushed.
pub const PUSHED: u8 = 3;
/// The pool of those vehicles.
const PUSHED_POOL: &str = "pushed";

/// Connections that are looked up at once while they are ended.
const ENDED_AT_ONCE: usize = 100;
/// Vehicles of an owner that are looked up at once while they are erased.
const ERASED_AT_ONCE: usize = 100;

/// A vehicle to be linked to an application.
#[derive(Clone, Debug)]
pub struct LinkRequest {
    /// The application that gets access.
    pub application: ApplicationNo,
    /// The owner; a new one for `None`.
    pub user: Option<UserId>,
    /// What payloads show of the vehicle; the id is replaced.
    pub info: VehicleInfo,
    /// What the owner grants.
    pub permissions: PermissionSet,
    /// Where it is read.
    pub source: SourceRef,
}

/// A linked vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linked {
    /// Row number.
    pub no: VehicleNo,
    /// The vehicle.
    pub vehicle: VehicleId,
    /// Its owner.
    pub user: UserId,
    /// The connection.
    pub connection: ConnectionId,
}

impl App {
    /// Links vehicles, all or none. Data keys are durable before anything is sealed under them.
    pub async fn link(&self, requests: Vec<LinkRequest>) -> Result<Vec<Linked>, AppError> {
        self.link_answering(requests, None, None).await
    }

    /// As [`App::link`], for the request of a caller who is answered with the first vehicle; vehicles are this car of the
    /// simulator, if one is named.
    pub(crate) async fn link_answering(
        &self,
        requests: Vec<LinkRequest>,
        car: Option<Uuid>,
        answering: Option<&Answering<'_, VehicleRow>>,
    ) -> Result<Vec<Linked>, AppError> {
        let _one_at_a_time = self.linking.lock().await;
        self.link_all(requests, None, car, answering).await
    }

    /// Links vehicles while `linking` is held; one that was linked before keeps its number and its id.
    pub(super) async fn link_all(
        &self,
        requests: Vec<LinkRequest>,
        again: Option<KnownVehicle>,
        car: Option<Uuid>,
        answering: Option<&Answering<'_, VehicleRow>>,
    ) -> Result<Vec<Linked>, AppError> {
        self.check_room(&requests).await?;
        let now = self.now();
        let mut links = Vec::with_capacity(requests.len());
        let mut linked = Vec::with_capacity(requests.len());
        let users: Vec<UserId> = requests
            .iter()
            .map(|request| request.user.unwrap_or_else(|| UserId::new(now, chance(&*self.dice))))
            .collect();
        let keys = self.sealer.make_keys(&users.iter().map(|user| user.0).collect::<Vec<_>>()).await?;
        for ((request, user), key) in requests.into_iter().zip(users).zip(keys) {
            let vehicle = again.map_or_else(|| VehicleId::new(now, chance(&*self.dice)), |known| known.id);
            let connection = ConnectionId::new(now, chance(&*self.dice));
            let pushes = Pushes { only: request.source.kind == PUSHED, ..Pushes::default() };
            let document = Document { permissions: request.permissions, pushes, ..Document::default() };
            linked.push(Linked { no: VehicleNo(0), vehicle, user, connection });
            links.push(NewLink {
                application: request.application,
                user,
                connection,
                info: VehicleInfo { id: vehicle, ..request.info },
                vin: vec![],
                again: again.map(|known| known.no),
                permissions: request.permissions,
                source: request.source,
                car,
                document: key.seal(&*self.dice, What::Document, vehicle.0, &document.encode()),
                connected_at: now,
            });
        }
        let Some(first) = links.first().map(unnumbered) else { return Ok(linked) };
        let link = move |store: Arc<dyn Store>| async move { store.link(links).await };
        let numbers = self.keeping(answering, &first, link).await?;
        for (linked, no) in linked.iter_mut().zip(numbers) {
            linked.no = no;
        }
        self.health.wake_sweeper();
        Ok(linked)
    }

    /// Connects a vehicle that nobody can be asked about to an application: all that is known of it will be pushed.
    pub async fn connect_pushed(
        self: &Arc<Self>,
        application: ApplicationId,
        user: Option<UserId>,
        info: VehicleInfo,
        permissions: PermissionSet,
        answering: Option<&Answering<'_, VehicleRow>>,
    ) -> Result<Linked, AppError> {
        let application = self.application(application)?.application.no;
        let source = SourceRef { kind: PUSHED, pool: self.pool(PUSHED_POOL).await?, spec: vec![] };
        let request = LinkRequest { application, user, info, permissions, source };
        Ok(self.link_answering(vec![request], None, answering).await?.remove(0))
    }

    /// Whether the plans of applications have room for more vehicles.
    async fn check_room(&self, requests: &[LinkRequest]) -> Result<(), AppError> {
        let mut more: BTreeMap<ApplicationNo, u64> = BTreeMap::new();
        for request in requests {
            *more.entry(request.application).or_default() += 1;
        }
        for (no, more) in more {
            let Some(entry) = self.registry.application(no) else { continue };
            let connected = self.store.count_vehicles(Some(no)).await?;
            self.settings.plans.allow_vehicles(&entry.application.plan, connected, more)?;
        }
        Ok(())
    }

    /// A vehicle; of one application only, when the caller speaks for one.
    pub async fn vehicle(&self, id: VehicleId, of: Option<ApplicationNo>) -> Result<VehicleRow, AppError> {
        let row = self.store.find_vehicle(id).await?;
        row.filter(|row| of.is_none_or(|no| row.application == no)).ok_or(AppError::NotFound("vehicle"))
    }

    /// Vehicles in the order of linking.
    pub async fn list_vehicles(
        &self,
        filter: VehicleFilter,
        limit: usize,
    ) -> Result<Vec<VehicleRow>, AppError> {
        Ok(self.store.list_vehicles(filter, limit).await?)
    }

    /// The subscriptions of a vehicle.
    pub async fn subscriptions_of_vehicle(&self, id: VehicleId) -> Result<Vec<SubscriptionRow>, AppError> {
        let no = self.vehicle(id, None).await?.no;
        Ok(self.store.subscriptions_of_vehicle(no).await?)
    }

    /// What is known of a vehicle: its document.
    pub async fn document(&self, id: VehicleId) -> Result<Document, AppError> {
        let row = self.vehicle(id, None).await?;
        let loaded =
            self.store.load(vec![row.no]).await?.pop().flatten().ok_or(AppError::NotFound("vehicle"))?;
        let key = self.sealer.key(loaded.user.0).await?;
        let plain = key.open(What::Document, loaded.info.id.0, &loaded.document)?;
        Document::decode(&plain).map_err(|error| AppError::Internal(error.to_string()))
    }

    /// Changes what an owner grants. What is queued of the vehicle is cancelled when something is taken away.
    pub async fn set_permissions(&self, id: VehicleId, granted: PermissionSet) -> Result<(), AppError> {
        let no = self.vehicle(id, None).await?.no;
        self.deliver_letter(no, Input::Permissions(granted)).await
    }

    /// Changes what an owner grants if it is still what the request was made on: the set itself is its version.
    pub async fn set_permissions_if(
        &self,
        id: VehicleId,
        precondition: &Precondition,
        granted: PermissionSet,
    ) -> Result<(), AppError> {
        let row = self.vehicle(id, None).await?;
        precondition.check("vehicle", row.permissions.bits().into())?;
        let input = match precondition {
            Precondition::None => Input::Permissions(granted),
            Precondition::OneOf(_) => Input::PermissionsIf { was: row.permissions, granted },
        };
        self.deliver_letter(row.no, input).await?;
        let now = self.vehicle(id, None).await?.permissions;
        match now == granted || *precondition == Precondition::None {
            true => Ok(()),
            false => Err(AppError::Stale { noun: "vehicle", current: now.bits().into() }),
        }
    }

    /// A page of connections, with where the next one begins; of one vehicle only, when one is named.
    pub async fn connections(
        &self,
        filter: VehicleFilter,
        vehicle: Option<VehicleId>,
        limit: usize,
    ) -> Result<(Vec<VehicleRow>, Option<VehicleNo>), AppError> {
        if let Some(id) = vehicle {
            let found = self.store.find_vehicle(id).await?.filter(|row| {
                filter.application.is_none_or(|no| no == row.application)
                    && filter.user.is_none_or(|user| user == row.user)
                    && filter.mode.is_none_or(|mode| mode == row.info.mode)
                    && filter.after.is_none()
            });
            return Ok((found.into_iter().collect(), None));
        }
        let mut rows = self.store.list_vehicles(filter, limit + 1).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| row.no);
        Ok((rows, next))
    }

    /// Ends the connections of an application to an owner's vehicles, to one vehicle, or to that vehicle if it is the
    /// owner's. Answers with those that have ended.
    pub async fn delete_connections(
        &self,
        application: ApplicationNo,
        user: Option<UserId>,
        vehicle: Option<VehicleId>,
    ) -> Result<Vec<(VehicleId, UserId)>, AppError> {
        let mut filter = VehicleFilter { application: Some(application), user, ..VehicleFilter::default() };
        let mut ended = Vec::new();
        loop {
            let (rows, next) = self.connections(filter.clone(), vehicle, ENDED_AT_ONCE).await?;
            for row in rows {
                match self.deliver_letter(row.no, Input::Disconnect).await {
                    Ok(()) => ended.push((row.info.id, row.user)),
                    // Somebody else was faster.
                    Err(AppError::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            match next {
                Some(last) => filter.after = Some(last),
                None => return Ok(ended),
            }
        }
    }

    /// A vehicle whose connection has ended and that has not been erased.
    pub async fn disconnected_vehicle(&self, id: VehicleId) -> Result<DisconnectedVehicle, AppError> {
        self.store.find_disconnected(id).await?.ok_or(AppError::NotFound("vehicle"))
    }

    /// The row number of a vehicle that is or was connected.
    pub(crate) async fn vehicle_number(&self, id: VehicleId) -> Result<VehicleNo, AppError> {
        match self.store.find_vehicle(id).await? {
            Some(row) => Ok(row.no),
            None => Ok(self.disconnected_vehicle(id).await?.no),
        }
    }

    /// Ends a connection: subscriptions are gone, and no delivery of the vehicle starts more than a second from now. A
    /// connection that has ended before stays ended.
    pub async fn disconnect(&self, id: VehicleId) -> Result<(), AppError> {
        self.end_connection(id).await.map(drop)
    }

    /// Disconnects a vehicle, unless that has happened before, and deletes what is kept of it.
    pub async fn erase_vehicle(&self, id: VehicleId) -> Result<(), AppError> {
        let no = self.end_connection(id).await?;
        self.store.erase_vehicle(no).await?;
        self.forget_erased_recordings().await?;
        self.note_ends().await
    }

    /// Sees to it that a vehicle is disconnected, and answers with its row number.
    async fn end_connection(&self, id: VehicleId) -> Result<VehicleNo, AppError> {
        if let Some(row) = self.store.find_vehicle(id).await? {
            match self.deliver_letter(row.no, Input::Disconnect).await {
                Ok(()) => return Ok(row.no),
                // Another request has ended the connection in the meantime.
                Err(AppError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.disconnected_vehicle(id).await?.no)
    }

    /// Disconnects and erases every vehicle of a user, also those that were disconnected before, forgets codes and tokens,
    /// and destroys the user's data key, which erases backups too.
    pub async fn erase_user(&self, user: UserId) -> Result<usize, AppError> {
        // A consent that is on its way would bring back what is erased here.
        let _no_consent = self.linking.lock().await;
        let known = self.store.forget_owner(user).await?;
        self.store.forget_grants(user).await?;
        let mut erased = 0;
        loop {
            let vehicles = self.store.vehicles_of_user(user, ERASED_AT_ONCE).await?;
            if vehicles.is_empty() {
                break;
            }
            for vehicle in vehicles {
                match self.deliver_letter(vehicle, Input::Disconnect).await {
                    // Its connection has ended before.
                    Ok(()) | Err(AppError::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
                self.store.erase_vehicle(vehicle).await?;
                erased += 1;
            }
        }
        if erased == 0 && !known {
            return Err(AppError::NotFound("user"));
        }
        self.sealer.erase(user.0, self.now()).await?;
        self.store.forget_in_ledger(user.0).await?;
        self.forget_erased_recordings().await?;
        Ok(erased)
    }
}

/// A vehicle as it will be listed, but for its number, which nobody is shown.
fn unnumbered(link: &NewLink) -> VehicleRow {
    VehicleRow {
        no: VehicleNo(0),
        info: link.info.clone(),
        application: link.application,
        user: link.user,
        connection: link.connection,
        permissions: link.permissions,
        source: link.source.clone(),
        connected_at: link.connected_at,
        due: None,
    }
}
