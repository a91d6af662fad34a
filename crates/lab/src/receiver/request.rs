//! Reading a request from bytes: as little of HTTP/1.1 as webhooks need, so that nothing stands between the receiver and
//! the bytes.

/// Header lines that a request may have.
pub(crate) const MOST_HEADERS: usize = 64;
/// Bytes that the head of a request may have.
const MOST_HEAD: usize = 16 * 1024;

/// A request that is there in full.
pub(crate) struct Request<'b, 'h> {
    pub(crate) method: &'b str,
    pub(crate) target: &'b str,
    pub(crate) headers: &'h [httparse::Header<'b>],
    pub(crate) body: &'b [u8],
    /// Bytes of head and body.
    pub(crate) length: usize,
}

pub(crate) enum Parsed<'b, 'h> {
    Complete(Request<'b, 'h>),
    /// More bytes are needed, and possibly a `100 Continue` to get them.
    Incomplete {
        wants_continue: bool,
    },
    /// Cannot be read; this status says why.
    Refused(u16),
}

impl<'b, 'h> Parsed<'b, 'h> {
    /// Reads the first request of a buffer. Bodies need a `Content-Length`, as every webhook has one.
    pub(crate) fn read(bytes: &'b [u8], headers: &'h mut [httparse::Header<'b>], most_body: usize) -> Self {
        let mut request = httparse::Request::new(headers);
        let head = match request.parse(bytes) {
            Ok(httparse::Status::Complete(head)) => head,
            Ok(httparse::Status::Partial) if bytes.len() > MOST_HEAD => return Self::Refused(431),
            Ok(httparse::Status::Partial) => return Self::Incomplete { wants_continue: false },
            Err(httparse::Error::TooManyHeaders) => return Self::Refused(431),
            Err(_) => return Self::Refused(400),
        };
        let (Some(method), Some(target)) = (request.method, request.path) else { return Self::Refused(400) };
        let headers: &'h [httparse::Header<'b>] = request.headers;
        let body_length = match body_length(headers) {
            Ok(length) if length <= most_body => length,
            Ok(_) => return Self::Refused(413),
            Err(status) => return Self::Refused(status),
        };
        let length = head + body_length;
        match bytes.get(head..length) {
            Some(body) => Self::Complete(Request { method, target, headers, body, length }),
            None => Self::Incomplete { wants_continue: header(headers, "expect").is_some() },
        }
    }
}

impl Request<'_, '_> {
    /// The path without the query.
    pub(crate) fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target, |(path, _)| path)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        header(self.headers, name)
    }

    /// Whether the sender will close after this exchange.
    pub(crate) fn is_last(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"))
    }
}

fn header<'b>(headers: &[httparse::Header<'b>], name: &str) -> Option<&'b [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

fn body_length(headers: &[httparse::Header<'_>]) -> Result<usize, u16> {
    if header(headers, "transfer-encoding").is_some() {
        return Err(411);
    }
    match header(headers, "content-length") {
        None => Ok(0),
        Some(digits) => std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or(400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> String {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        match Parsed::read(bytes, &mut headers, 10) {
            Parsed::Complete(r) => format!("{} {} {:?}", r.method, r.path(), String::from_utf8_lossy(r.body)),
            Parsed::Incomplete { wants_continue } => format!("incomplete {wants_continue}"),
            Parsed::Refused(status) => format!("refused {status}"),
        }
    }

    #[test]
    fn a_request_is_read_once_its_last_byte_is_there() {
        let whole = b"POST /hook?x=1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), "incomplete false", "{end}");
        }
        assert_eq!(read(whole), "POST /hook \"abc\"");
        assert_eq!(read(&[whole.as_slice(), b"POST"].concat()), "POST /hook \"abc\"");
    }

    #[test]
    fn what_cannot_be_read_is_refused_for_its_reason() {
        assert_eq!(read(b"\x16\x03\x01\x02\x00"), "refused 400");
        assert_eq!(read(b"POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n"), "refused 413");
        assert_eq!(read(b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"), "refused 400");
        assert_eq!(read(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), "refused 411");
        assert_eq!(read(format!("GET /{} HTTP/1.1\r\n", "a".repeat(MOST_HEAD)).as_bytes()), "refused 431");
        assert_eq!(
            read(format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65)).as_bytes()),
            "refused 431"
        );
    }

    #[test]
    fn a_sender_that_asks_before_its_body_is_told_to_go_on() {
        let head = b"POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
        assert_eq!(read(head), "incomplete true");
    }
}
