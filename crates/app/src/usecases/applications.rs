//! Applications, their client secrets and their management token.

use std::{sync::Arc, time::Duration};

use domain::{
    connect::{
        country::Country,
        defaults::{Defaults, Wanted},
        redirect::may_be_registered,
    },
    ids::{ApplicationId, ApplicationNo, WebhookId},
    time::Timestamp,
    warning::Warning,
    webhook::Disabled,
};
use store::{Application, Edited, NewApplication, RetiringToken, Secret, Store, StoreError};
use zeroize::Zeroizing;

use super::{chance, idempotency::Answering, token, token_hash};
use crate::{App, AppError, ApplicationEntry, Precondition, WebhookEntry, What};

/// Client secrets of one application.
const MOST_SECRETS: usize = 3;
/// How long two management tokens of an application may count at once.
const LONGEST_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3_600);
const MOST_REDIRECT_URIS: usize = 20;

/// A new application with the secrets that are shown this once.
pub struct CreatedApplication {
    /// The application.
    pub entry: Arc<ApplicationEntry>,
    /// Its client secret.
    pub client_secret: Zeroizing<String>,
}

/// What may be changed about an application.
#[derive(Clone, Debug, Default)]
pub struct EditApplication {
    /// Another name.
    pub name: Option<String>,
    /// Other redirect URIs.
    pub redirect_uris: Option<Vec<String>>,
    /// Another plan.
    pub plan: Option<String>,
    /// What to ask for in Connect where a request has no scope; `None` within leaves it open again.
    pub permissions: Option<Option<Wanted>>,
    /// Where owners are, where a request does not say it; `None` within leaves it open again.
    pub country: Option<Option<Country>>,
}

/// What an edit makes of an application.
enum ApplicationChange {
    Settings { name: String, redirect_uris: Vec<String>, plan: String, connect: Defaults },
    Token { sealed: Vec<u8>, retiring: Option<RetiringToken> },
}

impl App {
    /// Makes an application with a client secret and a management token.
    pub async fn create_application(
        &self,
        name: &str,
        redirect_uris: Vec<String>,
        plan: &str,
        connect: Defaults,
        answering: Option<&Answering<'_, CreatedApplication>>,
    ) -> Result<CreatedApplication, AppError> {
        let name = checked_name(name)?;
        check_redirect_uris(&redirect_uris)?;
        self.settings.plans.check(plan)?;
        let now = self.now();
        let id = ApplicationId::new(now, chance(&*self.dice));
        let key = self.sealer.make_keys(&[id.0]).await?.remove(0);
        let management_token = self.new_management_token();
        let client_secret = Zeroizing::new(token(&*self.dice, "mps_"));
        let new = NewApplication {
            id,
            name,
            redirect_uris,
            plan: plan.to_owned(),
            connect,
            management_token: key.seal(&*self.dice, What::ManagementToken, id.0, management_token.as_bytes()),
            secret: secret(&client_secret, now),
            created_at: now,
        };
        // Everything is known but its number, which nobody is shown.
        let unnumbered = Application {
            no: ApplicationNo(0),
            id,
            name: new.name.clone(),
            redirect_uris: new.redirect_uris.clone(),
            plan: new.plan.clone(),
            connect,
            management_token: new.management_token.clone(),
            retiring: None,
            created_at: now,
            version: 1,
        };
        let entry = Arc::new(self.registry.open_application(unnumbered).await?);
        let mut created = CreatedApplication { entry, client_secret };
        let make = move |store: Arc<dyn Store>| async move { store.create_application(new).await };
        let application = self.keeping(answering, &created, make).await?;
        created.entry = self.registry.put_application(application).await?;
        Ok(created)
    }

    /// Every application, oldest first.
    pub fn applications(&self) -> Vec<Arc<ApplicationEntry>> {
        self.registry.applications()
    }

    /// One application.
    pub fn application(&self, id: ApplicationId) -> Result<Arc<ApplicationEntry>, AppError> {
        self.registry.application_by_id(id).ok_or(AppError::NotFound("application"))
    }

    /// The application with a row number, as long as it is there.
    pub fn application_of_no(&self, no: ApplicationNo) -> Result<Arc<ApplicationEntry>, AppError> {
        self.registry.application(no).ok_or(AppError::NotFound("application"))
    }

    /// The application whose management token this is. Looks at all of them, so that time tells nothing.
    pub fn application_of_management_token(&self, token: &str) -> Option<Arc<ApplicationEntry>> {
        let now = self.now();
        self.registry.applications().into_iter().fold(None, |found, entry| {
            if entry.is_opened_by(token, now).into() { Some(entry) } else { found }
        })
    }

    /// Changes an application. Another plan counts at once, also for its webhooks.
    pub async fn edit_application(
        &self,
        id: ApplicationId,
        precondition: &Precondition,
        edit: EditApplication,
    ) -> Result<Arc<ApplicationEntry>, AppError> {
        let decide = |entry: &ApplicationEntry| self.decide_edit(&entry.application, &edit);
        let edited = self.edit_stored(id, precondition, None, decide).await?;
        self.apply_plan(edited.application.no).await?;
        Ok(edited)
    }

