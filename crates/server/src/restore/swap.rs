//! Putting restored files in place so that a crash at any moment leaves the old state or the new one.
//!
//! ```text
//!   DIR/restore.staging/     the new files, complete and synced
//!   DIR/restore.journal      written last: from here on the restore is decided
//!   DIR/before-restore-…/    the old files, moved aside one by one
//! ```
//!
//! Without a journal, a staging folder is what an interrupted restore has left, and is removed. With one, [`finish`] moves
//! what has not been moved yet: every start of a server and every restore calls it first. Each move is a rename within
//! the folder's file system, and is repeated safely: a file is still to be installed as long as it stands in the staging
//! folder.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use store_sqlite::FolderLock;

const STAGING: &str = "restore.staging";
const JOURNAL: &str = "restore.journal";

/// What a decided restore does to a data folder.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Plan {
    /// The new files, by name.
    pub(crate) install: Vec<String>,
    /// The folder in the data folder that old files move to.
    pub(crate) kept_in: String,
}

/// Finishes what an interrupted restore has decided, and removes what it has not.
pub(crate) fn finish(data: &Path) -> Result<()> {
    if !data.join(JOURNAL).exists() && !data.join(STAGING).exists() {
        return Ok(());
    }
    // A restore that is running has the lock.
    let lock = FolderLock::take(data)?;
    finish_locked(&lock, data)
}

/// As [`finish`], for whoever has the lock.
pub(crate) fn finish_locked(_lock: &FolderLock, data: &Path) -> Result<()> {
    if let Some(plan) = read_plan(data)? {
        eprintln!("milepost: a restore was interrupted after it was decided; it is finished now");
        carry_out(data, &plan)?;
    }
    remove_folder(&data.join(STAGING)).context("cannot remove what an interrupted restore has left")
}

/// The folder in which new files are made ready. It is removed with what is in it unless the restore is decided.
pub(crate) struct Staging {
    data: PathBuf,
    is_decided: bool,
}

impl Staging {
    pub(crate) fn new(data: &Path) -> Result<Self> {
        make_folder(&data.join(STAGING)).with_context(|| format!("cannot write into {}", data.display()))?;
        Ok(Self { data: data.to_owned(), is_decided: false })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.data.join(STAGING)
    }

    /// Makes the new files the ones of the data folder.
    pub(crate) fn decide(mut self, plan: &Plan) -> Result<()> {
        for name in &plan.install {
            File::open(self.path().join(name))
                .and_then(|file| file.sync_all())
                .with_context(|| format!("cannot sync the new {name}"))?;
        }
        sync(&self.path())?;
        write_plan(&self.data, plan).context("the restore could not be written down; nothing was changed")?;
        self.is_decided = true;
        carry_out(&self.data, plan)
            .context("the restore is decided and not complete; the next start or restore completes it")?;
        Ok(remove_folder(&self.path())?)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.is_decided {
            // What cannot be removed now is removed by the next start.
            let _ = remove_folder(&self.path());
        }
    }
}

fn carry_out(data: &Path, plan: &Plan) -> Result<()> {
    for (from, to) in moves(data, plan) {
        if let Some(folder) = to.parent() {
            make_folder(folder)?;
        }
        fs::rename(&from, &to)
            .with_context(|| format!("cannot move {} to {}", from.display(), to.display()))?;
        sync(data)?;
    }
    if data.join(&plan.kept_in).exists() {
        sync(&data.join(&plan.kept_in))?;
    }
    fs::remove_file(data.join(JOURNAL)).context("cannot remove the journal of the restore")?;
    sync(data)?;
    Ok(())
}

/// The renames that are left to do, in order: the old file with its log, then the new one.
fn moves(data: &Path, plan: &Plan) -> Vec<(PathBuf, PathBuf)> {
    let mut moves = Vec::new();
    for name in &plan.install {
        let new = data.join(STAGING).join(name);
        if !new.exists() {
            continue;
        }
        for after in ["", "-wal", "-shm", "-journal"] {
            let old = format!("{name}{after}");
            if data.join(&old).exists() {
                moves.push((data.join(&old), data.join(&plan.kept_in).join(&old)));
            }
        }
        moves.push((new, data.join(name)));
    }
    moves
}

fn read_plan(data: &Path) -> Result<Option<Plan>> {
    match fs::read(data.join(JOURNAL)) {
        Ok(text) => {
            let plan = serde_json::from_slice(&text).context("the journal of a restore cannot be read")?;
            Ok(Some(plan))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("the journal of a restore cannot be read"),
    }
}

fn write_plan(data: &Path, plan: &Plan) -> io::Result<()> {
    let unfinished = data.join(STAGING).join(JOURNAL);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(&serde_json::to_vec(plan)?)?;
    file.sync_all()?;
    fs::rename(&unfinished, data.join(JOURNAL))?;
    sync(data)
}

pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            install: ["milepost.db", "keyring.db", "master.key"].map(str::to_owned).to_vec(),
            kept_in: "before-restore-1".into(),
        }
    }

    /// A folder with old files, and new ones that are ready.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        make_folder(&data.join(STAGING)).unwrap();
        for name in ["milepost.db", "milepost.db-wal", "keyring.db"] {
            fs::write(data.join(name), format!("old {name}")).unwrap();
        }
        for name in plan().install {
            fs::write(data.join(STAGING).join(&name), format!("new {name}")).unwrap();
        }
        folder
    }

    fn files(data: &Path) -> Vec<(String, String)> {
        let mut files = Vec::new();
        let mut folders = vec![data.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_none_or(|extension| extension != "lock") {
                    let name = path.strip_prefix(data).unwrap().display().to_string();
                    files.push((name, fs::read_to_string(&path).unwrap()));
                }
            }
        }
        files.sort();
        files
    }

    #[test]
    fn a_restore_that_stops_after_any_of_its_moves_is_finished_at_the_next_start() {
        let done = folder();
        write_plan(done.path(), &plan()).unwrap();
        let all = moves(done.path(), &plan()).len();
        finish(done.path()).unwrap();
        let expected = files(done.path());
        let named =
            |name: &str| expected.iter().find(|(found, _)| found == name).map(|(_, text)| text.as_str());
        assert_eq!(named("milepost.db"), Some("new milepost.db"));
        assert_eq!(named("before-restore-1/milepost.db-wal"), Some("old milepost.db-wal"));
        assert_eq!(expected.len(), 6, "{expected:?}");
        assert_eq!(all, 6);
        for stop in 0..=all {
            let folder = folder();
            let data = folder.path();
            write_plan(data, &plan()).unwrap();
            make_folder(&data.join("before-restore-1")).unwrap();
            for (from, to) in moves(data, &plan()).into_iter().take(stop) {
                fs::rename(from, to).unwrap();
            }
            finish(data).unwrap();
            assert_eq!(files(data), expected, "after {stop} moves");
            finish(data).unwrap();
            assert_eq!(files(data), expected);
        }
    }

    #[test]
    fn a_restore_that_stops_before_it_is_decided_has_changed_nothing() {
        let folder = folder();
        let old: Vec<_> = files(folder.path()).into_iter().filter(|(name, _)| !name.contains('/')).collect();
        finish(folder.path()).unwrap();
        assert_eq!(files(folder.path()), old);
        drop(Staging::new(folder.path()).unwrap());
        assert_eq!(files(folder.path()), old);
    }
}
