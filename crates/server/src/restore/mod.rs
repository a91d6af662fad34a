//! Restoring a backup, with the server stopped.
//!
//! 1. **Look** at the inputs without touching the data folder: a backup, a keyring, a master key.
//! 2. **Stage** copies of them in the data folder's file system, and bring both ledgers together: the one of the keyring that
//!    is there, and the one of an exported keyring.
//! 3. **Prove** that they fit: every owner and application of the backup has a key that opens something, or was erased.
//! 4. **End again** what has ended since the backup.
//! 5. **Swap** (`swap`): the old files are kept beside the new ones.
//!
//! A failure before the swap leaves the folder as it was.

pub(crate) mod swap;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use app::{SealError, Sealer};
use domain::time::Timestamp;
use serde::Serialize;
use store::{Keyring, Upkeep};
use store_sqlite::{About, FileKind, FolderLock, Options, SqliteKeyring, SqliteStore, Unusable};
use zeroize::Zeroizing;

use self::swap::{Plan, Staging};
use crate::{folder, machine::MachineDice};

/// What is restored from what.
pub(crate) struct Request {
    pub(crate) backup: PathBuf,
    pub(crate) keyring: Option<PathBuf>,
    pub(crate) master_key: Option<PathBuf>,
    pub(crate) data: PathBuf,
    /// Whether a database that is there may be replaced.
    pub(crate) replace: bool,
    /// What time it is by the clock of the server.
    pub(crate) now: Timestamp,
}

/// What was done.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) restored: PathBuf,
    /// When the backup was made, if it says so.
    pub(crate) backup_made_at: Option<String>,
    /// Until when it is known what has ended; nothing when it is not known.
    pub(crate) ends_known_until: Option<String>,
    /// Owners and applications whose data opens.
    pub(crate) opened: usize,
    /// What had ended since the backup, and was ended again.
    pub(crate) ended_again: BTreeMap<&'static str, usize>,
    /// Where the old files are.
    pub(crate) kept_in: Option<PathBuf>,
    pub(crate) warnings: Vec<String>,
}

const DATABASE: &str = "milepost.db";
const KEYRING: &str = "keyring.db";
const MASTER_KEY: &str = "master.key";

/// Restores, or says why not and has changed nothing.
pub(crate) async fn restore(request: &Request) -> Result<Report> {
    let data = &request.data;
    look(&request.backup, FileKind::Data)?;
    if let Some(keyring) = &request.keyring {
        look(keyring, FileKind::Keyring)?;
    }
    let given_key = request.master_key.as_deref().map(folder::read_master_key).transpose()?;
    let database = data.join(DATABASE);
    if database.exists() && !request.replace {
        bail!(
            "{} exists; give --force to put the backup in its place (the files that are there are kept beside it)",
            database.display()
        );
    }
    if request.keyring.is_none() && !data.join(KEYRING).exists() {
        bail!(
            "{} has no keyring.db, and without its keys nothing in the backup can be read: give the keyring that was \
             exported with `milepost keyring export` (--keyring FILE) and the master key (--master-key FILE or \
             MILEPOST_MASTER_KEY)",
            data.display()
        );
    }
    let is_new = !data.exists();
    let result = restore_into(request, given_key).await;
    if is_new && result.is_err() {
        // Nothing but locks is in it.
        let _ = fs::remove_dir_all(data);
    }
    result
}

fn look(path: &Path, kind: FileKind) -> Result<()> {
    store_sqlite::looks_like_a_database(path).map_err(|error| unusable(path, kind, &error))
}

fn unusable(path: &Path, kind: FileKind, error: &Unusable) -> anyhow::Error {
    let what = match kind {
        FileKind::Data => "backup",
        FileKind::Keyring => "keyring",
    };
    anyhow!("{} cannot be used as a {what}: {error}. Nothing was changed", path.display())
}