    /// What an edit makes of an application as it is; nothing when it changes nothing.
    fn decide_edit(
        &self,
        current: &Application,
        edit: &EditApplication,
    ) -> Result<Option<ApplicationChange>, AppError> {
        let edit = edit.clone();
        let name = checked_name(edit.name.as_deref().unwrap_or(&current.name))?;
        let redirect_uris = edit.redirect_uris.unwrap_or_else(|| current.redirect_uris.clone());
        check_redirect_uris(&redirect_uris)?;
        let plan = edit.plan.unwrap_or_else(|| current.plan.clone());
        if plan != current.plan {
            self.settings.plans.check(&plan)?;
        }
        let connect = Defaults {
            permissions: edit.permissions.unwrap_or(current.connect.permissions),
            country: edit.country.unwrap_or(current.connect.country),
        };
        let unchanged = (&name, &redirect_uris, &plan, &connect)
            == (&current.name, &current.redirect_uris, &current.plan, &current.connect);
        Ok((!unchanged).then_some(ApplicationChange::Settings { name, redirect_uris, plan, connect }))
    }

    /// Changes an application as it is decided on what it is now, again if somebody else was faster.
    async fn edit_stored(
        &self,
        id: ApplicationId,
        precondition: &Precondition,
        answering: Option<&Answering<'_, ApplicationEntry>>,
        decide: impl Fn(&ApplicationEntry) -> Result<Option<ApplicationChange>, AppError> + Send + Sync,
    ) -> Result<Arc<ApplicationEntry>, AppError> {
        for _ in 0..Precondition::TRIES {
            let current = self.application(id)?;
            let (no, version) = (current.application.no, current.application.version);
            precondition.check("application", version)?;
            let edited = match decide(&current)? {
                None => return Ok(current),
                Some(ApplicationChange::Settings { name, redirect_uris, plan, connect }) => {
                    self.store.update_application(no, version, name, redirect_uris, plan, connect).await?
                }
                Some(ApplicationChange::Token { sealed, retiring }) => {
                    let next = Application {
                        management_token: sealed.clone(),
                        retiring: retiring.clone(),
                        version: version + 1,
                        ..current.application.clone()
                    };
                    let next = self.registry.open_application(next).await?;
                    let set = move |store: Arc<dyn Store>| async move {
                        store.set_management_token(no, version, sealed, retiring).await
                    };
                    self.keeping(answering, &next, set).await?
                }
            };
            match edited {
                Edited::Done(now) => {
                    let entry = self.registry.put_application(now).await?;
                    // Lanes sign with what they know of their webhook.
                    for webhook in self.registry.webhooks(Some(no)) {
                        self.lanes.refresh(webhook);
                    }
                    self.note_ends().await?;
                    return Ok(entry);
                }
                Edited::Stale(now) => drop(self.registry.put_application(now).await?),
                Edited::Gone => return Err(AppError::NotFound("application")),
            }
        }
        Err(AppError::Unavailable(StoreError::Busy))
    }

    /// What to know about an application under its plan.
    pub async fn plan_warnings(&self, entry: &ApplicationEntry) -> Result<Vec<Warning>, AppError> {
        let (no, plan) = (entry.application.no, &entry.application.plan);
        let mut warnings = Vec::new();
        let off =
            |webhook: &&Arc<WebhookEntry>| webhook.webhook().status.disabled == Some(Disabled::PlanChanged);
        let webhooks = self.registry.webhooks(Some(no)).iter().filter(off).count();
        if webhooks > 0 {
            warnings.push(Warning::WebhooksSwitchedOff { webhooks });
        }
        if let Some(most) = self.settings.plans.vehicles(plan) {
            let connected = self.store.count_vehicles(Some(no)).await?;
            if connected > most {
                warnings.push(Warning::TooManyVehicles { connected, most });
            }
        }
        Ok(warnings)
    }

    /// Deletes an application without connections and webhooks.
    pub async fn delete_application(
        &self,
        id: ApplicationId,
        precondition: &Precondition,
    ) -> Result<(), AppError> {
        let entry = self.application(id)?;
        precondition.check("application", entry.application.version)?;
        let no = entry.application.no;
        if !self.store.delete_application(no).await? {
            let message =
                "the application still has connections or webhooks; disconnect and delete them first";
            return Err(AppError::Conflict(message.into()));
        }
        self.registry.remove_application(no);
        self.sealer.erase(id.0, self.now()).await?;
        Ok(())
    }

