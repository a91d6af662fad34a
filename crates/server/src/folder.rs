//! The data folder: the master key and the admin token beside the databases.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use app::ports::Dice;
use zeroize::Zeroizing;

/// Where the admin token comes from.
pub(crate) struct AdminToken {
    /// The token.
    pub text: Zeroizing<String>,
    /// The file that it was written to just now, if it is new.
    pub written_to: Option<PathBuf>,
}

/// The key-encryption key: from the environment, else from `master.key`, which the first start makes.
pub(crate) fn master_key(data: &Path, dice: &dyn Dice) -> Result<Zeroizing<[u8; 32]>> {
    let text = match std::env::var("MILEPOST_MASTER_KEY") {
        Ok(text) => Zeroizing::new(text),
        Err(_) => {
            let path = data.join("master.key");
            match read(&path)? {
                Some(text) => text,
                None if data.join("keyring.db").exists() => bail!(
                    "{} is missing, but there is a keyring; put the key back (or give it as MILEPOST_MASTER_KEY)",
                    path.display()
                ),
                None => {
                    let mut bytes = Zeroizing::new([0; 32]);
                    dice.fill(&mut *bytes);
                    let text = Zeroizing::new(hex::encode(bytes.as_slice()));
                    write(&path, &text)?;
                    text
                }
            }
        }
    };
    let mut key = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), &mut *key).context("the master key must be 64 hexadecimal digits")?;
    Ok(key)
}

/// The admin token: from `MILEPOST_ADMIN_TOKEN`, else from `admin-token`, which the first start makes.
pub(crate) fn admin_token(data: &Path, dice: &dyn Dice) -> Result<AdminToken> {
    if let Ok(text) = std::env::var("MILEPOST_ADMIN_TOKEN") {
        if text.len() < 16 {
            bail!("MILEPOST_ADMIN_TOKEN must have at least 16 characters");
        }
        return Ok(AdminToken { text: Zeroizing::new(text), written_to: None });
    }
    let path = data.join("admin-token");
    if let Some(text) = read(&path)? {
        return Ok(AdminToken { text: Zeroizing::new(text.trim().to_owned()), written_to: None });
    }
    let mut bytes = Zeroizing::new([0; 32]);
    dice.fill(&mut *bytes);
    let text = Zeroizing::new(format!("mpadm_{}", hex::encode(bytes.as_slice())));
    write(&path, &text)?;
    Ok(AdminToken { text, written_to: Some(path) })
}

fn read(path: &Path) -> Result<Option<Zeroizing<String>>> {
    match File::open(path) {
        Ok(mut file) => {
            let mut text = Zeroizing::new(String::new());
            file.read_to_string(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
            Ok(Some(text))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Writes a secret into a new file that only its owner can read, and waits until it is on disk.
fn write(path: &Path, text: &str) -> Result<()> {
    let context = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(context)?;
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(context)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(context)
}
