//! The ledger of what has ended, on its way to the keyring, and from there into a restored backup.
//!
//! The transaction that ends something writes an entry into the data. Before its caller is answered, [`App::note_ends`]
//! copies all entries that the keyring does not have yet: callers that wait at the same time share one commit. What a crash
//! leaves uncopied is copied at the next start.
//!
//! [`reapply`] brings what a backup holds up to what the ledger says. It runs on stores that no server has open.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    connect::PermissionSet,
    ids::{ApplicationId, UserId, VehicleId, VehicleNo, WebhookNo},
    time::Timestamp,
    vehicle::{self, Document, Input},
    webhook::Webhook,
};
use hashbrown::HashMap;
use store::{
    EndKind, Keyring, LedgerEntry, RecordingPart, StepCommit, StepResult, Store, StoreError, VehicleFilter,
    VehicleRow,
};
use uuid::Uuid;

use crate::{App, AppError, DataKey, SealError, Sealer, What, ports::Dice};

/// Entries copied at a time.
const BATCH: usize = 1_000;
/// Vehicles of an owner that are looked up at once while they are erased.
const ERASED_AT_ONCE: usize = 100;

/// How far the ledger was copied to the keyring since the start.
#[derive(Default)]
pub(crate) struct LedgerCopy(tokio::sync::Mutex<i64>);

impl App {
    /// Copies what has ended so far to the keyring. Durable when it returns: only then may an end be reported.
    pub(crate) async fn note_ends(&self) -> Result<(), AppError> {
        let mut copied = self.ledger_copy.0.lock().await;
        loop {
            let entries = self.store.ledger(*copied, BATCH).await?;
            let Some(last) = entries.last().map(|entry| entry.version) else { return Ok(()) };
            self.sealer.keyring().add_to_ledger(entries).await?;
            *copied = last;
        }
    }
}

/// What a restore has ended again, by what it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reapplied {
    /// Counts by the words of [`EndKind::as_str`], and `erasedOwners` and `deletedApplications`.
    pub counts: BTreeMap<&'static str, usize>,
}

impl Reapplied {
    fn add(&mut self, what: &'static str, count: usize) {
        if count > 0 {
            *self.counts.entry(what).or_default() += count;
        }
    }
}

/// Ends again what the ledger says has ended: the data's own, the keyring's, and the erasures.
pub async fn reapply(
    store: &dyn Store,
    keyring: &dyn Keyring,
    sealer: &Sealer,
    dice: &dyn Dice,
    now: Timestamp,
) -> Result<Reapplied, AppError> {
    let mut done = Reapplied::default();
    erase_again(store, keyring, now, &mut done).await?;
    merge(store, keyring).await?;
    let mut entries = all_entries(store).await?;
    entries.sort_by_key(|entry| EndKind::ALL.iter().position(|&kind| kind == entry.kind));
    let cars = Cars::load(store, sealer, dice, now).await?;
    for entry in entries {
        let kind = entry.kind;
        let changed = match kind {
            EndKind::Connection | EndKind::Permissions | EndKind::Subscription => cars.apply(&entry).await?,
            _ => store.apply_end(entry, now).await?,
        };
        done.add(kind.as_str(), usize::from(changed));
    }
    merge(store, keyring).await?;
    Ok(done)
}

/// Erases owners, applications and recordings whose keys are destroyed.
async fn erase_again(
    store: &dyn Store,
    keyring: &dyn Keyring,
    now: Timestamp,
    done: &mut Reapplied,
) -> Result<(), StoreError> {
    for (subject, _) in keyring.erased().await? {
        let purged = store.purge_application(ApplicationId(subject), now).await?;
        done.add("deletedApplications", usize::from(purged));
        let user = UserId(subject);
        // Without this, whoever was erased could never agree again: the owner would be found, and the key is gone.
        let mut was_there = store.forget_owner(user).await?;
        store.forget_grants(user).await?;
        loop {
            let vehicles = store.vehicles_of_user(user, ERASED_AT_ONCE).await?;
            if vehicles.is_empty() {
                break;
            }
            was_there = true;
            for vehicle in vehicles {
                store.erase_vehicle(vehicle).await?;
                done.add(EndKind::Vehicle.as_str(), 1);
            }
        }
        done.add("erasedOwners", usize::from(was_there));
        for part in [RecordingPart::Upload, RecordingPart::Trip] {
            while store.delete_recording_parts(subject, part).await? {}
        }
        store.forget_recording(subject).await?;
        store.forget_in_ledger(subject).await?;
    }
    Ok(())
}

