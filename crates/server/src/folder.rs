//! The data folder: the master key and the admin token beside the databases.

use std::{
    env::VarError,
    fs::{DirBuilder, File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
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
    if let Some(key) = master_key_of_environment()? {
        return Ok(key);
    }
    let path = data.join("master.key");
    if let Some(text) = read(&path)? {
        return parse_master_key(&text).with_context(|| format!("{} cannot be used", path.display()));
    }
    for (file, holds) in [("keyring.db", "a keyring"), ("milepost.db", "data")] {
        if has_bytes(&data.join(file)) {
            bail!(
                "{} is missing, but there is {holds}; put the key back (or give it as MILEPOST_MASTER_KEY)",
                path.display()
            );
        }
    }
    let mut key = Zeroizing::new([0; 32]);
    dice.fill(&mut *key);
    write(&path, &Zeroizing::new(hex::encode(key.as_slice())))?;
    Ok(key)
}

/// Refuses a folder with data and without the keyring that opens it: a new keyring would open nothing.
pub(crate) fn has_its_keyring(data: &Path) -> Result<()> {
    let has_keyring = ["keyring.db", "keyring.db-wal"].iter().any(|file| has_bytes(&data.join(file)));
    if has_bytes(&data.join("milepost.db")) && !has_keyring {
        bail!(
            "{0} has a database and no keyring.db, which opens it; put the keyring back, or restore a backup with an \
             exported one (milepost restore BACKUP --keyring FILE --data {0} --force)",
            data.display()
        );
    }
    Ok(())
}

fn has_bytes(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.len() > 0)
}

/// The key-encryption key in `MILEPOST_MASTER_KEY`.
pub(crate) fn master_key_of_environment() -> Result<Option<Zeroizing<[u8; 32]>>> {
    let text = variable("MILEPOST_MASTER_KEY")?;
    text.map(|text| parse_master_key(&text).context("MILEPOST_MASTER_KEY cannot be used")).transpose()
}

/// The key-encryption key in a file.
pub(crate) fn read_master_key(path: &Path) -> Result<Zeroizing<[u8; 32]>> {
    let text = read(path)?.with_context(|| format!("there is no file {}", path.display()))?;
    parse_master_key(&text).with_context(|| format!("{} cannot be used", path.display()))
}

fn parse_master_key(text: &str) -> Result<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    if hex::decode_to_slice(text.trim(), &mut *key).is_err() {
        bail!("the master key must be 64 hexadecimal digits");
    }
    Ok(key)
}

/// What a data folder has beside recordings and old files, by the beginning of the name.
const OWN_FILES: &[&str] = &[
    "milepost.db",
    "keyring.db",
    "master.key",
    "admin-token",
    "restore.journal",
    "restore.staging",
    "before-restore-",
    "recordings",
];

/// Takes the rights of others away from a data folder and from what is ours in it. Says so where there were any.
pub(crate) fn make_private(data: &Path) -> Result<()> {
    let Ok(about) = std::fs::metadata(data) else { return Ok(()) };
    let is_ours = has_bytes(&data.join("milepost.db")) || has_bytes(&data.join("master.key"));
    let mut tightened = Vec::new();
    // A folder that everybody may write into, such as /tmp, is not the folder of one program.
    if is_ours && about.mode() & 0o1000 == 0 {
        tighten(data, &mut tightened);
    }
    let entries = std::fs::read_dir(data).with_context(|| format!("cannot read {}", data.display()))?;
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        if OWN_FILES.iter().any(|own| name.to_string_lossy().starts_with(own)) {
            tighten_all(&entry.path(), &mut tightened);
        }
    }
    if !tightened.is_empty() {
        let files = tightened.len();
        tracing::warn!(
            folder = %data.display(), files,
            "Others could read files of the data folder; now only its owner can"
        );
    }
    Ok(())
}

fn tighten_all(path: &Path, tightened: &mut Vec<PathBuf>) {
    tighten(path, tightened);
    let is_folder = std::fs::symlink_metadata(path).is_ok_and(|about| about.is_dir());
    if let (true, Ok(entries)) = (is_folder, std::fs::read_dir(path)) {
        entries.filter_map(Result::ok).for_each(|entry| tighten_all(&entry.path(), tightened));
    }
}

/// What belongs to somebody else, or leads elsewhere, is left as it is.
fn tighten(path: &Path, tightened: &mut Vec<PathBuf>) {
    let Ok(about) = std::fs::symlink_metadata(path) else { return };
    let is_own = about.uid() == rustix::process::geteuid().as_raw();
    if about.is_symlink() || !is_own || about.mode() & 0o077 == 0 {
        return;
    }
    let private = std::fs::Permissions::from_mode(about.mode() & 0o700);
    match std::fs::set_permissions(path, private) {
        Ok(()) => tightened.push(path.to_owned()),
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "The rights of others could not be taken away");
        }
    }
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
        DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(context)?;
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
