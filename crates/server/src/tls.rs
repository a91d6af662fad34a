//! The files of the listener's certificate and key: read at start, and again whenever they have changed.
//!
//! Tools that renew certificates replace files, some of them with a signal, some without; so both are followed. A pair that
//! cannot be used leaves the old one in place, and says so until it is mended.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use web::Tls;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Certificate and key, with the files that they came from.
pub(crate) struct TlsFiles {
    tls: Tls,
    chain: PathBuf,
    key: PathBuf,
    seen: Seen,
}

/// What tells a file from an earlier one.
type Seen = [Option<(SystemTime, u64)>; 2];

impl TlsFiles {
    /// Reads them; nothing when neither is named.
    pub(crate) fn open(chain: &Path, key: &Path) -> Result<Option<Self>> {
        match (chain.as_os_str().is_empty(), key.as_os_str().is_empty()) {
            (true, true) => return Ok(None),
            (false, false) => {}
            _ => bail!("server.tls_cert and server.tls_key go together: name both files, or none"),
        }
        let seen = look(chain, key);
        let (chain_text, key_text) = read(chain, key).context("server.tls_cert, server.tls_key")?;
        let tls = Tls::new(&chain_text, &key_text)
            .with_context(|| format!("cannot use {} with {}", chain.display(), key.display()))
            .context("server.tls_cert, server.tls_key")?;
        Ok(Some(Self { tls, chain: chain.to_owned(), key: key.to_owned(), seen }))
    }

    pub(crate) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Follows the files until the server stops.
    pub(crate) async fn follow(mut self, mut stopped: watch::Receiver<bool>) {
        let mut hang_up = signal(SignalKind::hangup()).ok();
        loop {
            let asked = async {
                match &mut hang_up {
                    Some(signal) => drop(signal.recv().await),
                    None => std::future::pending().await,
                }
            };
            #[expect(clippy::disallowed_methods, reason = "files change in real time")]
            let look_again = tokio::time::sleep(LOOK);
            tokio::select! {
                _ = stopped.wait_for(|&stopped| stopped) => return,
                () = look_again => self.refresh(false),
                () = asked => self.refresh(true),
            }
        }
    }

    /// Reads the files again if they have changed, or if somebody asks for it.
    fn refresh(&mut self, asked: bool) {
        let seen = look(&self.chain, &self.key);
        if seen == self.seen && !asked {
            return;
        }
        self.seen = seen;
        let replaced = read(&self.chain, &self.key)
            .and_then(|(chain, key)| self.tls.replace(&chain, &key).map_err(Into::into));
        match replaced {
            Ok(()) => tracing::info!("The certificate was read again; new connections get it"),
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "The new certificate cannot be used; the old one stays"
                );
            }
        }
    }
}

fn look(chain: &Path, key: &Path) -> Seen {
    [chain, key].map(|path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    })
}

fn read(chain: &Path, key: &Path) -> Result<(Vec<u8>, zeroize::Zeroizing<Vec<u8>>)> {
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    Ok((read(chain)?, read(key)?.into()))
}
