//! Applications and webhooks in memory: few, read often, changed rarely. The store is the truth; a change is written
//! there first.

use std::sync::Arc;

use domain::{
    ids::{ApplicationId, ApplicationNo, VehicleNo, WebhookId, WebhookNo},
    payload::Links,
    signature::Signer,
    time::Timestamp,
    webhook::{Revision, Webhook},
};
use hashbrown::{HashMap, HashSet};
use parking_lot::RwLock;
use store::{Application, RetiringToken, Store, StoreError, StoredWebhook};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::{
    DataKey,
    ports::{Header, Outbound, Target},
    sealing::{SealError, Sealer, What},
    usecases::open_headers,
};

/// An application with its management token opened.
pub struct ApplicationEntry {
    /// What is stored of it.
    pub application: Application,
    /// The management token, which management calls present. It signs, too, unless the one before it still counts.
    pub management_token: Zeroizing<String>,
    signer: Signer,
    retiring: Option<Retiring>,
    /// Where links in payloads lead.
    pub links: Links,
    /// Seals what its webhooks keep secret.
    pub(crate) key: Arc<DataKey>,
}

/// The management token before, opened.
struct Retiring {
    token: Zeroizing<String>,
    signer: Signer,
    until: Timestamp,
}

impl ApplicationEntry {
    /// How long the management token before still counts, if it does.
    pub fn overlap_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.retiring(now).map(|retiring| retiring.until)
    }

    /// Signs what is sent at this moment. While two management tokens count, it is the older one: receivers learn the
    /// newer one in this time.
    pub fn signer(&self, now: Timestamp) -> &Signer {
        self.retiring(now).map_or(&self.signer, |retiring| &retiring.signer)
    }

    /// The management token that signs at this moment.
    pub fn signing_token(&self, now: Timestamp) -> &str {
        self.retiring(now).map_or(&self.management_token, |retiring| &retiring.token)
    }

    /// Whether management calls may present this token at this moment.
    pub(crate) fn is_opened_by(&self, token: &str, now: Timestamp) -> Choice {
        let is = |known: &str| known.as_bytes().ct_eq(token.as_bytes());
        is(&self.management_token) | self.retiring(now).map_or(Choice::from(0), |old| is(&old.token))
    }

    fn retiring(&self, now: Timestamp) -> Option<&Retiring> {
        self.retiring.as_ref().filter(|retiring| retiring.until > now)
    }
}

/// A webhook with its callback URI parsed.
pub struct WebhookEntry {
    /// What is stored of it.
    pub stored: StoredWebhook,
    /// Where it sends; `None` when policy does not allow the URI any more.
    pub target: Option<Arc<Target>>,
    /// Where it sends errors of vehicles: where it sends data, unless it has a URI of its own for them.
    pub error_target: Option<Arc<Target>>,
    /// The operator's own headers, of requests to the callback URI.
    pub headers: Arc<[Header]>,
    /// Those of requests to the error URI.
    pub error_headers: Arc<[Header]>,
    /// Its application.
    pub application: Arc<ApplicationEntry>,
    /// Rises with each state that memory has had of any webhook: of two, the later one counts.
    pub(crate) order: u64,
}

impl WebhookEntry {
    /// The URI for errors, where it has to answer a challenge of its own: it is on another origin than the callback URI.
    pub(crate) fn challenged_error_uri(&self) -> Option<&str> {
        challenged_error_uri(&self.webhook().revision, self.target.as_deref(), self.error_target.as_deref())
    }

    /// What the step and the lanes see.
    pub fn webhook(&self) -> &Webhook {
        &self.stored.webhook
    }

    /// Where requests of a kind go, and the operator's own headers that they have; `None` when policy does not allow the
    /// URI any more.
    pub(crate) fn destination(&self, is_error: bool) -> Option<(Arc<Target>, Arc<[Header]>)> {
        let (target, headers) = match is_error {
            true => (&self.error_target, &self.error_headers),
            false => (&self.target, &self.headers),
        };
        target.clone().map(|target| (target, headers.clone()))
    }
}

