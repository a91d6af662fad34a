//! The receiver's durable record for tests that kill things: each occurrence is on stable storage before its request is
//! answered, so that what the sender believes to be delivered can be proved afterwards.
//!
//! One thread writes. Requests that come in while it syncs share the next sync.

use crate::arrival::Arrival;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for the next sync; more wait with their connection.
const MOST_WAITING: usize = 4_096;

struct Entry {
    lines: String,
    done: oneshot::Sender<()>,
}

/// The writing end of a journal; the writer ends when it is dropped.
pub(crate) struct Journal(mpsc::Sender<Entry>);

impl Journal {
    /// Goes on with a file, or makes it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        thread::Builder::new().name("receiver-journal".to_owned()).spawn(move || write(file, receiver))?;
        Ok(Self(sender))
    }

    /// Returns when the arrivals are on stable storage; an error means that they are not, and must not be answered.
    pub(crate) async fn append(&self, arrivals: &[Arrival]) -> io::Result<()> {
        let (done, recorded) = oneshot::channel();
        let entry = Entry { lines: arrivals.iter().map(Arrival::to_line).collect(), done };
        self.0.send(entry).await.map_err(|_| broken())?;
        recorded.await.map_err(|_| broken())
    }
}

fn broken() -> io::Error {
    io::Error::other("the journal could not be written")
}

/// Writes batch after batch until the journal is dropped or cannot be written; who waits then is told by its sender's end.
fn write(mut file: File, mut entries: mpsc::Receiver<Entry>) {
    let mut batch = Vec::new();
    while entries.blocking_recv_many(&mut batch, MOST_WAITING) > 0 {
        let lines: String = batch.iter().map(|entry| entry.lines.as_str()).collect();
        if file.write_all(lines.as_bytes()).and_then(|()| file.sync_data()).is_err() {
            return;
        }
        for entry in batch.drain(..) {
            // Its connection may have gone meanwhile.
            let _ = entry.done.send(());
        }
    }
}

/// Reads a journal. A last line that was cut off by a crash was never answered, so it is left out.
///
/// # Errors
///
/// When the file cannot be read, or a line before its end makes no sense.
pub fn read_journal(path: &Path) -> io::Result<Vec<Arrival>> {
    let text = std::fs::read_to_string(path)?;
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let unreadable =
        |line| io::Error::new(io::ErrorKind::InvalidData, format!("no line of a journal: {line}"));
    whole.lines().map(|line| Arrival::from_line(line).ok_or_else(|| unreadable(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrival::Signature;
    use crate::event::Fingerprint;
    use crate::id::Id;
    use crate::receiver::Outcome;
    use crate::time::Timestamp;

    fn arrival(id: u128) -> Arrival {
        Arrival {
            at: Timestamp::from_micros(1),
            id: Id(id),
            webhook: Some(Id(1)),
            vehicle: Some(Id(2)),
            built: None,
            fingerprint: Fingerprint(3),
            signature: Signature::Good,
            outcome: Outcome::Accepted,
        }
    }

    #[tokio::test]
    async fn what_was_appended_is_in_the_file_and_a_torn_last_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("received.tsv");
        for id in [1, 2] {
            // Opened twice: the second goes on where the first ended.
            Journal::open(&path).unwrap().append(&[arrival(id)]).await.unwrap();
        }
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&arrival(3).to_line().as_bytes()[..40]).unwrap();
        assert_eq!(read_journal(&path).unwrap(), [arrival(1), arrival(2)]);
        file.write_all(b"\n").unwrap();
        assert_eq!(read_journal(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn many_appends_at_once_are_all_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("received.tsv");
        let journal = std::sync::Arc::new(Journal::open(&path).unwrap());
        let appends: Vec<_> = (0..500)
            .map(|id| {
                let journal = std::sync::Arc::clone(&journal);
                tokio::spawn(async move { journal.append(&[arrival(id)]).await })
            })
            .collect();
        for append in appends {
            append.await.unwrap().unwrap();
        }
        let mut ids: Vec<_> = read_journal(&path).unwrap().iter().map(|arrival| arrival.id.0).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..500).collect::<Vec<_>>());
    }
}
