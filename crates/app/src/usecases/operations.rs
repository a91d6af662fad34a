//! What an operator does about the server itself: backup, check.

use std::path::PathBuf;

use domain::ids::WebhookNo;
use store::{Backup, Size};

use super::receivers::{ReceiverState, reason};
use crate::{App, AppError};

/// Failing webhooks that a check names; the others are counted.
const FAILING_NAMED: usize = 20;

/// A finding of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// All is well.
    pub good: bool,
    /// What was found.
    pub detail: String,
}

impl App {
    /// Copies the data into a new file while work goes on. Data keys are not in it.
    pub async fn back_up(&self, to: PathBuf) -> Result<Backup, AppError> {
        if !to.is_absolute() {
            return Err(AppError::invalid("path", "give an absolute path of a file that does not exist yet"));
        }
        if to.exists() {
            return Err(AppError::Conflict(format!("{} exists already; choose another name", to.display())));
        }
        let folder = to.parent().unwrap_or(&to);
        if !folder.is_dir() {
            let message =
                format!("there is no folder {}; make it first, or choose another", folder.display());
            return Err(AppError::invalid("path", message));
        }
        Ok(self.store.backup(to).await?)
    }

    /// Looks at everything that can be wrong.
    pub async fn diagnose(&self) -> Result<Vec<Finding>, AppError> {
        let mut findings = Vec::new();
        let mut add = |subject, good, detail| findings.push(Finding { subject, good, detail });
        let problems = self.health.problems();
        add(
            "health",
            problems.is_empty(),
            if problems.is_empty() { "all loops run".into() } else { problems.join("; ") },
        );
        let damage = self.store.check().await?;
        add(
            "database",
            damage.is_empty(),
            if damage.is_empty() { "sound".into() } else { damage.join("; ") },
        );
        let size = self.store.size().await?;
        add("space", size.free_on_disk >= self.settings.retention.min_free_bytes, describe(&size));
        let webhooks = self.registry.webhooks(None);
        let off = webhooks.iter().filter(|entry| !entry.webhook().status.delivers()).count();
        add("webhooks", off == 0, format!("{} in all, {off} unverified or switched off", webhooks.len()));
        let failing = self.failing_receivers().await?;
        add("receivers", failing.is_empty(), self.describe_failing(&failing));
        let tombstones = self.lanes.tombstones().len();
        add("tombstones", true, format!("{tombstones} being worked off"));
        Ok(findings)
    }

    /// Each webhook whose receiver fails, with the reason and since when; the first few by name.
    fn describe_failing(&self, failing: &[(WebhookNo, ReceiverState)]) -> String {
        if failing.is_empty() {
            return "none fails".into();
        }
        let named = failing.iter().take(FAILING_NAMED).filter_map(|(no, state)| {
            let entry = self.registry.webhook(*no)?;
            let since = state.failing_since?;
            let why = state.last_failure.map(|last| reason(last.result)).unwrap_or_default();
            let webhook = entry.webhook();
            Some(format!("{} ({}) fails since {since}: {why}", webhook.id, webhook.name))
        });
        let named: Vec<_> = named.collect();
        let more = failing.len().saturating_sub(FAILING_NAMED);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        named.join("; ") + &more
    }

    /// How much space is used.
    pub async fn size(&self) -> Result<Size, AppError> {
        Ok(self.store.size().await?)
    }
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
