//! What a check found, and how it is told.

use crate::id::Id;
use crate::time::Timestamp;
use std::fmt::{self, Write as _};

/// Findings of a kind that are printed.
const SHOWN: usize = 5;

/// What a history is guilty of. Empty lists are what one hopes for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Slots, or ids, that had to be accounted for.
    pub expected: usize,
    /// Of those, how many the receiver accepted.
    pub delivered: usize,
    /// Of those that it did not, how many stand in the log as ended.
    pub ended: usize,
    /// Repeats that a fault explains.
    pub excused: usize,
    /// Neither accepted nor ended.
    pub lost: Vec<Finding>,
    /// Sent again after they had been accepted, more often than faults explain.
    pub duplicates: Vec<Finding>,
    /// Arrived, though nothing was due.
    pub unexpected: Vec<Finding>,
    /// Built or sent before their slot.
    pub early: Vec<Finding>,
    /// The same occurrence under two ids, or one id for two vehicles.
    pub id_changes: Vec<Finding>,
    /// One id with two different sets of data.
    pub data_changes: Vec<Finding>,
    /// Signed badly or not at all.
    pub bad_signatures: Vec<Finding>,
    /// The log tells of an end that the receiver knows better, or tells two ends of one slot.
    pub false_ends: Vec<Finding>,
}

/// One thing that is wrong, with what is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// The webhook.
    pub webhook: Option<Id>,
    /// The vehicle.
    pub vehicle: Option<Id>,
    /// The slot.
    pub slot: Option<Timestamp>,
    /// The id of the occurrence.
    pub id: Option<Id>,
    /// When it was seen.
    pub at: Option<Timestamp>,
    /// What is wrong, in words.
    pub says: String,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.kinds().iter().all(|(_, findings)| findings.is_empty())
    }

    /// How many findings there are of all kinds.
    pub fn findings(&self) -> usize {
        self.kinds().iter().map(|(_, findings)| findings.len()).sum()
    }

    /// A summary, with the first few findings of each kind.
    pub fn explain(&self) -> String {
        let Self { expected, delivered, ended, excused, .. } = self;
        let mut text = format!(
            "{expected} expected: {delivered} delivered, {ended} ended otherwise; {excused} repeats explained by faults"
        );
        if self.is_clean() {
            text.push_str("; nothing wrong");
        }
        for (kind, findings) in self.kinds() {
            if findings.is_empty() {
                continue;
            }
            let _ = write!(text, "\n{kind}: {}", findings.len());
            for finding in &findings[..findings.len().min(SHOWN)] {
                let _ = write!(text, "\n  {finding}");
            }
            if findings.len() > SHOWN {
                let _ = write!(text, "\n  and {} more", findings.len() - SHOWN);
            }
        }
        text
    }

    fn kinds(&self) -> [(&'static str, &[Finding]); 8] {
        [
            ("lost", &self.lost),
            ("duplicates", &self.duplicates),
            ("unexpected", &self.unexpected),
            ("early", &self.early),
            ("id changes", &self.id_changes),
            ("data changes", &self.data_changes),
            ("bad signatures", &self.bad_signatures),
            ("false ends", &self.false_ends),
        ]
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)?;
        let mut part = |name, value: Option<String>| match value {
            Some(value) => write!(f, ", {name} {value}"),
            None => Ok(()),
        };
        part("webhook", self.webhook.map(|id| id.to_string()))?;
        part("vehicle", self.vehicle.map(|id| id.to_string()))?;
        part("slot", self.slot.map(|at| at.to_string()))?;
        part("id", self.id.map(|id| id.to_string()))?;
        part("at", self.at.map(|at| at.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn an_explanation_shows_the_first_few_of_each_kind() {
        let finding = |id| Finding { id: Some(Id(id)), says: "never came".to_owned(), ..Finding::default() };
        let verdict = Verdict {
            expected: 9,
            delivered: 2,
            lost: (1..=7).map(finding).collect(),
            early: vec![Finding { slot: Some(Timestamp::default()), ..finding(8) }],
            ..Verdict::default()
        };
        expect![[r#"
            9 expected: 2 delivered, 0 ended otherwise; 0 repeats explained by faults
            lost: 7
              never came, id 00000000-0000-0000-0000-000000000001
              never came, id 00000000-0000-0000-0000-000000000002
              never came, id 00000000-0000-0000-0000-000000000003
              never came, id 00000000-0000-0000-0000-000000000004
              never came, id 00000000-0000-0000-0000-000000000005
              and 2 more
            early: 1
              never came, slot 1970-01-01T00:00:00.000Z, id 00000000-0000-0000-0000-000000000008"#]]
        .assert_eq(&verdict.explain());
        assert!(!verdict.is_clean());
        assert_eq!(verdict.findings(), 8);
    }

    #[test]
    fn a_clean_verdict_says_so() {
        expect!["0 expected: 0 delivered, 0 ended otherwise; 0 repeats explained by faults; nothing wrong"]
            .assert_eq(&Verdict::default().explain());
    }
}
