//! What fuzz targets call: the reading of bodies, from bytes alone.

use std::io::Write;

use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use domain::signal::valid;
use flate2::{Compression, write::GzEncoder};

use super::body::{self, Form, MOST_READINGS, MOST_REASON, Reader, Sorted};
use crate::{problem::ApiError, whole::Whole};

/// Bytes that bodies may unpack to in all, as in a small server.
const ROOM: usize = 16 << 20;

/// Reads the bytes as each form of body that the server knows, and checks what must hold of any.
///
/// # Panics
///
/// When what is read depends on the pieces or on the packing, or a bound does not hold.
pub fn read_readings(bytes: &[u8]) {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let _ = read(Form::Array, true, bytes);
        let _ = read(Form::Lines, true, bytes);
        return;
    }
    for form in [Form::Array, Form::Lines] {
        let whole = body::divided(form, bytes, bytes.len().max(1));
        for piece in [1, 7, 4_096] {
            assert_eq!(body::divided(form, bytes, piece), whole, "pieces of {piece} change what is read");
        }
        let plain = read(form, false, bytes);
        let packed = read(form, true, &packed(bytes));
        assert!(
            match (&plain, &packed) {
                (Ok(plain), Ok(packed)) => format!("{plain:?}") == format!("{packed:?}"),
                // What is packed well may unpack to less.
                (_, Err(refused)) if refused.kind.status == 413 => true,
                (plain, packed) => plain.is_err() && packed.is_err(),
            },
            "packing changes what is read"
        );
    }
}

fn read(form: Form, is_packed: bool, body: &[u8]) -> Result<Sorted, ApiError> {
    let mut headers = HeaderMap::new();
    let kind = match form {
        Form::Array => "application/json",
        Form::Lines => "application/x-ndjson",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if is_packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let budget = Whole::new(ROOM, ROOM).budget(None);
    let mut reader = Reader::new(&headers, Bytes::copy_from_slice(body), budget)?;
    if !reader.begin()? {
        reader.finish()?;
    }
    let (sorted, _room) = reader.into_parts();
    check(&sorted);
    Ok(sorted)
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).expect("memory takes all that is written");
    packed.finish().expect("memory takes all that is written")
}

/// What holds for every body that is read.
fn check(Sorted { readings, rejected }: &Sorted) {
    assert!(readings.len() + rejected.len() <= MOST_READINGS);
    let mut places: Vec<usize> = readings.iter().map(|(place, _)| *place).collect();
    places.extend(rejected.iter().map(|rejected| rejected.index));
    places.sort_unstable();
    assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "each place stands for one reading");
    for rejected in rejected {
        assert!(!rejected.reason.is_empty() && rejected.reason.len() <= MOST_REASON);
    }
    for (_, reading) in readings {
        let Some(value) = reading.value.clone() else { continue };
        // What a vehicle can have is in the form that counts once and for all.
        let Ok(value) = valid(reading.signal, value) else { continue };
        assert!(value.weight() <= 6 * reading.signal.form().max_bytes().max(64), "{value:?}");
        assert_eq!(valid(reading.signal, value.clone()), Ok(value));
    }
}
