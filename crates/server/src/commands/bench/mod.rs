//! `milepost bench`: figures of this machine, each beside a bound that is measured in the same run.
//!
//! The receiver is a process of its own on the same machine, so that memory and bytes are the server's alone. Each figure
//! is taken several times; the median is shown, with the least and the most.

mod bare;
mod drain;
mod isolation;
mod latency;
mod readings;
mod receiver;
mod slot;
mod stage;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::cli::Bench;

pub(crate) use receiver::serve as serve_receiver;
#[cfg(test)]
pub(crate) use stage::config;
pub(super) use stage::progress;

const SCENARIOS: [&str; 8] = ["loop", "drain", "latency", "readings", "bombs", "hanging", "overload", "slot"];

/// One measured figure.
struct Figure {
    what: String,
    unit: &'static str,
    /// One value per run.
    values: Vec<f64>,
    /// The figure of the bare loop that it is a part of, where it is a rate.
    bound: Option<f64>,
}

impl Figure {
    fn new(what: impl Into<String>, unit: &'static str, values: Vec<f64>) -> Self {
        Self { what: what.into(), unit, values, bound: None }
    }

    fn median(&self) -> f64 {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn spread(&self) -> (f64, f64) {
        self.values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), &v| (least.min(v), most.max(v)))
    }

    fn json(&self) -> Value {
        let ratio = self.bound.map(|bound| self.median() / bound);
        json!({ "what": self.what, "unit": self.unit, "median": self.median(), "values": self.values, "ofBareLoop": ratio })
    }

    fn line(&self) -> String {
        let (least, most) = self.spread();
        let ratio = self
            .bound
            .map(|bound| format!("{:.2} of the bare loop", self.median() / bound))
            .unwrap_or_default();
        let range = format!("{} … {}", short(least), short(most));
        format!("{:<52} {:>12} {:<8} {:<22} {ratio}", self.what, short(self.median()), self.unit, range)
            .trim_end()
            .into()
    }
}

fn short(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..1_000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

pub(crate) async fn run(args: Bench) -> Result<()> {
    if let Some(unknown) = args.only.iter().find(|name| !SCENARIOS.contains(&name.as_str())) {
        bail!("there is no scenario {unknown:?}; there are {}", SCENARIOS.join(", "));
    }
    if args.runs == 0 {
        bail!("--runs must be at least 1");
    }
    let machine = stage::machine();
    if !args.json {
        println!(
            "{machine}\nmedian of {} runs (least … most); receiver, load and store on this machine\n",
            args.runs
        );
    }
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    let bare = bare::measure(args.runs).await?;
    let bound = bare.median();
    let mut figures = vec![bare];
    announce(&args, &figures, 0);
    if wanted("drain") {
        let begun = figures.len();
        figures.extend(drain::measure(&args, bound).await?);
        announce(&args, &figures, begun);
    }
    if wanted("latency") {
        let begun = figures.len();
        figures.extend(latency::measure(&args).await?);
        announce(&args, &figures, begun);
    }
    if wanted("readings") {
        let begun = figures.len();
        figures.extend(readings::measure(&args, bound).await?);
        announce(&args, &figures, begun);
    }
    if wanted("bombs") {
        let begun = figures.len();
        figures.extend(isolation::bombs(&args).await?);
        announce(&args, &figures, begun);
    }
    if wanted("hanging") {
        let begun = figures.len();
        figures.extend(isolation::hanging(&args).await?);
        announce(&args, &figures, begun);
    }
    if wanted("overload") {
        let begun = figures.len();
        figures.extend(isolation::overload(&args, bound).await?);
        announce(&args, &figures, begun);
    }
    if wanted("slot") {
        for &vehicles in &args.vehicles {
            let begun = figures.len();
            figures.extend(slot::measure(&args, vehicles).await?);
            announce(&args, &figures, begun);
        }
    }
    if args.json {
        println!(
            "{}",
            json!({ "machine": machine, "runs": args.runs, "figures": figures.iter().map(Figure::json).collect::<Vec<_>>() })
        );
    }
    Ok(())
}

fn announce(args: &Bench, figures: &[Figure], from: usize) {
    if !args.json {
        for figure in &figures[from..] {
            println!("{}", figure.line());
        }
    }
}
