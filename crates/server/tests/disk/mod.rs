//! Disks that are small, full or damaged: mounted for one test, where the user may mount.

#![allow(dead_code, reason = "not every test program uses all of it")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// Small disks are not full from the beginning.
pub(crate) const SMALL: &[(&str, &str)] = &[("MILEPOST_RETENTION_MIN_FREE_MIB", "1")];

/// A small disk of its own, gone with the test.
pub(crate) struct Disk {
    folder: TempDir,
    file: Option<PathBuf>,
}

impl Disk {
    fn mounted(arguments: &[&str], file: Option<PathBuf>) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted =
            Command::new("mount").args(arguments).arg(folder.path()).output().ok()?.status.success();
        mounted.then_some(Self { folder, file })
    }

    pub(crate) fn in_memory(mib: u32) -> Option<Self> {
        Self::mounted(&["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"], None)
    }

    /// A real file system in a file, which turns read-only when it finds itself damaged.
    pub(crate) fn in_file(home: &Path) -> Option<Self> {
        let file = home.join("disk");
        std::fs::File::create(&file).ok()?.set_len(64 << 20).ok()?;
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&file).output().ok()?;
        let from = file.to_str()?.to_owned();
        made.status.success().then(|| Self::mounted(&["-o", "loop,errors=remount-ro", &from], Some(file)))?
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all the space that is left.
    pub(crate) fn fill(&self) -> PathBuf {
        let filler = self.path().join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        for chunk in [1 << 20, 4_096, 1] {
            while std::io::Write::write_all(&mut file, &vec![7; chunk]).is_ok() {}
        }
        filler
    }

    /// Takes the file system away, repairs it and mounts it again.
    pub(crate) fn repair(&self) {
        let file = self.file.as_ref().expect("only a file system in a file can be damaged");
        let from = file.to_str().unwrap();
        let folder = self.path().to_str().unwrap();
        for words in
            [&["umount", folder][..], &["e2fsck", "-f", "-y", from], &["mount", "-o", "loop", from, folder]]
        {
            let done = Command::new(words[0]).args(&words[1..]).output().unwrap();
            // e2fsck ends with 1 when it has mended something.
            assert!(matches!(done.status.code(), Some(0 | 1)), "{words:?}: {done:?}");
        }
    }

    /// Lets the file system find an error in itself; false where the kernel has no such switch.
    pub(crate) fn turn_read_only(&self) -> bool {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        let line = mounts.lines().find(|line| line.split(' ').nth(1) == self.path().to_str());
        let device =
            line.and_then(|line| line.split(' ').next()).and_then(|device| device.strip_prefix("/dev/"));
        let Some(device) = device else { return false };
        let thrown = std::fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "test").is_ok();
        thrown && std::fs::write(self.path().join("probe"), "x").is_err()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
        if let Some(file) = &self.file {
            let _ = std::fs::remove_file(file);
        }
    }
}
