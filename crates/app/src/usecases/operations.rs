//! What an operator does about the server itself: backup, check.

use std::path::{Path, PathBuf};

use domain::ids::WebhookNo;
use store::{Backup, Size, StoreError};

use super::receivers::{ReceiverState, reason};
use crate::{App, AppError, WebhookEntry};

/// Webhooks that a finding names one by one.
const NAMED: usize = 20;

/// A finding of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// All is well.
    pub good: bool,
    /// What was found.
    pub detail: String,
    /// What to do, where something is to be done.
    pub next_step: Option<&'static str>,
}

/// What to do about a finding that is not good.
fn next_step(subject: &str) -> Option<&'static str> {
    Some(match subject {
        "health" => "read the server's log; /readyz says when it is over, and a loop that has ended needs a restart",
        "database" => "stop the server and restore a backup: `milepost restore FILE`, see docs/backup.md",
        "keyring" => {
            "stop the server and restore the exported keyring: `milepost restore FILE --keyring FILE`, see docs/backup.md"
        }
        "space" => "free space on the disk, or let less be kept: retention in the configuration",
        "webhooks" => {
            "`milepost webhook verify ID` for one that is not verified, `milepost webhook enable ID` for one that is \
             switched off; `milepost webhook show ID` says more"
        }
        "plans" => "`milepost app edit ID --plan PLAN`, or configure the plan and restart",
        "receivers" => {
            "`milepost webhook show ID` has the last failure with a hint, `milepost delivery list --queued` what waits"
        }
        "recordings" => "replay the file again, and delete the car that fails: `milepost simulator delete ID`",
        _ => return None,
    })
}

impl App {
    /// Copies the data into a new file while work goes on. Data keys are not in it.
    pub async fn back_up(&self, to: PathBuf) -> Result<Backup, AppError> {
        check_new_file(&to)?;
        self.note_ends().await?;
        Ok(self.store.backup(to, self.now()).await?)
    }

    /// Copies the keyring into a new file: the wrapped data keys, what was erased and what has ended so far. The master key,
    /// which opens them, is not in it.
    pub async fn export_keyring(&self, to: PathBuf) -> Result<Backup, AppError> {
        check_new_file(&to)?;
        self.note_ends().await?;
        Ok(self.sealer.keyring().export(to, self.now()).await?)
    }

    /// Looks at everything that can be wrong.
    pub async fn diagnose(&self) -> Result<Vec<Finding>, AppError> {
        let mut findings = Vec::new();
        let mut add = |subject, good, detail| {
            let next_step = if good { None } else { next_step(subject) };
            findings.push(Finding { subject, good, detail, next_step });
        };
        let problems = self.health.problems();
        add(
            "health",
            problems.is_empty(),
            if problems.is_empty() { "all loops run".into() } else { problems.join("; ") },
        );
        let damage = found(self.store.check().await)?;
        add(
            "database",
            damage.is_empty(),
            if damage.is_empty() { "sound".into() } else { damage.join("; ") },
        );
        let damage = found(self.sealer.keyring().check().await)?;
        add("keyring", damage.is_empty(), if damage.is_empty() { "sound".into() } else { damage.join("; ") });
        let size = self.store.size().await?;
        add("space", size.free_on_disk >= self.settings.retention.min_free_bytes, describe(&size));
        let webhooks = self.registry.webhooks(None);
        let off: Vec<_> = webhooks.iter().filter(|entry| is_kept_from_data(entry)).collect();
        let mut detail = format!("{} in all, {} unverified or switched off", webhooks.len(), off.len());
        for entry in off.iter().take(NAMED) {
            detail += &format!("; {}", kept_from_data(entry));
        }
        if off.len() > NAMED {
            detail += &format!("; and {} more", off.len() - NAMED);
        }
        add("webhooks", off.is_empty(), detail);
        let applications = self.registry.applications();
        let unknown =
            applications.iter().filter(|entry| !self.settings.plans.is_known(&entry.application.plan));
        let unknown: Vec<_> = unknown
            .map(|entry| format!("{} has the plan {:?}", entry.application.id, entry.application.plan))
            .collect();
        let detail = match unknown.is_empty() {
            true => "all are configured".into(),
            false => format!(
                "{}, which is not configured: its webhooks are off until it is, or until another plan is chosen",
                unknown.join("; ")
            ),
        };
        add("plans", unknown.is_empty(), detail);
        let failing = self.failing_receivers().await?;
        add("receivers", failing.is_empty(), self.describe_failing(&failing));
        let recordings = self.health.recordings();
        let described = recordings.iter().map(|(name, problem)| format!("{name}: {problem}"));
        add(
            "recordings",
            recordings.is_empty(),
            if recordings.is_empty() {
                "none has failed since the start".into()
            } else {
                described.collect::<Vec<_>>().join("; ")
            },
        );
        let tombstones = self.lanes.tombstones().len();
        add("tombstones", true, format!("{tombstones} being worked off"));
        Ok(findings)
    }

