//! Headers of an operator's own: what a receiver wants to see before it takes an event, such as a key or a login.
//!
//! A revision keeps their names in clear and their values sealed. The current ones are sent with every request, also with
//! retries of events that were made under an earlier revision: a key that was replaced because it leaked must not be sent
//! any more, and one that has expired would let every retry fail.

/// How many a webhook may have.
const MOST_HEADERS: usize = 16;
/// Bytes of a name.
const LONGEST_NAME: usize = 64;
/// Bytes of a value.
const LONGEST_VALUE: usize = 4_096;
/// Bytes of all names and values of a webhook.
const MOST_BYTES: usize = 8_192;

/// The headers of a revision, as they are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct SealedHeaders {
    /// Their names, as they were written, in the order of the request.
    #[n(0)]
    pub names: Vec<String>,
    /// Names and values, sealed under the application's data key.
    #[n(1)]
    pub sealed: Vec<u8>,
    /// They are also sent to an error URI on another origin.
    #[n(2)]
    pub to_error_uri: bool,
}

/// Why a header cannot be set. No text repeats a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderRefused {
    /// Not a name that HTTP allows.
    #[error(
        "{0:?} is not the name of a header: use up to 64 letters, digits and the characters ! # $ % & ' * + - . ^ _ ` | ~"
    )]
    Name(String),
    /// Milepost, or HTTP itself, writes this one.
    #[error("the header {0} is set by Milepost itself or belongs to the connection; leave it out")]
    Reserved(String),
    /// Not a value that HTTP allows.
    #[error(
        "the value of the header {0} must be 1 to 4,096 printable ASCII characters, with no space at its beginning or end"
    )]
    Value(String),
    /// One name twice.
    #[error("the header {0} is there twice; upper and lower case are the same")]
    Twice(String),
    /// More than `MOST_HEADERS`.
    #[error("a webhook has at most 16 headers")]
    TooMany,
    /// More than `MOST_BYTES`.
    #[error("the headers of a webhook have at most 8,192 bytes in all, names and values together")]
    TooLong,
    /// The user name of basic auth.
    #[error("the user name of basicAuth must not be empty, nor contain a colon or a control character")]
    User,
    /// The password of basic auth.
    #[error(
        "the password of basicAuth must not contain a control character, and both together have at most 2,048 bytes"
    )]
    Password,
}

/// Names that a webhook must not set: framing, the connection, what every request has, and what opens the metadata services
/// of clouds.
const RESERVED: [&str; 24] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "metadata",
    "metadata-flavor",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-google-metadata-request",
];
const RESERVED_BEGINNINGS: [&str; 3] = ["proxy-", "sc-", "x-aws-ec2-"];

/// Whether headers may be set together.
///
/// # Errors
///
/// What is wrong with the first that may not.
pub fn check_headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(), HeaderRefused> {
    let (mut names, mut bytes) = (Vec::new(), 0);
    for (name, value) in headers {
        check_name(name)?;
        if !is_value(value) {
            return Err(HeaderRefused::Value(name.to_owned()));
        }
        let lower = name.to_ascii_lowercase();
        if names.contains(&lower) {
            return Err(HeaderRefused::Twice(name.to_owned()));
        }
        bytes += name.len() + value.len();
        names.push(lower);
        if names.len() > MOST_HEADERS {
            return Err(HeaderRefused::TooMany);
        }
    }
    if bytes > MOST_BYTES { Err(HeaderRefused::TooLong) } else { Ok(()) }
}

fn check_name(name: &str) -> Result<(), HeaderRefused> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_token) {
        return Err(HeaderRefused::Name(name.chars().take(LONGEST_NAME).collect()));
    }
    let lower = name.to_ascii_lowercase();
    let is_reserved = RESERVED.contains(&lower.as_str())
        || RESERVED_BEGINNINGS.iter().any(|beginning| lower.starts_with(beginning));
    if is_reserved { Err(HeaderRefused::Reserved(name.to_owned())) } else { Ok(()) }
}

