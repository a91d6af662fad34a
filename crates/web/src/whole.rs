//! Bodies, read whole before anything is done with them. Each is bounded, and so are all of them together: what has
//! arrived of requests that are not answered yet, in all and of one client. A body that is said to be too large is not kept.
//! What a body unpacks to is taken from the same budget as it is unpacked.
//!
//! What arrives is copied together as it arrives. To keep the pieces would be cheaper, but a piece of one byte holds a whole
//! buffer of the connection.

use std::{net::IpAddr, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    client::{Share, Shares},
    problem::ApiError,
};

/// How much may arrive.
#[derive(Clone)]
pub(crate) struct Whole {
    most: usize,
    room: Arc<Semaphore>,
    per_client: usize,
    shares: Shares,
}

/// The room that one request of a client may take more of. Each request carries it.
#[derive(Clone)]
pub(crate) struct Budget {
    whole: Whole,
    client: Option<IpAddr>,
}

/// A body, with the room that it takes until it is dropped.
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    pub(crate) room: Option<Room>,
}

/// Room for a body, in all and of its client's share.
pub(crate) struct Room {
    permit: OwnedSemaphorePermit,
    share: Option<Share>,
}

/// So many clients share the room, if each takes what one may have.
const CLIENTS: usize = 4;

impl Whole {
    /// So many bytes of one body, and of all.
    pub(crate) fn new(most: usize, of_all: usize) -> Self {
        let room = Arc::new(Semaphore::new(of_all.min(Semaphore::MAX_PERMITS)));
        Self { most, room, per_client: (of_all / CLIENTS).max(most), shares: Shares::default() }
    }

    /// Reads a body to its end. It has so many bytes at most, and never more than any may have.
    pub(crate) async fn read(
        &self,
        client: Option<IpAddr>,
        headers: &HeaderMap,
        mut body: Body,
        most: usize,
    ) -> Result<Held, ApiError> {
        let most = self.most.min(most);
        let too_large = || ApiError::too_large(most);
        let said = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let keeps = said.is_none_or(|said: u64| said <= most as u64);
        // Who waits to be asked for the body is refused at once. Others would take an end before they are read for a broken
        // connection.
        if !keeps && headers.contains_key(header::EXPECT) {
            return Err(too_large());
        }
        let (mut bytes, mut length, mut room) = (BytesMut::new(), 0, None);
        let budget = self.budget(client);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| ApiError::malformed("the body broke off"))?;
            let Ok(part) = frame.into_data() else { continue };
            length += part.len();
            if length > most {
                return Err(too_large());
            }
            if keeps && !part.is_empty() {
                budget.take(&mut room, part.len())?;
                bytes.extend_from_slice(&part);
            }
        }
        if keeps { Ok(Held { bytes: bytes.freeze(), room }) } else { Err(too_large()) }
    }

    /// What one more request of a client may take.
    pub(crate) fn budget(&self, client: Option<IpAddr>) -> Budget {
        Budget { whole: self.clone(), client }
    }
}

impl Budget {
    /// Takes room for so many more bytes.
    pub(crate) fn take(&self, room: &mut Option<Room>, bytes: usize) -> Result<(), ApiError> {
        let Whole { room: all, shares, per_client, most } = &self.whole;
        let permits = u32::try_from(bytes).map_err(|_| ApiError::too_large(*most))?;
        let permit = all.clone().try_acquire_many_owned(permits).map_err(|_| ApiError::busy())?;
        match room {
            Some(room) => room.permit.merge(permit),
            None => *room = Some(Room { permit, share: self.client.map(|client| shares.none(client)) }),
        }
        let share = room.as_mut().and_then(|room| room.share.as_mut());
        match share.is_none_or(|share| share.grow(bytes, *per_client)) {
            true => Ok(()),
            false => Err(ApiError::busy()),
        }
    }
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
        whole.read(None, &headers, sent(parts), usize::MAX).await.map_err(|error| error.kind.status.as_u16())
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
    async fn a_client_has_a_share_of_the_room() {
        let whole = Whole::new(10, 80);
        let read = async |client: u8| {
            let client = Some(IpAddr::from([192, 0, 2, client]));
            let body = sent(&["abcde", "fghij"]);
            whole.read(client, &HeaderMap::new(), body, usize::MAX).await.ok()
        };
        let held = [read(1).await, read(1).await];
        assert!(held.iter().all(Option::is_some));
        assert!(read(1).await.is_none(), "a quarter is taken");
        assert!(read(2).await.is_some(), "others have theirs");
        drop(held);
        assert!(read(1).await.is_some());
        assert_eq!(whole.room.available_permits(), 80);
    }

    #[tokio::test]
    async fn a_body_that_comes_byte_by_byte_holds_no_buffers() {
        let buffer = Bytes::from(vec![b'x'; 8_192]);
        let pieces: Vec<_> = (0..100).map(|_| Ok::<_, Infallible>(buffer.slice(..1))).collect();
        let whole = Whole::new(1_000, 1_000);
        let body = Body::from_stream(futures::stream::iter(pieces));
        let held = whole.read(None, &HeaderMap::new(), body, usize::MAX).await.ok().unwrap();
        assert_eq!(held.bytes.len(), 100);
        assert!(buffer.is_unique(), "nothing of it is kept");
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
        let refused = whole.read(None, &headers, untouched, usize::MAX).await;
        let refused = refused.map_err(|error| error.kind.status.as_u16());
        assert_eq!(refused.err(), Some(413));
    }
}
