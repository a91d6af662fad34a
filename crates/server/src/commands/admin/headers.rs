//! `--header` and `--basic-auth`: secrets that should stand neither in the shell's history nor in the list of processes.

use std::io::Read;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use crate::{cli::WebhookSettings, commands::WrongUse};

/// Bytes that are read of a file or of standard input.
const LONGEST: u64 = 64 * 1_024;

/// The members of a webhook's body that the settings name.
pub(super) fn members(settings: &WebhookSettings) -> Result<Vec<(String, Value)>> {
    let mut members = Vec::new();
    let mut headers = Map::new();
    for text in &settings.headers {
        let (name, value) =
            text.split_once(':').ok_or(WrongUse("write a header as NAME:VALUE, or NAME: to remove it"))?;
        let value = value.trim_start();
        let value = if value.is_empty() { Value::Null } else { json!(secret(value)?) };
        headers.insert(name.trim().to_owned(), value);
    }
    match (settings.clear_headers, headers.is_empty()) {
        (true, false) => bail!(WrongUse("--clear-headers goes alone: set headers with another edit")),
        (true, true) => members.push(("headers".into(), Value::Null)),
        (false, false) => members.push(("headers".into(), headers.into())),
        (false, true) => {}
    }
    match settings.basic_auth.as_deref() {
        None => {}
        Some("") => members.push(("basicAuth".into(), Value::Null)),
        Some(text) => {
            let (user, password) =
                text.split_once(':').ok_or(WrongUse("write basic auth as USER:PASSWORD"))?;
            members.push(("basicAuth".into(), json!({ "username": user, "password": secret(password)? })));
        }
    }
    members.extend(settings.headers_to_error_uri.map(|on| ("headersToErrorUri".into(), json!(on))));
    Ok(members)
}

/// The value itself, or where it is: `env:VARIABLE`, `file:PATH`, or `-` for standard input. A line end at the end of a file does
/// not belong to it.
fn secret(text: &str) -> Result<String> {
    let read = if let Some(name) = text.strip_prefix("env:") {
        return std::env::var(name).with_context(|| format!("the variable {name} cannot be read"));
    } else if let Some(path) = text.strip_prefix("file:") {
        let file = std::fs::File::open(path).with_context(|| format!("cannot read {path}"))?;
        limited(file).with_context(|| format!("cannot read {path}"))?
    } else if text == "-" {
        limited(std::io::stdin().lock()).context("cannot read standard input")?
    } else {
        return Ok(text.to_owned());
    };
    let value = read.trim_end_matches(['\r', '\n']);
    ensure!(!value.is_empty(), "there is no value in {text}");
    Ok(value.to_owned())
}

fn limited(from: impl Read) -> Result<String> {
    let mut text = String::new();
    from.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command, WebhookCommand};
    use clap::Parser;

    fn body(words: &[&str]) -> Result<Value> {
        let words = [&["milepost", "webhook", "edit", "ID"], words].concat();
        let Command::Webhook(with) = Cli::try_parse_from(words)?.command else { panic!("not a webhook") };
        let WebhookCommand::Edit { settings, .. } = with.command else { panic!("not an edit") };
        Ok(members(&settings)?.into_iter().collect::<Map<_, _>>().into())
    }

    #[test]
    fn headers_are_set_and_removed_by_name() {
        assert_eq!(body(&[]).unwrap(), json!({}));
        let set =
            body(&["--header", "X-Api-Key: k:1", "--header", "X-Old:", "--basic-auth", "u:p:w"]).unwrap();
        assert_eq!(
            set,
            json!({
                "headers": {"X-Api-Key": "k:1", "X-Old": null},
                "basicAuth": {"username": "u", "password": "p:w"},
            })
        );
        assert_eq!(
            body(&["--basic-auth", "", "--clear-headers"]).unwrap(),
            json!({"headers": null, "basicAuth": null})
        );
        assert!(body(&["--header", "X"]).is_err() && body(&["--basic-auth", "u"]).is_err());
        assert!(body(&["--clear-headers", "--header", "X:1"]).is_err());
    }

    #[test]
    fn a_value_can_come_from_a_file_or_a_variable() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\n").unwrap();
        let text = format!("X-Api-Key:file:{}", file.path().display());
        assert_eq!(body(&["--header", &text]).unwrap(), json!({"headers": {"X-Api-Key": "s3cret"}}));
        let path = std::env::var("PATH").unwrap();
        assert_eq!(body(&["--header", "X:env:PATH"]).unwrap(), json!({"headers": {"X": path}}));
        let error = body(&["--header", "X:env:MILEPOST_NOT_THERE"]).unwrap_err().to_string();
        assert!(error.contains("MILEPOST_NOT_THERE"), "{error}");
    }
}