/// Gives both ledgers the newest entries of either.
async fn merge(store: &dyn Store, keyring: &dyn Keyring) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let entries = keyring.ledger(after, BATCH).await?;
        let Some(last) = entries.last().map(|entry| entry.version) else { break };
        store.add_to_ledger(entries).await?;
        after = last;
    }
    keyring.add_to_ledger(all_entries(store).await?).await
}

async fn all_entries(store: &dyn Store) -> Result<Vec<LedgerEntry>, StoreError> {
    let mut all: Vec<LedgerEntry> = Vec::new();
    loop {
        let entries = store.ledger(all.last().map_or(0, |entry| entry.version), BATCH).await?;
        if entries.is_empty() {
            return Ok(all);
        }
        all.extend(entries);
    }
}

/// Steps vehicles for the ends that their documents hold.
struct Cars<'a> {
    store: &'a dyn Store,
    sealer: &'a Sealer,
    dice: &'a dyn Dice,
    now: Timestamp,
    webhooks: HashMap<WebhookNo, Webhook>,
    webhook_ids: HashMap<Uuid, WebhookNo>,
}

impl<'a> Cars<'a> {
    async fn load(
        store: &'a dyn Store,
        sealer: &'a Sealer,
        dice: &'a dyn Dice,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let webhooks: Vec<_> = store.webhooks().await?.into_iter().map(|stored| stored.webhook).collect();
        let webhook_ids = webhooks.iter().map(|webhook| (webhook.id.0, webhook.no)).collect();
        let webhooks = webhooks.into_iter().map(|webhook| (webhook.no, webhook)).collect();
        Ok(Self { store, sealer, dice, now, webhooks, webhook_ids })
    }

    async fn apply(&self, entry: &LedgerEntry) -> Result<bool, AppError> {
        let (webhook, vehicle) = match entry.kind {
            EndKind::Subscription => match entry.key.split_at_checked(16) {
                Some((webhook, vehicle)) => (Uuid::from_slice(webhook).ok(), vehicle),
                None => return Ok(false),
            },
            _ => (None, entry.key.as_slice()),
        };
        let Ok(vehicle) = Uuid::from_slice(vehicle) else { return Ok(false) };
        let Some(row) = self.store.find_vehicle(VehicleId(vehicle)).await? else { return Ok(false) };
        match self.input(entry, webhook, &row).await? {
            Some(input) => self.step(row.no, input).await,
            None => Ok(false),
        }
    }

    /// What has to be stepped, if the vehicle is not as the entry says.
    async fn input(
        &self,
        entry: &LedgerEntry,
        webhook: Option<Uuid>,
        row: &VehicleRow,
    ) -> Result<Option<Input>, StoreError> {
        Ok(match entry.kind {
            EndKind::Connection => (entry.value != row.connection.0.as_bytes()).then_some(Input::Disconnect),
            EndKind::Permissions => match <[u8; 4]>::try_from(entry.value.as_slice()) {
                Ok(bits) => {
                    let granted = PermissionSet::from_bits(u32::from_be_bytes(bits));
                    (granted != row.permissions).then_some(Input::Permissions(granted))
                }
                Err(_) => None,
            },
            _ if entry.value == [1] => None,
            _ => {
                let no = webhook.and_then(|id| self.webhook_ids.get(&id).copied());
                let on = self.store.subscriptions_of_vehicle(row.no).await?;
                no.filter(|&no| on.iter().any(|on| on.webhook == no))
                    .map(|webhook| Input::Unsubscribe { webhook })
            }
        })
    }

