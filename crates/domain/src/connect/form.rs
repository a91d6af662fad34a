//! `application/x-www-form-urlencoded`: queries and forms, read strictly and written so that every reader agrees.

/// The text is no form: a broken escape, or bytes that are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parameters are not well-formed; percent-encode them as UTF-8")]
pub struct MalformedForm;

/// The pairs of a form, in their order.
///
/// # Errors
///
/// When an escape is broken or a text is not UTF-8: nothing is guessed.
pub fn read(text: &str) -> Result<Vec<(String, String)>, MalformedForm> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

/// Pairs as a form.
pub fn write<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: Vec<_> =
        pairs.into_iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.join("&")
}

/// A URI with pairs added to its query; what it has already stays as it is.
pub fn with_query<'a>(uri: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs = write(pairs);
    let separator = match uri.find('?') {
        None => "?",
        Some(_) if uri.ends_with(['?', '&']) => "",
        Some(_) => "&",
    };
    if pairs.is_empty() { uri.to_owned() } else { format!("{uri}{separator}{pairs}") }
}

fn decoded(text: &str) -> Result<String, MalformedForm> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(hex_digit).ok_or(MalformedForm);
                digit()? << 4 | digit()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| MalformedForm)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Everything but the characters that no reader of URIs takes for anything else is escaped.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => {
                out.push('%');
                out.push(char::from(b"0123456789ABCDEF"[usize::from(other >> 4)]));
                out.push(char::from(b"0123456789ABCDEF"[usize::from(other & 15)]));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_form_is_read_in_its_order_with_its_escapes() {
        let read = read("scope=read_vin+required%3Aread_odometer&state=&x&a=b=c&n=%E2%82%AC").unwrap();
        let expected = [
            ("scope", "read_vin required:read_odometer"),
            ("state", ""),
            ("x", ""),
            ("a", "b=c"),
            ("n", "€"),
        ];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_broken_escape_is_refused() {
        for broken in ["a=%", "a=%4", "a=%zz", "%=a", "a=%FF", "a=%C3"] {
            assert_eq!(read(broken), Err(MalformedForm), "{broken}");
        }
    }

    #[test]
    fn what_a_uri_has_already_stays() {
        let pairs = [("code", "1"), ("state", "a b&c")];
        for (uri, becomes) in [
            ("https://a.example/b", "https://a.example/b?code=1&state=a%20b%26c"),
            ("https://a.example/b?x=y%2Bz", "https://a.example/b?x=y%2Bz&code=1&state=a%20b%26c"),
            ("https://a.example/b?", "https://a.example/b?code=1&state=a%20b%26c"),
            ("sc1://back", "sc1://back?code=1&state=a%20b%26c"),
        ] {
            assert_eq!(with_query(uri, pairs), becomes);
        }
        assert_eq!(with_query("https://a.example", []), "https://a.example");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(pairs in prop::collection::vec((".{1,12}", ".{0,40}"), 0..6)) {
            let pairs: Vec<(String, String)> = pairs;
            let written = write(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            prop_assert!(written.is_ascii());
            prop_assert_eq!(read(&written).unwrap(), pairs);
        }
    }
}
