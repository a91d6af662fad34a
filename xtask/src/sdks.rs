//! The official SDKs of the wire format, whose helpers judge our signatures, and what judges our pages. They are fetched once, into the folder for
//! what is built; a machine without a network runs all other tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::program::{program, read, root};

struct Sdk {
    /// As people know it, with the version that is fetched.
    name: &'static str,
    folder: &'static str,
    fetch: fn(&Path) -> Result<()>,
}

const NODE: &str = "smartcar@10.4.0";
const PYTHON: &str = "smartcar==6.19.1";
/// Not SDKs, but fetched as such: one judges whether pages can be used by everybody, the other knows OAuth servers only by
/// what they say of themselves.
const AXE: &str = "axe-core@4.10.3";
const OPENID: &str = "openid-client@6.8.9";

const SDKS: &[Sdk] = &[
    Sdk { name: NODE, folder: "node", fetch: |folder| fetch_from_npm(folder, NODE) },
    Sdk { name: PYTHON, folder: "python", fetch: fetch_python },
    Sdk { name: OPENID, folder: "openid", fetch: |folder| fetch_from_npm(folder, OPENID) },
    Sdk { name: AXE, folder: "axe", fetch: |folder| fetch_from_npm(folder, AXE) },
];

/// Says in a folder which version is there completely.
const STAMP: &str = "version";

/// Sees that the SDKs are there. What cannot be fetched is named in one line, and its tests fail.
pub(crate) fn provide() {
    let folder = target().join("official-sdks");
    for sdk in SDKS {
        if let Err(error) = sdk.provide(&folder) {
            eprintln!("{}", sdk.missing(&error));
        }
    }
}

impl Sdk {
    fn provide(&self, all: &Path) -> Result<()> {
        let folder = all.join(self.folder);
        let stamp = folder.join(STAMP);
        if fs::read_to_string(&stamp).is_ok_and(|version| version == self.name) {
            return Ok(());
        }
        eprintln!("fetching the official SDK {}", self.name);
        if folder.exists() {
            fs::remove_dir_all(&folder).context("what is left of an older one cannot be removed")?;
        }
        fs::create_dir_all(&folder).context("its folder cannot be made")?;
        (self.fetch)(&folder)?;
        fs::write(&stamp, self.name).context("its version cannot be noted")
    }

    fn missing(&self, error: &anyhow::Error) -> String {
        let said = format!("{error:#}");
        let speaks_of = |line: &str, word: &str| line.to_ascii_lowercase().contains(word);
        let error = said.lines().find(|line| speaks_of(line, "error") && !speaks_of(line, "warn"));
        let why = error.or(said.lines().next()).unwrap_or_default();
        format!(
            "missing: the official SDK {}; the tests that use it will fail until `cargo xtask test` has run with a network ({why})",
            self.name
        )
    }
}

fn fetch_from_npm(folder: &Path, package: &str) -> Result<()> {
    let mut npm = program("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1"]);
    read(npm.arg("--prefix").arg(folder).arg(package)).map(drop)
}

fn fetch_python(folder: &Path) -> Result<()> {
    read(program("python3").args(["-m", "venv"]).arg(folder))?;
    let mut pip = program(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1", PYTHON]);
    read(&mut pip).map(drop)
}

/// Where cargo builds; the tests look beside their programs.
fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_fetched_is_named_in_one_line() {
        let said = "npm install failed (exit status: 1): npm warn old\nnpm error no network\nand much more";
        let error = anyhow::anyhow!(said);
        assert_eq!(
            SDKS[0].missing(&error),
            "missing: the official SDK smartcar@10.4.0; the tests that use it will fail until `cargo xtask test` \
             has run with a network (npm error no network)"
        );
    }

    #[test]
    fn an_sdk_is_fetched_once_and_again_after_a_fetch_that_broke_off() {
        let folder = std::env::temp_dir().join(format!("milepost-sdks-{}", std::process::id()));
        let broken = Sdk { name: "a@1", folder: "a", fetch: |_| anyhow::bail!("no network") };
        let whole = |name| Sdk { name, fetch: |folder| Ok(fs::write(folder.join("new"), "")?), ..broken };
        assert!(broken.provide(&folder).is_err());
        whole("a@1").provide(&folder).unwrap();
        broken.provide(&folder).unwrap();
        let newer = Sdk { name: "a@2", ..broken };
        assert!(newer.provide(&folder).is_err());
        assert!(!folder.join("a/new").exists(), "nothing is left of the older one");
        fs::remove_dir_all(&folder).unwrap();
    }
}