    /// Replaces the management token. For the time of the overlap, management calls may present either, and the old one
    /// signs: receivers are given the new one meanwhile. From then on, or at once without an overlap, the old one does
    /// nothing.
    pub async fn rotate_management_token(
        &self,
        id: ApplicationId,
        overlap: Duration,
        answering: Option<&Answering<'_, ApplicationEntry>>,
    ) -> Result<Arc<ApplicationEntry>, AppError> {
        if overlap > LONGEST_OVERLAP {
            let seconds = LONGEST_OVERLAP.as_secs();
            return Err(AppError::invalid("overlapSeconds", format!("at most {seconds} seconds (30 days)")));
        }
        // An application that is unknown has no key, either.
        self.application(id)?;
        let token = self.new_management_token();
        let key = self.sealer.key(id.0).await?;
        let decide = |entry: &ApplicationEntry| {
            let now = self.now();
            if !overlap.is_zero()
                && let Some(until) = entry.overlap_until(now)
            {
                return Err(AppError::Conflict(format!(
                    "the management token before still counts until {until}; end that overlap first, \
                     or replace the token without one"
                )));
            }
            let old = entry.application.management_token.clone();
            Ok(Some(ApplicationChange::Token {
                sealed: key.seal(&*self.dice, What::ManagementToken, id.0, token.as_bytes()),
                retiring: (!overlap.is_zero()).then(|| RetiringToken { sealed: old, until: now + overlap }),
            }))
        };
        self.edit_stored(id, &Precondition::None, answering, decide).await
    }

    /// Ends the overlap after a rotation: only the new management token counts. Without one, nothing happens.
    pub async fn end_overlap(&self, id: ApplicationId) -> Result<Arc<ApplicationEntry>, AppError> {
        self.end_overlap_until(id, Timestamp::NEVER).await
    }

    /// Forgets management tokens whose overlap is over.
    pub(crate) async fn end_overlaps(&self) -> Result<(), AppError> {
        let now = self.now();
        let over = |entry: &ApplicationEntry| {
            entry.application.retiring.as_ref().is_some_and(|retiring| retiring.until <= now)
        };
        for entry in self.registry.applications().into_iter().filter(|entry| over(entry)) {
            match self.end_overlap_until(entry.application.id, now).await {
                Ok(_) | Err(AppError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends an overlap that lasts until this moment at most.
    async fn end_overlap_until(
        &self,
        id: ApplicationId,
        last: Timestamp,
    ) -> Result<Arc<ApplicationEntry>, AppError> {
        let decide = |entry: &ApplicationEntry| {
            let application = &entry.application;
            let over = application.retiring.as_ref().is_some_and(|retiring| retiring.until <= last);
            let sealed = application.management_token.clone();
            Ok(over.then_some(ApplicationChange::Token { sealed, retiring: None }))
        };
        self.edit_stored(id, &Precondition::None, None, decide).await
    }

    /// The client secrets of an application, by their last characters.
    pub async fn secrets(&self, id: ApplicationId) -> Result<Vec<Secret>, AppError> {
        Ok(self.store.secrets(self.application(id)?.application.no).await?)
    }

    /// Adds a client secret, shown this once.
    pub async fn add_secret(
        &self,
        id: ApplicationId,
        answering: Option<&Answering<'_, (Secret, Zeroizing<String>)>>,
    ) -> Result<(Secret, Zeroizing<String>), AppError> {
        let no = self.application(id)?.application.no;
        let text = Zeroizing::new(token(&*self.dice, "mps_"));
        let secret = secret(&text, self.now());
        let added = (secret.clone(), text);
        let add =
            move |store: Arc<dyn Store>| async move { store.add_secret(no, secret, MOST_SECRETS).await };
        if !self.keeping(answering, &added, add).await? {
            let message = format!("an application has at most {MOST_SECRETS} secrets; remove one first");
            return Err(AppError::Conflict(message));
        }
        Ok(added)
    }

    /// Removes the client secret with these last characters.
    pub async fn remove_secret(&self, id: ApplicationId, hint: &str) -> Result<(), AppError> {
        let no = self.application(id)?.application.no;
        match self.store.remove_secret(no, hint.to_owned()).await? {
            true => self.note_ends().await,
            false => {
                Err(AppError::Conflict("no such secret, or it is the last one; add another first".into()))
            }
        }
    }

    fn new_management_token(&self) -> Zeroizing<String> {
        Zeroizing::new(
            WebhookId::new(self.now(), chance(&*self.dice)).to_string().replace('-', "")
                + &token(&*self.dice, ""),
        )
    }
}

fn secret(text: &str, created_at: Timestamp) -> Secret {
    Secret { hash: token_hash(text), hint: text[text.len() - 6..].to_owned(), created_at }
}

/// A name that an operator gives: 1 to 100 characters, none of them a control character.
pub(crate) fn checked_name(name: &str) -> Result<String, AppError> {
    let name = name.trim();
    match name.chars().count() {
        1..=100 if !name.chars().any(char::is_control) => Ok(name.to_owned()),
        _ => Err(AppError::invalid("name", "a name has 1 to 100 printable characters")),
    }
}

fn check_redirect_uris(uris: &[String]) -> Result<(), AppError> {
    if uris.len() > MOST_REDIRECT_URIS {
        return Err(AppError::invalid("redirectUris", format!("at most {MOST_REDIRECT_URIS} redirect URIs")));
    }
    match uris.iter().find(|uri| !may_be_registered(uri)) {
        None => Ok(()),
        Some(uri) => Err(AppError::invalid(
            "redirectUris",
            format!(
                "{uri:?} is not allowed; use https://…, http://localhost[:port]/… or sc<clientId>://…, without a user, a fragment, \
                 and parameters that results have, such as code and state"
            ),
        )),
    }
}
