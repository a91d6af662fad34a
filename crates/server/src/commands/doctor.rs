//! `milepost doctor`: what a running server finds out about itself, and what to do next.

use anyhow::{Result, bail};
use serde_json::Value;

use super::client::Client;
use crate::cli::{Doctor, WithServerArgs};

pub(crate) async fn doctor(with: WithServerArgs<Doctor>) -> Result<()> {
    let diagnosis = Client::of(&with.server)?.get("/server/diagnosis").await?;
    let findings = diagnosis["findings"].as_array().map_or(&[][..], Vec::as_slice);
    if with.server.json {
        println!("{diagnosis}");
    } else {
        findings.iter().for_each(|finding| print!("{}", lines(finding)));
    }
    match findings.iter().filter(|finding| !is_good(finding)).count() {
        0 => Ok(()),
        bad => bail!("{}", summary(bad, with.server.json)),
    }
}

fn is_good(finding: &Value) -> bool {
    finding["good"].as_bool().unwrap_or(false)
}

/// What was found, and below it what to do.
fn lines(finding: &Value) -> String {
    let text = |member: &str| finding[member].as_str().unwrap_or_default();
    let mark = if is_good(finding) { "ok  " } else { "LOOK" };
    let next = match text("nextStep") {
        "" => String::new(),
        step => format!("{:18} next: {step}\n", ""),
    };
    format!("{mark}  {:<12} {}\n{next}", text("subject"), text("detail"))
}

fn summary(bad: usize, json: bool) -> String {
    let (count, what) = match bad {
        1 => ("1 finding needs".to_owned(), "it"),
        more => (format!("{more} findings need"), "each"),
    };
    let place = if json { "nextStep" } else { "next" };
    format!("{count} attention; {place} says what to do about {what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_bad_finding_is_followed_by_what_to_do() {
        let good = json!({ "subject": "health", "good": true, "detail": "all loops run" });
        assert_eq!(lines(&good), "ok    health       all loops run\n");
        let bad = json!({ "subject": "space", "good": false, "detail": "0 MiB free", "nextStep": "free some" });
        assert_eq!(lines(&bad), "LOOK  space        0 MiB free\n                   next: free some\n");
    }

    #[test]
    fn one_finding_is_not_several() {
        assert_eq!(summary(1, false), "1 finding needs attention; next says what to do about it");
        assert_eq!(summary(2, true), "2 findings need attention; nextStep says what to do about each");
    }
}
