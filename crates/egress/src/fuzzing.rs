//! What fuzz targets call: the reading of what a receiver sends, from bytes alone.

use bytes::Bytes;

use crate::{
    answer::{AnswerReader, LONGEST_ANSWER, Progress},
    certificate::Certificate,
    coding,
};

/// Bytes of a body that are kept.
const KEEP: usize = 16_384;

/// Reads the bytes as an answer, at once and in pieces, and checks what must hold of any answer.
///
/// # Panics
///
/// When the pieces change what is read, or a bound does not hold.
pub fn read_answer(bytes: &[u8]) {
    let whole = read(bytes, bytes.len().max(1));
    for piece in [1, 7] {
        assert_eq!(read(bytes, piece), whole, "pieces of {piece} change what is read");
    }
    let (progress, status, body, _) = &whole;
    assert!(body.len() <= KEEP && body.len() <= bytes.len());
    assert!(*progress != Progress::Complete || status.is_some());
    assert!(bytes.len() <= LONGEST_ANSWER || *progress != Progress::More);
    let _ = Certificate::read(bytes);
}

fn read(bytes: &[u8], piece: usize) -> (Progress, Option<u16>, Bytes, bool) {
    let mut reader = AnswerReader::new(KEEP);
    let mut progress = Progress::More;
    for piece in bytes.chunks(piece) {
        progress = reader.take(piece);
    }
    let (status, coding, is_reusable) = (reader.status(), reader.coding(), reader.is_reusable());
    let body = reader.into_body();
    assert!(coding::unpacked(body.clone(), coding, KEEP).len() <= KEEP);
    (progress, status, body, is_reusable)
}
