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
};
use store::{Application, NewApplication, RetiringToken, Secret, Store};
use zeroize::Zeroizing;

use super::{chance, idempotency::Answering, token, token_hash};
use crate::{App, AppError, ApplicationEntry, What};

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

    /// Changes an application.
    pub async fn edit_application(
        &self,
        id: ApplicationId,
        edit: EditApplication,
    ) -> Result<Arc<ApplicationEntry>, AppError> {
        let _one_at_a_time = self.application_edit.lock().await;
        let current = self.application(id)?.application.clone();
        let name = checked_name(edit.name.as_deref().unwrap_or(&current.name))?;
        let redirect_uris = edit.redirect_uris.unwrap_or(current.redirect_uris);
        check_redirect_uris(&redirect_uris)?;
        let plan = edit.plan.unwrap_or(current.plan);
        let connect = Defaults {
            permissions: edit.permissions.unwrap_or(current.connect.permissions),
            country: edit.country.unwrap_or(current.connect.country),
        };
        let changed = self.store.update_application(current.no, name, redirect_uris, plan, connect).await?;
        self.note_ends().await?;
        Ok(self.registry.put_application(changed.ok_or(AppError::NotFound("application"))?).await?)
    }

    /// Deletes an application without connections and webhooks.
    pub async fn delete_application(&self, id: ApplicationId) -> Result<(), AppError> {
        let _one_at_a_time = self.application_edit.lock().await;
        let no = self.application(id)?.application.no;
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
        let _one_at_a_time = self.application_edit.lock().await;
        let (entry, now) = (self.application(id)?, self.now());
        let mut application = entry.application.clone();
        if !overlap.is_zero()
            && let Some(until) = entry.overlap_until(now)
        {
            return Err(AppError::Conflict(format!(
                "the management token before still counts until {until}; end that overlap first, \
                 or replace the token without one"
            )));
        }
        let token = self.new_management_token();
        let key = self.sealer.key(id.0).await?;
        let sealed = key.seal(&*self.dice, What::ManagementToken, id.0, token.as_bytes());
        let old = std::mem::replace(&mut application.management_token, sealed);
        application.retiring =
            (!overlap.is_zero()).then(|| RetiringToken { sealed: old, until: now + overlap });
        self.put_management_token(application, answering).await
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
        let _one_at_a_time = self.application_edit.lock().await;
        let entry = self.application(id)?;
        if entry.application.retiring.as_ref().is_none_or(|retiring| retiring.until > last) {
            return Ok(entry);
        }
        self.put_management_token(Application { retiring: None, ..entry.application.clone() }, None).await
    }

    /// Writes the management tokens of an application and tells memory.
    async fn put_management_token(
        &self,
        application: Application,
        answering: Option<&Answering<'_, ApplicationEntry>>,
    ) -> Result<Arc<ApplicationEntry>, AppError> {
        let (sealed, retiring) = (application.management_token.clone(), application.retiring.clone());
        let (no, opened) = (application.no, self.registry.open_application(application.clone()).await?);
        let set = move |store: Arc<dyn Store>| async move {
            store.set_management_token(no, sealed, retiring).await
        };
        self.keeping(answering, &opened, set).await?;
        let entry = self.registry.put_application(application).await?;
        self.note_ends().await?;
        // Lanes sign with what they know of their webhook.
        for webhook in self.registry.webhooks(Some(entry.application.no)) {
            self.lanes.refresh(webhook);
        }
        Ok(entry)
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