/// Printable ASCII and spaces between: what every server reads alike. A line end would be another header.
fn is_value(value: &str) -> bool {
    (1..=LONGEST_VALUE).contains(&value.len())
        && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && value.trim_matches(' ').len() == value.len()
}

/// The value of `Authorization` for a user and a password (RFC 7617, in UTF-8).
///
/// # Errors
///
/// When one of them cannot be written so.
pub fn basic_authorization(user: &str, password: &str) -> Result<String, HeaderRefused> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
        return Err(HeaderRefused::User);
    }
    if password.chars().any(char::is_control) || user.len() + password.len() > LONGEST_VALUE / 2 {
        return Err(HeaderRefused::Password);
    }
    Ok(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str) -> Result<(), HeaderRefused> {
        check_headers([(name, value)])
    }

    #[test]
    fn a_header_has_a_name_and_a_value_that_http_allows() {
        for (name, value) in [
            ("X-Api-Key", "s3cret"),
            ("Authorization", "Bearer a.b-c_d=="),
            ("x_custom.1", "with spaces, and; signs"),
            ("Cookie", "a=b"),
        ] {
            assert_eq!(check(name, value), Ok(()), "{name}");
        }
        for name in ["", "X Key", "X:Key", "X-K\u{e9}y", "X\r\nY", "X\0", "(x)", &"x".repeat(65)] {
            assert!(matches!(check(name, "v"), Err(HeaderRefused::Name(_))), "{name:?}");
        }
        for value in ["", " a", "a ", "a\r\nX: y", "a\nb", "a\tb", "\u{fc}", "\0", &"x".repeat(4_097)] {
            assert_eq!(check("X-Key", value), Err(HeaderRefused::Value("X-Key".into())), "{value:?}");
        }
    }

    #[test]
    fn what_belongs_to_the_request_or_the_connection_cannot_be_set_in_any_case() {
        for name in [
            "Host",
            "HOST",
            "content-length",
            "Transfer-Encoding",
            "Connection",
            "SC-Signature",
            "sc-anything",
            "User-Agent",
            "Content-Type",
            "Expect",
            "Proxy-Authorization",
            "proxy-connection",
            "TE",
            "Upgrade",
            "Metadata-Flavor",
            "X-aws-ec2-metadata-token",
            "Accept-Encoding",
        ] {
            assert_eq!(check(name, "v"), Err(HeaderRefused::Reserved(name.into())), "{name}");
        }
    }

    #[test]
    fn headers_have_bounds_and_each_name_once() {
        let names: Vec<_> = (0..17).map(|n| format!("X-{n}")).collect();
        let of =
            |names: &[String], value: &str| check_headers(names.iter().map(|name| (name.as_str(), value)));
        assert_eq!(of(&names[..16], "v"), Ok(()));
        assert_eq!(of(&names, "v"), Err(HeaderRefused::TooMany));
        assert_eq!(of(&names[..3], &"v".repeat(4_000)), Err(HeaderRefused::TooLong));
        assert_eq!(check_headers([("X-A", "1"), ("x-a", "2")]), Err(HeaderRefused::Twice("x-a".into())));
    }

    #[test]
    fn an_error_never_repeats_a_value() {
        let error = check("X-Key", "secret\r\n").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn basic_auth_is_a_header_of_its_own() {
        // The example of RFC 7617.
        assert_eq!(
            basic_authorization("Aladdin", "open sesame").unwrap(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        assert_eq!(basic_authorization("test", "123\u{a3}").unwrap(), "Basic dGVzdDoxMjPCow==");
        assert!(basic_authorization("u", "a:b").is_ok());
        for (user, password, refused) in [
            ("", "p", HeaderRefused::User),
            ("a:b", "p", HeaderRefused::User),
            ("a\n", "p", HeaderRefused::User),
            ("a", "p\r", HeaderRefused::Password),
            ("a", &"p".repeat(2_048), HeaderRefused::Password),
        ] {
            assert_eq!(basic_authorization(user, password), Err(refused), "{user:?}");
        }
    }
}
