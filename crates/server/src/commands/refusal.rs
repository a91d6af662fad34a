//! What a server refuses, in the words of the command line: the API names members of JSON, a person has typed options.

use clap::{ArgMatches, Command};
use serde_json::Value;

/// A server did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Why, and what to do.
    detail: String,
    /// The member of the request that it is about.
    field: Option<String>,
}

impl std::error::Error for Refused {}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

/// An error of the server with the member that it is about, where the answer itself does not say it.
pub(crate) fn about(error: anyhow::Error, field: &str) -> anyhow::Error {
    match error.downcast::<Refused>() {
        Ok(refused) => Refused { field: Some(field.to_owned()), ..refused }.into(),
        Err(other) => other,
    }
}

/// Members whose options have other names.
const NAMES: &[(&str, &str)] = &[
    ("data", "signals"),
    ("cadence", "every"),
    ("cadence.every", "every"),
    ("cadence.hours", "every"),
    ("cadence.day", "on"),
    ("cadence.weekday", "on"),
    ("cadence.hour", "hour"),
    ("cadence.timeZone", "zone"),
    ("connect.permissions", "permissions"),
    ("connect.country", "country"),
    ("redirectUris", "redirect-uri"),
    ("applicationId", "app"),
    ("webhookId", "webhook"),
    ("vehicleId", "vehicle"),
    ("vehicleIds", "vehicles"),
    ("userId", "user"),
    ("csv", "file"),
    ("path", "file"),
];

impl Refused {
    /// The problem of an answer, if it is one.
    pub(crate) fn of(status: u16, problem: &Value) -> Option<Self> {
        if status == 401 && problem["code"] == "unauthorized" {
            let detail = "the server does not take this admin token; give its own with --token, MILEPOST_ADMIN_TOKEN \
                          or --data (the server's data folder)";
            return Some(Self { detail: detail.into(), field: None });
        }
        let detail = problem["detail"].as_str().or(problem["title"].as_str())?;
        Some(Self {
            detail: with_list_of_ids(without_position(detail)),
            field: problem["field"].as_str().map(str::to_owned),
        })
    }

    /// The refusal with the option that it is about, of the command that was typed.
    pub(crate) fn in_words_of(&self, root: &Command, matches: &ArgMatches) -> String {
        let Some(field) = &self.field else { return self.detail.clone() };
        let (mut command, mut matches) = (root, matches);
        while let Some((name, inner)) = matches.subcommand() {
            let Some(found) = command.find_subcommand(name) else { break };
            (command, matches) = (found, inner);
        }
        match typed(command, field) {
            Some(option) => format!("{option}: {}", self.detail),
            None => format!("{}: {}", spaced(field), self.detail),
        }
    }
}

/// How the value of a member is typed: `--callback-uri`, or `<NAME>` for a value without an option.
fn typed(command: &Command, field: &str) -> Option<String> {
    let member = field.split('[').next().unwrap_or(field);
    let renamed = NAMES.iter().find(|(known, _)| *known == member).map(|&(_, option)| option.to_owned());
    let option = renamed.unwrap_or_else(|| kebab(member.split('.').next_back().unwrap_or(member)));
    let argument = command.get_arguments().find(|argument| {
        argument.get_long() == Some(&option)
            || (argument.is_positional() && kebab(argument.get_id().as_str()) == option)
    })?;
    Some(match argument.get_long() {
        Some(long) => format!("--{long}"),
        None => format!("<{}>", option.to_uppercase()),
    })
}

/// `callbackUri` as `callback-uri`.
fn kebab(name: &str) -> String {
    separated(name, '-')
}

/// `callbackUri` as `callback uri`.
pub(crate) fn spaced(name: &str) -> String {
    separated(name, ' ')
}

fn separated(name: &str, by: char) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        match c {
            '_' | '-' => text.push(by),
            c if c.is_ascii_uppercase() => {
                if !text.is_empty() {
                    text.push(by);
                }
                text.push(c.to_ascii_lowercase());
            }
            c => text.push(c),
        }
    }
    text
}

/// Which command lists the ids of what a server has not found.
const LISTS: &[(&str, &str)] = &[
    ("application", "milepost app list"),
    ("webhook", "milepost webhook list --app ID"),
    ("vehicle", "milepost vehicle list"),
    ("vehicle on this webhook", "milepost webhook vehicles ID"),
    ("feed", "milepost feed list --app ID"),
    ("delivery", "milepost delivery list"),
    ("user", "milepost connection list"),
    ("simulated vehicle", "milepost simulator list"),
];

/// `no webhook with this id`, and what lists those that there are.
fn with_list_of_ids(detail: &str) -> String {
    let noun = detail.strip_prefix("no ").and_then(|rest| rest.strip_suffix(" with this id"));
    match noun.and_then(|noun| LISTS.iter().find(|(known, _)| *known == noun)) {
        Some((_, command)) => format!("{detail}; `{command}` lists the ids"),
        None => detail.to_owned(),
    }
}

/// The text without a place in a body that nobody has typed: `… at line 1 column 35`.
fn without_position(detail: &str) -> &str {
    match detail.rfind(" at line ") {
        Some(at) if detail[at..].contains(" column ") => &detail[..at],
        _ => detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;
    use serde_json::json;

    #[track_caller]
    fn check(line: &str, field: &str, said: &str) {
        let root = Cli::command();
        let words = std::iter::once("milepost").chain(line.split(' '));
        let matches = root.clone().try_get_matches_from(words).unwrap();
        let problem = json!({"detail": "no at line 1 column 35", "field": field});
        let refused = Refused::of(400, &problem).unwrap();
        assert_eq!(refused.in_words_of(&root, &matches), said);
    }

    #[test]
    fn a_refusal_names_the_option_that_was_typed() {
        let create = "webhook create --app A --name N --callback-uri http://x --endpoints /odometer";
        check(create, "callbackUri", "--callback-uri: no");
        check(create, "endpoints[1]", "--endpoints: no");
        check(create, "data[0]", "--signals: no");
        check(create, "cadence.timeZone", "--zone: no");
        check(create, "kind", "--kind: no");
        check("app create Fleet", "name", "<NAME>: no");
        check("app create Fleet", "connect.country", "--country: no");
        check("app create Fleet", "redirectUris[0]", "--redirect-uri: no");
        check("webhook subscribe W V", "vehicleIds[0]", "<VEHICLES>: no");
        check("vehicle show V", "somethingElse", "something else: no");
    }

    #[test]
    fn an_unknown_id_is_answered_with_the_command_that_lists_ids() {
        let of = |detail: &str| Refused::of(404, &json!({ "detail": detail })).unwrap().to_string();
        assert_eq!(
            of("no webhook with this id"),
            "no webhook with this id; `milepost webhook list --app ID` lists the ids"
        );
        assert_eq!(of("no upload with this id"), "no upload with this id");
        for (noun, command) in LISTS {
            assert!(of(&format!("no {noun} with this id")).contains(command));
            let words = command.split(' ').filter(|word| *word != "ID").chain(["x"]);
            let words = words.take(if command.ends_with("ID") { 9 } else { command.split(' ').count() });
            Cli::command().try_get_matches_from(words).unwrap_or_else(|error| panic!("{command}: {error}"));
        }
    }

    #[test]
    fn a_wrong_token_is_answered_with_how_to_give_the_right_one() {
        let problem = json!({"code": "unauthorized", "detail": "send the header Authorization: Bearer …"});
        let said = Refused::of(401, &problem).unwrap().to_string();
        assert!(said.contains("--token") && !said.contains("header"), "{said}");
    }
}
