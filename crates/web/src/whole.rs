//! Bodies, read whole before anything is done with them. Each is bounded, and so are all of them together: what has
//! arrived of requests that are not answered yet. A body that is said to be too large is not kept.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::ApiError;

/// How much may arrive.
#[derive(Clone)]
pub(crate) struct Whole {
    most: usize,
    room: Arc<Semaphore>,
}

/// A body, with the room that it takes until it is dropped.
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl Whole {
    /// So many bytes of one body, and of all.
    pub(crate) fn new(most: usize, of_all: usize) -> Self {
        Self { most, room: Arc::new(Semaphore::new(of_all.min(Semaphore::MAX_PERMITS))) }
    }

    /// Reads a body to its end.
    pub(crate) async fn read(&self, headers: &HeaderMap, mut body: Body) -> Result<Held, ApiError> {
        let too_large = || ApiError::too_large(self.most);
        let said = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let keeps = said.is_none_or(|said: u64| said <= self.most as u64);
        // Who waits to be asked for the body is refused at once. Others would take an end before they are read for a broken
        // connection.
        if !keeps && headers.contains_key(header::EXPECT) {
            return Err(too_large());
        }
        let (mut parts, mut length, mut room) = (Vec::new(), 0, None);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| ApiError::malformed("the body broke off"))?;
            let Ok(part) = frame.into_data() else { continue };
            length += part.len();
            if length > self.most {
                return Err(too_large());
            }
            if keeps && !part.is_empty() {
                self.keep(&mut room, part.len())?;
                parts.push(part);
            }
        }
        if keeps { Ok(Held { bytes: joined(parts, length), room }) } else { Err(too_large()) }
    }

    /// Takes more room.
    fn keep(&self, room: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Result<(), ApiError> {
        let bytes = u32::try_from(bytes).map_err(|_| ApiError::too_large(self.most))?;
        let more = self.room.clone().try_acquire_many_owned(bytes).map_err(|_| ApiError::busy())?;
        match room {
            Some(room) => room.merge(more),
            None => *room = Some(more),
        }
        Ok(())
    }
}

fn joined(mut parts: Vec<Bytes>, length: usize) -> Bytes {
    if parts.len() <= 1 {
        return parts.pop().unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(length);
    for part in &parts {
        whole.extend_from_slice(part);
    }
    whole.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use std::convert::Infallible;

    fn sent(parts: &[&'static str]) -> Body {
        let parts: Vec<_> = parts.iter().map(|part| Ok::<_, Infallible>(Bytes::from(*part))).collect();
        Body::from_stream(futures::stream::iter(parts))
    }

    fn saying(length: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_static(length))])
    }

    async fn read(whole: &Whole, headers: HeaderMap, parts: &[&'static str]) -> Result<Held, u16> {
        whole.read(&headers, sent(parts)).await.map_err(|error| error.kind.status.as_u16())
    }

    #[tokio::test]
    async fn a_body_is_bounded_and_so_are_all_that_are_held() {
        let whole = Whole::new(6, 10);
        let first = read(&whole, HeaderMap::new(), &["abc", "", "def"]).await.ok().unwrap();
        assert_eq!(first.bytes, "abcdef");
        assert_eq!(read(&whole, HeaderMap::new(), &["a", "bcdefg"]).await.err(), Some(413));
        assert_eq!(read(&whole, HeaderMap::new(), &["ab", "cde"]).await.err(), Some(503));
        let second = read(&whole, saying("4"), &["abcd"]).await.ok().unwrap();
        drop(first);
        assert_eq!(read(&whole, HeaderMap::new(), &["abcdef"]).await.ok().unwrap().bytes, "abcdef");
        drop(second);
        assert_eq!(whole.room.available_permits(), 10);
    }

    #[tokio::test]
    async fn a_body_that_is_said_to_be_too_large_is_not_kept_and_not_asked_for() {
        let whole = Whole::new(6, 10);
        assert_eq!(read(&whole, saying("7"), &["ab", "cd"]).await.err(), Some(413));
        let mut headers = saying("7");
        headers.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        let untouched = Body::from_stream(futures::stream::poll_fn(
            |_| -> std::task::Poll<Option<Result<Bytes, Infallible>>> { panic!("it was asked for") },
        ));
        let refused = whole.read(&headers, untouched).await.map_err(|error| error.kind.status.as_u16());
        assert_eq!(refused.err(), Some(413));
    }
}