async fn restore_into(request: &Request, given_key: Option<Zeroizing<[u8; 32]>>) -> Result<Report> {
    let data = &request.data;
    // Whoever holds the lock is a running server: then nothing is touched.
    let lock = FolderLock::take(data)?;
    swap::finish_locked(&lock, data)?;
    let staging = Staging::new(data)?;
    let staged = staging.path();
    let mut warnings = Vec::new();
    let backup = stage(&request.backup, &staged.join(DATABASE), FileKind::Data)?;
    let keys = stage_keyring(request, &staged, &backup, &mut warnings)?;
    let key = master_key(data, given_key, &keys)?;
    let now = request.now;
    let (opened, ended_again) = prove_and_end(&staged, &key.key, now).await?;
    let known_until = ends_known_until(&keys, now);
    // A backup that does not say when it was made is from a program that kept no ledger.
    let is_newer = known_until.zip(backup.copied_at).is_some_and(|(known, made)| known > made);
    if !is_newer {
        warnings.push(
            "what has ended since the backup is not known: the keyring is not newer than the backup. Vehicles, webhooks, \
             feeds, secrets and tokens whose access ended since then work again, and so do refresh tokens that were \
             used since; look through them before you start the server for receivers"
                .into(),
        );
    }
    let mut install = vec![DATABASE.to_owned(), KEYRING.to_owned()];
    if key.is_new {
        write_secret(&staged.join(MASTER_KEY), &hex::encode(*key.key))?;
        install.push(MASTER_KEY.to_owned());
    }
    for name in ["milepost.db.lock", "keyring.db.lock"] {
        let _ = fs::remove_file(staged.join(name));
    }
    let kept_in = free_name(data, now);
    staging.decide(&Plan { install, kept_in: kept_in.clone() })?;
    drop(lock);
    let kept_in = Some(data.join(kept_in)).filter(|folder| folder.exists());
    Ok(Report {
        restored: data.join(DATABASE),
        backup_made_at: backup.copied_at.map(|at| at.to_string()),
        ends_known_until: ends_known_until(&keys, now).map(|at| at.to_string()),
        opened,
        ended_again,
        kept_in,
        warnings,
    })
}

/// Copies a file and looks through the copy.
fn stage(from: &Path, to: &Path, kind: FileKind) -> Result<About> {
    store_sqlite::copy_at_rest(from, to)
        .and_then(|()| store_sqlite::inspect(to, kind))
        .map_err(|error| unusable(from, kind, &error))
}

/// Where the keys come from.
struct Keys {
    /// The keyring of the folder is part of them: it has every end until the server stopped.
    from_folder: bool,
    /// The folder has a keyring of another installation, which is kept.
    other_in_folder: bool,
    /// When the exported keyring was made.
    exported_at: Option<Timestamp>,
}

fn ends_known_until(keys: &Keys, now: Timestamp) -> Option<Timestamp> {
    if keys.from_folder { Some(now) } else { keys.exported_at }
}

/// Makes the keyring of the restored folder: of the one that is there and of the exported one, if they belong together.
fn stage_keyring(
    request: &Request,
    staged: &Path,
    backup: &About,
    warnings: &mut Vec<String>,
) -> Result<Keys> {
    let there = request.data.join(KEYRING);
    let other = staged.join("other");
    swap::make_folder(&other)?;
    let target = staged.join(KEYRING);
    let fits = |about: &About| match (about.installation, backup.installation) {
        (Some(one), Some(two)) => one == two,
        // One of them is from before installations had numbers: that the keys open the data proves it.
        _ => true,
    };
    let exported = match &request.keyring {
        None => None,
        Some(path) => {
            let about = stage(path, &target, FileKind::Keyring)?;
            ensure!(
                fits(&about),
                "{} belongs to another installation than {}; give the keyring that was exported from the server of \
                 this backup. Nothing was changed",
                path.display(),
                request.backup.display()
            );
            Some(about)
        }
    };
    let exported_at = exported.and_then(|about| about.copied_at);
    if !there.exists() {
        return Ok(Keys { from_folder: false, other_in_folder: false, exported_at });
    }
    let to = if exported.is_some() { other.join(KEYRING) } else { target.clone() };
    match stage(&there, &to, FileKind::Keyring) {
        Ok(about) if fits(&about) => {}
        Ok(_) if exported.is_some() => {
            warnings.push(format!(
                "{} belonged to another installation; it is kept with the other old files",
                there.display()
            ));
            fs::remove_file(&to)?;
            return Ok(Keys { from_folder: false, other_in_folder: true, exported_at });
        }
        Ok(_) => bail!(
            "{} belongs to another installation than the backup; give the keyring that was exported from the server of \
             this backup (--keyring FILE). Nothing was changed",
            there.display()
        ),
        Err(error) if exported.is_some() => {
            warnings.push(format!(
                "{} cannot be read ({error:#}), so what it knew of ends is not applied",
                there.display()
            ));
            let _ = fs::remove_file(&to);
            return Ok(Keys { from_folder: false, other_in_folder: true, exported_at });
        }
        Err(error) => {
            return Err(error
                .context("the keyring of the folder is needed; give an exported one with --keyring FILE"));
        }
    }
    if exported.is_some() {
        store_sqlite::merge_keyrings(&target, &to)
            .map_err(|error| unusable(&there, FileKind::Keyring, &error))?;
    }
    Ok(Keys { from_folder: true, other_in_folder: false, exported_at })
}