/// The headers of requests to the callback URI and to the error URI: a secret goes to the origin that it was set for, and to
/// another one only if the operator says so.
fn headers_of(
    key: &DataKey,
    webhook: &Webhook,
    target: Option<&Target>,
    error_target: Option<&Target>,
) -> (Arc<[Header]>, Arc<[Header]>) {
    let none: Arc<[Header]> = Arc::from([]);
    let Some(sealed) = &webhook.revision.headers else { return (none.clone(), none) };
    let headers: Arc<[Header]> = match open_headers(key, webhook.id, sealed) {
        Ok(headers) => headers.into(),
        Err(error) => {
            tracing::error!(%error, webhook.id = %webhook.id, "the headers of a webhook cannot be read: set them anew");
            none.clone()
        }
    };
    let is_one_origin = target.zip(error_target).is_some_and(|(data, error)| data.has_same_origin_as(error));
    let error_headers = if is_one_origin || sealed.to_error_uri { headers.clone() } else { none };
    (headers, error_headers)
}

fn challenged_error_uri<'r>(
    revision: &'r Revision,
    target: Option<&Target>,
    error_target: Option<&Target>,
) -> Option<&'r str> {
    let origin = |target: &Target| (target.tls, target.host.clone(), target.port);
    let same = target.map(origin).is_some_and(|of| error_target.map(origin) == Some(of));
    revision.error_uri.as_deref().filter(|_| !same && !revision.error_uri_unchecked)
}

#[derive(Default)]
struct Tables {
    applications: HashMap<ApplicationNo, Arc<ApplicationEntry>>,
    webhooks: HashMap<WebhookNo, Arc<WebhookEntry>>,
    webhook_ids: HashMap<WebhookId, WebhookNo>,
    application_ids: HashMap<ApplicationId, ApplicationNo>,
    deleted_applications: HashSet<ApplicationNo>,
    deleted: HashMap<WebhookNo, WebhookId>,
    deleted_ids: HashMap<WebhookId, WebhookNo>,
    order: u64,
}

impl Tables {
    fn next(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    fn note_deleted(&mut self, no: WebhookNo, id: WebhookId) {
        self.deleted.insert(no, id);
        self.deleted_ids.insert(id, no);
    }
}

/// Applications and webhooks in memory.
pub(crate) struct Registry {
    tables: RwLock<Tables>,
    store: Arc<dyn Store>,
    sealer: Arc<Sealer>,
    outbound: Arc<dyn Outbound>,
    origin: String,
}

impl Registry {
    /// Reads everything from the store.
    pub(crate) async fn load(
        store: Arc<dyn Store>,
        sealer: Arc<Sealer>,
        outbound: Arc<dyn Outbound>,
        origin: String,
    ) -> Result<Self, SealError> {
        let registry = Self { tables: RwLock::default(), store, sealer, outbound, origin };
        for application in registry.store.applications().await? {
            registry.put_application(application).await?;
        }
        for webhook in registry.store.webhooks().await? {
            registry.put_webhook(webhook);
        }
        for (no, id) in registry.store.deleted_webhooks().await? {
            registry.tables.write().note_deleted(no, id);
        }
        Ok(registry)
    }

    /// Takes in an application as it is stored now, unless memory has a newer state; its webhooks follow. Answers with the
    /// newest state.
    pub(crate) async fn put_application(
        &self,
        application: Application,
    ) -> Result<Arc<ApplicationEntry>, SealError> {
        let entry = Arc::new(self.open_application(application).await?);
        let (id, no) = (entry.application.id, entry.application.no);
        let tables = &mut *self.tables.write();
        if let Some(known) = tables.applications.get(&no)
            && known.application.version > entry.application.version
        {
            return Ok(known.clone());
        }
        if tables.deleted_applications.contains(&no) {
            return Ok(entry);
        }
        tables.application_ids.insert(id, no);
        tables.applications.insert(no, entry.clone());
        let Tables { webhooks, order, .. } = tables;
        for webhook in webhooks.values_mut().filter(|webhook| webhook.webhook().application == no) {
            *order += 1;
            *webhook = Arc::new(WebhookEntry {
                stored: webhook.stored.clone(),
                target: webhook.target.clone(),
                error_target: webhook.error_target.clone(),
                headers: webhook.headers.clone(),
                error_headers: webhook.error_headers.clone(),
                application: entry.clone(),
                order: *order,
            });
        }
        Ok(entry)
    }