    async fn step(&self, no: VehicleNo, input: Input) -> Result<bool, AppError> {
        let Some(loaded) = self.store.load(vec![no]).await?.pop().flatten() else { return Ok(false) };
        let key = self.sealer.key(loaded.user.0).await?;
        let id = loaded.info.id.0;
        let plain = key.open(What::Document, id, &loaded.document)?;
        let mut document = Document::decode(&plain).map_err(|error| AppError::Internal(error.to_string()))?;
        let webhooks: Vec<&Webhook> =
            document.subscriptions.iter().filter_map(|on| self.webhooks.get(&on.webhook)).collect();
        let outcome = vehicle::step(&mut document, &loaded.info, &webhooks, input, self.now);
        if outcome.unchanged {
            return Ok(false);
        }
        // Nothing is owed for an end: the server that starts on this finds what is due by itself.
        let commit = StepCommit {
            vehicle: no,
            expected: loaded.version,
            document: key.seal(self.dice, What::Document, id, &document.encode()),
            due: outcome.next_due,
            observations: vec![],
            events: vec![],
            lapsed: vec![],
            rows: outcome.rows,
            now: self.now,
        };
        let result = self.store.commit_steps(vec![commit]).await?.pop();
        Ok(matches!(result, Some(StepResult::Committed { .. })))
    }
}

/// Whether a keyring opens what a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// Owners and applications whose data opens.
    pub opened: usize,
    /// Those whose keys were destroyed: an erasure that the restore applies.
    pub erased: usize,
    /// Those without a key in the keyring.
    pub missing: Vec<Uuid>,
    /// Those whose key opens something else.
    pub damaged: Vec<Uuid>,
}

/// Opens one sealed value of each owner and application that a store knows.
pub async fn fit(store: &dyn Store, keyring: &dyn Keyring, sealer: &Sealer) -> Result<Fit, AppError> {
    let erased: std::collections::BTreeSet<Uuid> =
        keyring.erased().await?.into_iter().map(|(subject, _)| subject).collect();
    let mut fit = Fit::default();
    for application in store.applications().await? {
        let sealed = application.management_token;
        let of = application.id.0;
        fit.prove(sealer, &erased, of, What::ManagementToken, of, &sealed).await?;
    }
    let mut filter = VehicleFilter::default();
    let mut proven: std::collections::BTreeSet<Uuid> = std::collections::BTreeSet::new();
    loop {
        let rows = store.list_vehicles(filter.clone(), BATCH).await?;
        let Some(last) = rows.last() else { break };
        filter.after = Some(last.no);
        let new: Vec<_> = rows.iter().filter(|row| proven.insert(row.user.0)).collect();
        let loaded = store.load(new.iter().map(|row| row.no).collect()).await?;
        for loaded in loaded.into_iter().flatten() {
            let (user, id) = (loaded.user.0, loaded.info.id.0);
            fit.prove(sealer, &erased, user, What::Document, id, &loaded.document).await?;
        }
    }
    Ok(fit)
}

impl Fit {
    async fn prove(
        &mut self,
        sealer: &Sealer,
        erased: &std::collections::BTreeSet<Uuid>,
        subject: Uuid,
        what: What,
        of: Uuid,
        sealed: &[u8],
    ) -> Result<(), AppError> {
        if erased.contains(&subject) {
            self.erased += 1;
            return Ok(());
        }
        let key: Option<Arc<DataKey>> = match sealer.keys(&[subject]).await {
            Ok(mut keys) => keys.pop().flatten(),
            Err(SealError::Damaged) => {
                self.damaged.push(subject);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        match key {
            None => self.missing.push(subject),
            Some(key) if key.open(what, of, sealed).is_ok() => self.opened += 1,
            Some(_) => self.damaged.push(subject),
        }
        Ok(())
    }
}