/// The master key, and whether the folder does not have it yet.
struct Master {
    key: Zeroizing<[u8; 32]>,
    is_new: bool,
}

fn master_key(data: &Path, given: Option<Zeroizing<[u8; 32]>>, keys: &Keys) -> Result<Master> {
    let path = data.join(MASTER_KEY);
    if let Some(key) = given {
        // One in the folder that cannot be read is damaged, and kept beside the restored one.
        let is_new = !folder::read_master_key(&path).is_ok_and(|there| *there == *key);
        return Ok(Master { key, is_new });
    }
    if let Some(key) = folder::master_key_of_environment()? {
        return Ok(Master { key, is_new: false });
    }
    let there = if path.exists() { Some(folder::read_master_key(&path)?) } else { None };
    match there {
        Some(key) if !keys.other_in_folder || keys.from_folder => Ok(Master { key, is_new: false }),
        _ => bail!(
            "the master key is missing, which opens the keyring: give it with --master-key FILE, or as \
             MILEPOST_MASTER_KEY. Nothing was changed"
        ),
    }
}

/// Sees that the staged files fit together, and ends again what had ended.
async fn prove_and_end(
    staged: &Path,
    key: &Zeroizing<[u8; 32]>,
    now: Timestamp,
) -> Result<(usize, BTreeMap<&'static str, usize>)> {
    let dice = Arc::new(MachineDice);
    let other = staged.join("other");
    if other.join(KEYRING).exists() {
        let keyring = Arc::new(SqliteKeyring::open(&other)?);
        unlock(key, keyring.clone())
            .await
            .context("the keyring of the folder and the exported one differ")?;
        keyring.close().await?;
    }
    fs::remove_dir_all(&other)?;
    let store = SqliteStore::open(staged, Options { readers: 1, ..Options::default() })?;
    let keyring = Arc::new(SqliteKeyring::open(staged)?);
    let sealer = unlock(key, keyring.clone()).await?;
    let fit = app::fit(&store, &*keyring, &sealer).await?;
    if !fit.missing.is_empty() || !fit.damaged.is_empty() {
        let all = fit.opened + fit.erased + fit.missing.len() + fit.damaged.len();
        let help = if fit.opened == 0 {
            "it belongs to another installation"
        } else {
            "it was exported before the backup was made: export it after the backup"
        };
        bail!(
            "the keyring does not fit the backup: of {all} owners and applications in the backup, {} have no key in it \
             and {} do not open with theirs. Maybe {help}. Nothing was changed",
            fit.missing.len(),
            fit.damaged.len()
        );
    }
    let reapplied = app::reapply(&store, &*keyring, &sealer, &*dice, now).await?;
    let damage = store.check().await?;
    ensure!(damage.is_empty(), "the backup is damaged: {}. Nothing was changed", damage.join("; "));
    store.close().await?;
    keyring.close().await?;
    store_sqlite::forget_unredeemed_codes(&staged.join(DATABASE))
        .map_err(|error| anyhow!("the backup cannot be prepared: {error}"))?;
    Ok((fit.opened, reapplied.counts))
}

async fn unlock(key: &Zeroizing<[u8; 32]>, keyring: Arc<dyn Keyring>) -> Result<Sealer> {
    Sealer::open(key.clone(), keyring, Arc::new(MachineDice)).await.map_err(|error| match error {
        SealError::WrongMasterKey => anyhow!(
            "the master key does not open the keyring; give the one of the server that the keyring is from. Nothing was \
             changed"
        ),
        error => error.into(),
    })
}

/// A name for the old files that nothing has.
fn free_name(data: &Path, now: Timestamp) -> String {
    let name = format!("before-restore-{}", now.to_string().replace([':', '.'], "-"));
    (0..)
        .map(|number| if number == 0 { name.clone() } else { format!("{name}-{number}") })
        .find(|name| !data.join(name).exists())
        .unwrap_or(name.clone())
}

fn write_secret(path: &Path, text: &str) -> Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}