    /// Each webhook whose receiver fails, with the reason and since when; the first few by name.
    fn describe_failing(&self, failing: &[(WebhookNo, ReceiverState)]) -> String {
        if failing.is_empty() {
            return "none fails".into();
        }
        let named = failing.iter().take(NAMED).filter_map(|(no, state)| {
            let entry = self.registry.webhook(*no)?;
            let since = state.failing_since?;
            let why = state.last_failure.map(|last| reason(last.result)).unwrap_or_default();
            let webhook = entry.webhook();
            Some(format!("{} ({}) fails since {since}: {why}", webhook.id, webhook.name))
        });
        let named: Vec<_> = named.collect();
        let more = failing.len().saturating_sub(NAMED);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        named.join("; ") + &more
    }

    /// How much space is used.
    pub async fn size(&self) -> Result<Size, AppError> {
        Ok(self.store.size().await?)
    }
}

/// A check that damage stops has found it.
fn found(checked: Result<Vec<String>, StoreError>) -> Result<Vec<String>, StoreError> {
    match checked {
        Err(StoreError::Damaged(what)) => Ok(vec![StoreError::Damaged(what).to_string()]),
        checked => checked,
    }
}

fn check_new_file(to: &Path) -> Result<(), AppError> {
    if !to.is_absolute() {
        return Err(AppError::invalid("path", "give an absolute path of a file that does not exist yet"));
    }
    if to.exists() {
        return Err(AppError::Conflict(format!("{} exists already; choose another name", to.display())));
    }
    let folder = to.parent().unwrap_or(to);
    if !folder.is_dir() {
        let message = format!("there is no folder {}; make it first, or choose another", folder.display());
        return Err(AppError::invalid("path", message));
    }
    Ok(())
}

/// Whether a webhook does not get all that it is due.
fn is_kept_from_data(entry: &WebhookEntry) -> bool {
    !entry.webhook().status.delivers() || entry.webhook().status.errors_withheld
}

/// Which webhook it is, since when it gets nothing, and why.
fn kept_from_data(entry: &WebhookEntry) -> String {
    let webhook = entry.webhook();
    let why = match (webhook.status.disabled, webhook.status.verified) {
        (Some(why), _) => {
            let since = entry.stored.switched_off.as_ref();
            let at = since.map(|since| format!(" since {}", since.at)).unwrap_or_default();
            let last = match since.map(|since| (since.status, since.failure.as_deref())) {
                Some((Some(status), _)) => format!(", last status {status}"),
                Some((None, Some(failure))) => format!(", last failure {failure}"),
                _ => String::new(),
            };
            format!("is switched off{at} ({}{last})", why.phrase())
        }
        (None, false) => "is not verified".into(),
        (None, true) => "has an unverified URI for errors".into(),
    };
    format!("{:?} ({}) {why}", webhook.name, webhook.id)
}

fn describe(size: &Size) -> String {
    let mib = |bytes: u64| bytes / (1 << 20);
    format!(
        "{} MiB used ({} MiB free inside, log {} MiB), {} MiB free on disk",
        mib(size.bytes),
        mib(size.free_inside),
        mib(size.wal_bytes),
        mib(size.free_on_disk)
    )
}
