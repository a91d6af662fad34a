//! The data folder: the master key and the admin token beside the databases.

use std::{
    env::VarError,
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use app::ports::Dice;
use zeroize::Zeroizing;

/// Characters that a token has at least.
const SHORTEST_TOKEN: usize = 16;

/// Where the admin token comes from.
pub(crate) struct AdminToken {
    /// The token.
    pub text: Zeroizing<String>,
    /// The file that it was written to just now, if it is new.
    pub written_to: Option<PathBuf>,
}

/// The key-encryption key: from the environment, else from `master.key`, which the first start makes.
pub(crate) fn master_key(data: &Path, dice: &dyn Dice) -> Result<Zeroizing<[u8; 32]>> {
    let text = match variable("MILEPOST_MASTER_KEY")? {
        Some(text) => text,
        None => {
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
    if let Some(text) = variable("MILEPOST_ADMIN_TOKEN")? {
        return Ok(AdminToken { text: token(&text, "MILEPOST_ADMIN_TOKEN")?, written_to: None });
    }
    let path = data.join("admin-token");
    if let Some(text) = read(&path)? {
        return Ok(AdminToken { text: token(&text, &path.display().to_string())?, written_to: None });
    }
    let mut bytes = Zeroizing::new([0; 32]);
    dice.fill(&mut *bytes);
    let text = Zeroizing::new(format!("mpadm_{}", hex::encode(bytes.as_slice())));
    write(&path, &text)?;
    Ok(AdminToken { text, written_to: Some(path) })
}

/// A secret as clients can present it. Files and variables that were filled from files end with a line end, which no
/// client sends; what no header can carry would lock everybody out.
///
/// # Errors
///
/// Says where the text is from, and nothing of the text.
pub(crate) fn token(text: &str, place: &str) -> Result<Zeroizing<String>> {
    let token = text.trim();
    ensure!(
        token.bytes().all(|byte| byte.is_ascii_graphic()),
        "{place} must be one word of printable ASCII characters, without spaces and line ends inside"
    );
    ensure!(token.len() >= SHORTEST_TOKEN, "{place} must have at least {SHORTEST_TOKEN} characters");
    Ok(Zeroizing::new(token.to_owned()))
}

/// A secret of the environment, if it is set.
fn variable(name: &str) -> Result<Option<Zeroizing<String>>> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(VarError::NotPresent) => Ok(None),
        // A key or token that were drawn instead would look like those that are missing.
        Err(VarError::NotUnicode(_)) => bail!("{name} is not valid UTF-8"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_without_the_line_end_of_its_file() {
        for text in ["0123456789abcdef", "0123456789abcdef\n", " 0123456789abcdef\r\n"] {
            assert_eq!(*token(text, "x").unwrap(), "0123456789abcdef");
        }
    }

    #[test]
    fn a_token_that_no_client_could_send_is_refused_without_showing_it() {
        for text in
            ["", "\n", "short", "0123456789abcdef\n0123456789abcdef", "0123456789 abcdef", "0123456789abcdéf"]
        {
            let error = token(text, "MILEPOST_ADMIN_TOKEN").unwrap_err().to_string();
            assert!(error.starts_with("MILEPOST_ADMIN_TOKEN must"), "{error}");
            assert!(!error.contains("0123456789"), "{error}");
        }
    }
}