    /// Opens the management tokens of an application.
    pub(crate) async fn open_application(
        &self,
        application: Application,
    ) -> Result<ApplicationEntry, SealError> {
        let id = application.id;
        let key = self.sealer.key(id.0).await?;
        let open = |sealed: &[u8]| {
            let token = key.open(What::ManagementToken, id.0, sealed)?;
            String::from_utf8(token).map(Zeroizing::new).map_err(|_| SealError::Damaged)
        };
        let token = open(&application.management_token)?;
        let retiring = match &application.retiring {
            None => None,
            Some(RetiringToken { sealed, until }) => {
                let token = open(sealed)?;
                Some(Retiring { signer: Signer::new(&token), token, until: *until })
            }
        };
        Ok(ApplicationEntry {
            signer: Signer::new(&token),
            management_token: token,
            retiring,
            links: Links { origin: self.origin.clone(), client_id: id.to_string() },
            key,
            application,
        })
    }

    /// Takes in a webhook as it is stored now, unless memory has a newer state; answers with the newest. `None` when it was
    /// deleted, or its application is gone.
    pub(crate) fn put_webhook(&self, mut stored: StoredWebhook) -> Option<Arc<WebhookEntry>> {
        let tables = &mut *self.tables.write();
        let application = tables.applications.get(&stored.webhook.application)?.clone();
        let (no, id) = (stored.webhook.no, stored.webhook.id);
        if tables.deleted.contains_key(&no) {
            return None;
        }
        if let Some(known) = tables.webhooks.get(&no) {
            if known.stored.changes > stored.changes {
                return Some(known.clone());
            }
            // Noted beside its changes, and never goes back.
            stored.auto_after = stored.auto_after.max(known.stored.auto_after);
        }
        let entry = Arc::new(self.webhook_entry_of(stored, application, tables.next()));
        tables.webhook_ids.insert(id, no);
        tables.webhooks.insert(no, entry.clone());
        Some(entry)
    }

    /// A webhook with its URIs parsed and its headers opened.
    pub(crate) fn webhook_entry_of(
        &self,
        mut stored: StoredWebhook,
        application: Arc<ApplicationEntry>,
        order: u64,
    ) -> WebhookEntry {
        let revision = &stored.webhook.revision;
        let target = self.outbound.parse(&revision.callback_uri).ok().map(Arc::new);
        let error_target = match &revision.error_uri {
            Some(uri) => self.outbound.parse(uri).ok().map(Arc::new),
            None => target.clone(),
        };
        stored.webhook.status.errors_withheld =
            challenged_error_uri(revision, target.as_deref(), error_target.as_deref())
                .is_some_and(|uri| stored.verified_error_uri.as_deref() != Some(uri));
        let (headers, error_headers) =
            headers_of(&application.key, &stored.webhook, target.as_deref(), error_target.as_deref());
        WebhookEntry { stored, target, error_target, headers, error_headers, application, order }
    }

    /// An automatic webhook has the vehicles of its application up to this one.
    pub(crate) fn advance_auto(&self, no: WebhookNo, after: VehicleNo) {
        let tables = &mut *self.tables.write();
        let order = tables.next();
        if let Some(entry) = tables.webhooks.get_mut(&no) {
            *entry = Arc::new(WebhookEntry {
                order,
                stored: StoredWebhook { auto_after: after, ..entry.stored.clone() },
                target: entry.target.clone(),
                error_target: entry.error_target.clone(),
                headers: entry.headers.clone(),
                error_headers: entry.error_headers.clone(),
                application: entry.application.clone(),
            });
        }
    }

