//! The spelling of header names.
//!
//! Names have no case in HTTP, but some receivers look for `SC-Signature` letter by letter. The HTTP library writes names
//! in lower case unless the request carries their spelling in an extension that only its own parser makes, so that
//! proxies can pass on what they got. So one request with our spelling is parsed once, and each request gets a copy of
//! what the parser noted.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use futures::FutureExt;
use http_body_util::Empty;
use hyper::{Request, Response, body::Incoming, http::Extensions, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;

const SPELT: &[u8] = b"POST / HTTP/1.1\r\n\
    Host: example.org\r\n\
    Content-Type: application/json\r\n\
    Content-Length: 0\r\n\
    User-Agent: -\r\n\
    SC-Signature: -\r\n\
    Connection: close\r\n\r\n";

/// The extension that makes the HTTP library spell our headers as we do.
pub(crate) fn learn() -> Extensions {
    let noted = Arc::new(Mutex::new(Extensions::new()));
    let service = service_fn(|request: Request<Incoming>| {
        *noted.lock() = request.into_parts().0.extensions;
        async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
    });
    let wire = TokioIo::new(tokio::io::join(SPELT, tokio::io::sink()));
    // Everything is in memory, so that one poll is enough.
    let parsed = http1::Builder::new()
        .preserve_header_case(true)
        .half_close(true)
        .serve_connection(wire, service)
        .now_or_never();
    assert!(matches!(parsed, Some(Ok(()))), "the request above is valid HTTP");
    std::mem::take(&mut noted.lock())
}
