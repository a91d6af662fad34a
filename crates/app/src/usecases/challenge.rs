//! Whether the answer to a challenge verifies a webhook, and what to say when it does not.
//!
//! It takes the right digest in the body of a 200, or of any 2xx where the webhook is lenient, as those of v2 are. How the
//! body is written matters less: a byte order mark, white space around it and UTF-16 come from editors and frameworks, not
//! from people, and none of them makes a digest right.

use domain::{
    delivery::{AttemptResult, Failure},
    signature,
};

use crate::ports::Reply;

const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
const LITTLE_ENDIAN_MARK: &[u8] = &[0xff, 0xfe];
const BIG_ENDIAN_MARK: &[u8] = &[0xfe, 0xff];

/// Why an answer to a challenge does not verify a webhook; nothing when it does.
pub(crate) fn challenge_problem(
    answer: &Result<Reply, Failure>,
    expected: &str,
    lenient: bool,
) -> Option<String> {
    let reply = match answer {
        Ok(reply) => reply,
        Err(failure) => return Some(failure_problem(*failure)),
    };
    let status = reply.status;
    if !(200..300).contains(&status) {
        return Some(status_problem(status));
    }
    if status != 200 && !lenient {
        return Some(format!(
            "the callback URI answered with status {status}; a challenge is answered with 200"
        ));
    }
    let Some(text) = text_of(&reply.body) else {
        return Some(
            "the body of the answer is not text: answer uncompressed, since the request says \
             `Accept-Encoding: identity`, and in UTF-8"
                .into(),
        );
    };
    match challenge_in(&text) {
        Some(given) if signature::matches(expected, &given) => None,
        Some(_) => Some(
            "the digest in the answer is not the expected one: answer with HMAC-SHA256 of the challenge under the \
             application's management token, in lower-case hexadecimal"
                .into(),
        ),
        None => Some(r#"the answer must be JSON like {"challenge":"<hex digest>"}"#.into()),
    }
}

/// Why a test did not pass; nothing when it did.
pub(crate) fn test_problem(answer: &Result<Reply, Failure>) -> Option<String> {
    match answer {
        Ok(reply) if (200..300).contains(&reply.status) => None,
        Ok(reply) => Some(status_problem(reply.status)),
        Err(failure) => Some(failure_problem(*failure)),
    }
}

/// The beginning of a body as text, for an operator to look at.
pub(crate) fn shown(body: &[u8]) -> String {
    text_of(body).unwrap_or_else(|| String::from_utf8_lossy(body).into_owned())
}

/// The text of a body, without a byte order mark.
fn text_of(body: &[u8]) -> Option<String> {
    let wide = |body: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<_> = body.as_chunks().0.iter().map(|&pair| unit(pair)).collect();
        String::from_utf16(&units).ok()
    };
    if let Some(body) = body.strip_prefix(LITTLE_ENDIAN_MARK) {
        return wide(body, u16::from_le_bytes);
    }
    if let Some(body) = body.strip_prefix(BIG_ENDIAN_MARK) {
        return wide(body, u16::from_be_bytes);
    }
    let body = body.strip_prefix(UTF8_MARK).unwrap_or(body);
    std::str::from_utf8(body).ok().map(str::to_owned)
}

fn challenge_in(text: &str) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_str(text.trim().trim_end_matches('\0')).ok()?;
    answer.get("challenge")?.as_str().map(|digest| digest.trim().to_owned())
}

fn status_problem(status: u16) -> String {
    let hint = AttemptResult::Answered { status }.hint().map(|hint| format!(". {hint}")).unwrap_or_default();
    format!("the callback URI answered with status {status}{hint}")
}

fn failure_problem(failure: Failure) -> String {
    let hint = failure.hint().map(|hint| format!(" {hint}")).unwrap_or_default();
    format!("{}{hint}", failure.sentence())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "9baf5a7464bd86740ad5a06e439dcf535a075022ed2c92d74efacf646d79328e";

    fn problem(status: u16, body: impl Into<Vec<u8>>) -> Option<String> {
        let reply = Reply { status, body: body.into().into() };
        challenge_problem(&Ok(reply), DIGEST, false)
    }

    fn right() -> String {
        format!(r#"{{"challenge":"{DIGEST}"}}"#)
    }

    #[test]
    fn the_right_digest_verifies_however_its_text_is_wrapped() {
        let wide = |mark: &[u8], bytes: fn(u16) -> [u8; 2]| {
            [mark, &right().encode_utf16().flat_map(bytes).collect::<Vec<_>>()].concat()
        };
        for body in [
            right().into_bytes(),
            format!("\u{feff}{}", right()).into_bytes(),
            format!(" \r\n\t{}\r\n\n", right()).into_bytes(),
            format!("\u{feff}\n{}\0", right()).into_bytes(),
            format!(r#"{{"status":"ok","challenge":"{DIGEST}\n"}}"#).into_bytes(),
            wide(LITTLE_ENDIAN_MARK, u16::to_le_bytes),
            wide(BIG_ENDIAN_MARK, u16::to_be_bytes),
        ] {
            assert_eq!(problem(200, body.clone()), None, "{}", body.escape_ascii());
        }
    }

    #[test]
    fn another_digest_status_or_form_does_not_and_each_has_its_text() {
        for (status, body, text) in [
            (200, right().replace("9b", "9c"), "not the expected one"),
            (200, right().to_uppercase().replace("CHALLENGE", "challenge"), "not the expected one"),
            (200, DIGEST.to_owned(), "must be JSON"),
            (200, format!("challenge={DIGEST}"), "must be JSON"),
            (200, String::new(), "must be JSON"),
            (200, r#"{"challenge":7}"#.to_owned(), "must be JSON"),
            (202, right(), "answered with 200"),
            (304, right(), "cached"),
            (401, right(), "basicAuth"),
            (500, right(), "status 500"),
        ] {
            let problem = problem(status, body.clone()).unwrap();
            assert!(problem.contains(text), "{status} {body}: {problem}");
        }
        assert!(problem(200, b"\x1b\xff\x00\x88brotli".to_vec()).unwrap().contains("uncompressed"));
    }

    #[test]
    fn a_failure_says_what_it_is_and_what_to_do() {
        let problem = challenge_problem(&Err(Failure::TlsAuthorityCertificate), DIGEST, false).unwrap();
        assert!(problem.contains("CA:TRUE") && problem.contains("egress.ca_file"), "{problem}");
    }
}