    /// Forgets a webhook.
    pub(crate) fn remove_webhook(&self, no: WebhookNo) {
        let tables = &mut *self.tables.write();
        if let Some(entry) = tables.webhooks.remove(&no) {
            tables.webhook_ids.remove(&entry.webhook().id);
            tables.note_deleted(no, entry.webhook().id);
        }
    }

    /// Forgets an application.
    pub(crate) fn remove_application(&self, no: ApplicationNo) {
        let tables = &mut *self.tables.write();
        tables.deleted_applications.insert(no);
        if let Some(entry) = tables.applications.remove(&no) {
            tables.application_ids.remove(&entry.application.id);
        }
    }

    /// The number of a webhook by id, deleted or not.
    pub(crate) fn webhook_number(&self, id: WebhookId) -> Option<WebhookNo> {
        let tables = self.tables.read();
        tables.webhook_ids.get(&id).or_else(|| tables.deleted_ids.get(&id)).copied()
    }

    /// The id of a webhook by number, deleted or not.
    pub(crate) fn webhook_id(&self, no: WebhookNo) -> Option<WebhookId> {
        let tables = self.tables.read();
        let present = tables.webhooks.get(&no).map(|entry| entry.webhook().id);
        present.or_else(|| tables.deleted.get(&no).copied())
    }

    /// A webhook by number.
    pub(crate) fn webhook(&self, no: WebhookNo) -> Option<Arc<WebhookEntry>> {
        self.tables.read().webhooks.get(&no).cloned()
    }

    /// A webhook by id.
    pub(crate) fn webhook_by_id(&self, id: WebhookId) -> Option<Arc<WebhookEntry>> {
        let tables = self.tables.read();
        tables.webhooks.get(tables.webhook_ids.get(&id)?).cloned()
    }

    /// The webhooks with these numbers that there are.
    pub(crate) fn webhooks_of(&self, numbers: impl Iterator<Item = WebhookNo>) -> Vec<Arc<WebhookEntry>> {
        let tables = self.tables.read();
        numbers.filter_map(|no| tables.webhooks.get(&no).cloned()).collect()
    }

    /// The webhooks of an application (of all for `None`), oldest first.
    pub(crate) fn webhooks(&self, application: Option<ApplicationNo>) -> Vec<Arc<WebhookEntry>> {
        let mut all: Vec<_> = (self.tables.read().webhooks.values())
            .filter(|entry| application.is_none_or(|no| entry.webhook().application == no))
            .cloned()
            .collect();
        all.sort_by_key(|entry| entry.webhook().no);
        all
    }

    /// An application by number.
    pub(crate) fn application(&self, no: ApplicationNo) -> Option<Arc<ApplicationEntry>> {
        self.tables.read().applications.get(&no).cloned()
    }

    /// An application by id.
    pub(crate) fn application_by_id(&self, id: ApplicationId) -> Option<Arc<ApplicationEntry>> {
        let tables = self.tables.read();
        tables.applications.get(tables.application_ids.get(&id)?).cloned()
    }

    /// Every application, oldest first.
    pub(crate) fn applications(&self) -> Vec<Arc<ApplicationEntry>> {
        let mut all: Vec<_> = self.tables.read().applications.values().cloned().collect();
        all.sort_by_key(|entry| entry.application.no);
        all
    }

    /// The revision that an event was made under.
    pub(crate) async fn revision(
        &self,
        entry: &WebhookEntry,
        number: u32,
    ) -> Result<Option<Revision>, StoreError> {
        let current = &entry.webhook().revision;
        if current.number == number {
            return Ok(Some(current.clone()));
        }
        self.store.revision(entry.webhook().no, number).await
    }
}
