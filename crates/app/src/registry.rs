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
use hashbrown::HashMap;
use parking_lot::RwLock;
use store::{Application, RetiringToken, Store, StoreError, StoredWebhook};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::{
    ports::{Outbound, Target},
    sealing::{SealError, Sealer, What},
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
    /// Its application.
    pub application: Arc<ApplicationEntry>,
}

impl WebhookEntry {
    /// What the step and the lanes see.
    pub fn webhook(&self) -> &Webhook {
        &self.stored.webhook
    }
}

#[derive(Default)]
struct Tables {
    applications: HashMap<ApplicationNo, Arc<ApplicationEntry>>,
    webhooks: HashMap<WebhookNo, Arc<WebhookEntry>>,
    webhook_ids: HashMap<WebhookId, WebhookNo>,
    application_ids: HashMap<ApplicationId, ApplicationNo>,
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
        Ok(registry)
    }

    /// Takes in an application as it is stored now; its webhooks follow.
    pub(crate) async fn put_application(
        &self,
        application: Application,
    ) -> Result<Arc<ApplicationEntry>, SealError> {
        let entry = Arc::new(self.open_application(application).await?);
        let (id, no) = (entry.application.id, entry.application.no);
        let tables = &mut *self.tables.write();
        tables.application_ids.insert(id, no);
        tables.applications.insert(no, entry.clone());
        for webhook in tables.webhooks.values_mut().filter(|webhook| webhook.webhook().application == no) {
            *webhook = Arc::new(WebhookEntry {
                stored: webhook.stored.clone(),
                target: webhook.target.clone(),
                error_target: webhook.error_target.clone(),
                application: entry.clone(),
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
            application,
        })
    }

    /// Takes in a webhook as it is stored now. `None` when its application is gone.
    pub(crate) fn put_webhook(&self, stored: StoredWebhook) -> Option<Arc<WebhookEntry>> {
        let application = self.application(stored.webhook.application)?;
        let (no, id) = (stored.webhook.no, stored.webhook.id);
        let entry = Arc::new(self.webhook_entry_of(stored, application));
        let tables = &mut *self.tables.write();
        tables.webhook_ids.insert(id, no);
        tables.webhooks.insert(no, entry.clone());
        Some(entry)
    }

    /// A webhook with its URIs parsed.
    pub(crate) fn webhook_entry_of(
        &self,
        stored: StoredWebhook,
        application: Arc<ApplicationEntry>,
    ) -> WebhookEntry {
        let revision = &stored.webhook.revision;
        let target = self.outbound.parse(&revision.callback_uri).ok().map(Arc::new);
        let error_target = match &revision.error_uri {
            Some(uri) => self.outbound.parse(uri).ok().map(Arc::new),
            None => target.clone(),
        };
        WebhookEntry { stored, target, error_target, application }
    }

    /// An automatic webhook has the vehicles of its application up to this one.
    pub(crate) fn advance_auto(&self, no: WebhookNo, after: VehicleNo) {
        if let Some(entry) = self.tables.write().webhooks.get_mut(&no) {
            *entry = Arc::new(WebhookEntry {
                stored: StoredWebhook { auto_after: after, ..entry.stored.clone() },
                target: entry.target.clone(),
                error_target: entry.error_target.clone(),
                application: entry.application.clone(),
            });
        }
    }

    /// Forgets a webhook.
    pub(crate) fn remove_webhook(&self, no: WebhookNo) {
        let tables = &mut *self.tables.write();
        if let Some(entry) = tables.webhooks.remove(&no) {
            tables.webhook_ids.remove(&entry.webhook().id);
        }
    }

    /// Forgets an application.
    pub(crate) fn remove_application(&self, no: ApplicationNo) {
        let tables = &mut *self.tables.write();
        if let Some(entry) = tables.applications.remove(&no) {
            tables.application_ids.remove(&entry.application.id);
        }
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
