//! What an operator does about the server itself: backup, check.

use std::path::{Path, PathBuf};

use store::{Backup, Size, StoreError};

use crate::{App, AppError};

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
        let mut add = |subject, good, detail| findings.push(Finding { subject, good, detail });
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
        let off = webhooks.iter().filter(|entry| !entry.webhook().status.delivers()).count();
        add("webhooks", off == 0, format!("{} in all, {off} unverified or switched off", webhooks.len()));
        let tombstones = self.lanes.tombstones().len();
        add("tombstones", true, format!("{tombstones} being worked off"));
        Ok(findings)
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
