//! Configuration: one documented file that is also the defaults, the environment over it, flags over both. It is checked
//! whole before anything is opened.

use std::{collections::BTreeMap, fmt, net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use anyhow::{Context, Result, anyhow, bail, ensure};
use app::{
    ConnectSettings, DeliverySettings, Plan, Plans, ReadSettings, RetentionSettings, Settings, VehicleRates,
};
use domain::{limits::Limit, webhook::Kind};
use egress::Proxy;
use serde::Deserialize;
use toml::{Table, Value};
use url::Url;
use web::{Limits, TrustedProxies};

/// The file with every setting and its default.
pub(crate) const DEFAULTS: &str = include_str!("config.default.toml");

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub server: Server,
    pub log: Log,
    pub delivery: Delivery,
    pub reads: Reads,
    pub retention: Retention,
    pub egress: EgressSection,
    pub connect: ConnectSection,
    pub plans: BTreeMap<String, PlanSection>,
    /// How many times faster than people the clock runs; only the demo's does.
    #[serde(skip)]
    pub pace: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    pub listen: SocketAddr,
    pub origin: String,
    pub data: PathBuf,
    pub metrics_listen: String,
    pub stop_within_s: u64,
    pub tls_cert: PathBuf,
    pub tls_key: PathBuf,
    pub trusted_proxies: Vec<String>,
    pub body_kib: usize,
    pub bodies_mib: usize,
    pub header_kib: usize,
    pub header_s: u64,
    pub request_s: u64,
    pub requests: usize,
    pub requests_per_client: usize,
    pub connections: usize,
    pub connections_per_client: usize,
}

impl Server {
    /// The bounds of what comes in.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            body: self.body_kib << 10,
            bodies: self.bodies_mib << 20,
            request: Duration::from_secs(self.request_s),
            requests: self.requests,
            requests_per_client: self.requests_per_client,
            headers: Duration::from_secs(self.header_s),
            header_bytes: self.header_kib << 10,
            connections: self.connections,
            connections_per_client: self.connections_per_client,
            ..Limits::default()
        }
    }

    /// Who is believed when it says who asks.
    pub(crate) fn trusted_proxies(&self) -> Result<TrustedProxies> {
        TrustedProxies::parse(&self.trusted_proxies).map_err(|text| {
            anyhow!("server.trusted_proxies: {text:?} is neither an address nor a network like 10.0.0.0/8")
        })
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub format: LogFormat,
    pub level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delivery {
    pub deadline_s: u64,
    pub window: usize,
    pub lane_in_flight: u32,
    pub in_flight: usize,
    pub max_age_h: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reads {
    pub in_flight: usize,
    pub per_second: f64,
    pub deadline_s: u64,
    pub vehicle_per_minute: BTreeMap<String, f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retention {
    pub observations_h: u64,
    pub log_days: u64,
    pub roll_ups_days: u64,
    pub max_mib: u64,
    pub min_free_mib: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EgressSection {
    pub allow: Vec<String>,
    pub deny: Vec<String>,
    pub ca_file: String,
    pub nameservers: Vec<SocketAddr>,
    pub proxy: ProxyAddress,
    pub no_proxy: Vec<String>,
    pub proxy_resolves_names: bool,
}

impl EgressSection {
    /// The outgoing proxy, if there is one.
    pub(crate) fn proxy(&self) -> Result<Option<Proxy>> {
        let ProxyAddress(address) = &self.proxy;
        if address.is_empty() {
            ensure!(
                self.no_proxy.is_empty() && !self.proxy_resolves_names,
                "egress.no_proxy and egress.proxy_resolves_names say nothing without egress.proxy"
            );
            return Ok(None);
        }
        Ok(Some(Proxy::parse(address, &self.no_proxy, self.proxy_resolves_names)?))
    }
}

/// The address of a proxy, which may hold a password: it is shown nowhere.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct ProxyAddress(String);

impl fmt::Debug for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "ProxyAddress(..)" })
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectSection {
    pub simulated: bool,
}

/// What the applications of one plan may use.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanSection {
    pub webhooks: Option<Vec<String>>,
    pub vehicles: Option<u64>,
    pub requests: Option<u64>,
    pub burst: Option<f64>,
    pub per_minute: Option<f64>,
}

/// What a limit may be that is given as a number.
const POSITIVE: RangeInclusive<f64> = 0.1..=1e9;

/// The section whose tables are named by the operator.
const PLANS: &str = "plans";

impl Config {
    /// The defaults, the file's settings over them, and the environment's over both.
    pub(crate) fn load(file: Option<&PathBuf>, env: impl Iterator<Item = (String, String)>) -> Result<Self> {
        let mut table: Table = DEFAULTS.parse().expect("the defaults are valid TOML");
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the configuration {}", path.display()))?;
            let own: Table = text.parse().with_context(|| format!("{} is not valid TOML", path.display()))?;
            merge(&mut table, own)?;
        }
        for (name, value) in env {
            override_one(&mut table, &name, &value)?;
        }
        let config: Self = table.try_into().map_err(|error| wrong_value(&error))?;
        config.check()?;
        Ok(config)
    }

    /// The same, with the variables of this process.
    pub(crate) fn of_process(file: Option<&PathBuf>) -> Result<Self> {
        let mut settings = Vec::new();
        for (name, value) in std::env::vars_os() {
            // Only our own variables have to be readable.
            let Some(name) = name.to_str().filter(|name| name.starts_with("MILEPOST_")) else { continue };
            let value = value.into_string().ok().with_context(|| format!("{name} is not valid UTF-8"))?;
            settings.push((name.to_owned(), value));
        }
        Self::load(file, settings.into_iter())
    }

    /// What no single value shows to be wrong.
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(self.delivery.deadline_s >= 1, "delivery.deadline_s must be at least 1");
        ensure!(
            (16..=1_000_000).contains(&self.delivery.window),
            "delivery.window must be a number from 16 to 1000000"
        );
        ensure!(self.delivery.lane_in_flight >= 1, "delivery.lane_in_flight must be at least 1");
        ensure!(
            self.delivery.in_flight >= self.delivery.lane_in_flight as usize,
            "delivery.in_flight must not be below delivery.lane_in_flight"
        );
        ensure!(
            self.retention.observations_h > self.delivery.max_age_h,
            "retention.observations_h must be above delivery.max_age_h, or waiting events would lose their bodies"
        );
        ensure!(self.reads.in_flight >= 1, "reads.in_flight must be at least 1");
        ensure!(
            self.reads.per_second >= 0.0,
            "reads.per_second must not be negative; 0 leaves the rate open"
        );
        self.server.trusted_proxies()?;
        self.egress.proxy()?;
        let Server { body_kib, bodies_mib, header_kib, header_s, request_s, .. } = self.server;
        ensure!(
            header_kib >= 8 && body_kib >= 1 && header_s >= 1 && request_s >= 1,
            "server.header_kib must be at least 8, server.body_kib, header_s and request_s at least 1"
        );
        ensure!(
            bodies_mib << 10 >= body_kib,
            "server.bodies_mib must not be below server.body_kib: a single body has to fit"
        );
        let Server { requests, requests_per_client, connections, connections_per_client, .. } = self.server;
        ensure!(
            [requests, requests_per_client, connections, connections_per_client]
                .iter()
                .all(|&most| most >= 1),
            "server.requests, requests_per_client, connections and connections_per_client must be at least 1"
        );
        check_origin(&self.server.origin)?;
        for (make, &number) in &self.reads.vehicle_per_minute {
            ensure!(
                make == VehicleRates::OTHERS || is_brand(make),
                "reads.vehicle_per_minute: {make:?} is not a brand; write it like KIA or LAND ROVER, or \"*\" for the others"
            );
            ensure!(
                POSITIVE.contains(&number),
                "reads.vehicle_per_minute: {make} needs a number from 0.1 on; leave it out for no limit"
            );
        }
        self.plans().map(drop)
    }

    fn vehicle_rates(&self) -> VehicleRates {
        let of_brand = |(make, &number): (&String, &f64)| (make.clone(), Limit::each_minute(number));
        VehicleRates(self.reads.vehicle_per_minute.iter().map(of_brand).collect())
    }

    /// The plans that are configured, with the generations of webhooks that they name.
    fn plans(&self) -> Result<Plans> {
        let plan = |(name, section): (&String, &PlanSection)| {
            let words = section.webhooks.as_deref();
            ensure!(
                words.is_none_or(|words| !words.is_empty()),
                "plans.{name}.webhooks names none; leave it out to allow all of them"
            );
            let kinds = words.unwrap_or_default().iter().map(|word| {
                Kind::from_word(word).with_context(|| {
                    let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
                    format!("plans.{name}.webhooks: {word:?} is not one of {}", known.join(", "))
                })
            });
            let webhooks = kinds.collect::<Result<_>>()?;
            let PlanSection { vehicles, requests, burst, per_minute, .. } = *section;
            let positive = |name: &str, number: Option<f64>| {
                let ok = number.is_none_or(|number| POSITIVE.contains(&number));
                ensure!(ok, "plans.{name} must be a number from 0.1 on; leave it out for no limit");
                Ok(number)
            };
            let burst = positive(&format!("{name}.burst"), burst)?;
            let per_minute = positive(&format!("{name}.per_minute"), per_minute)?;
            ensure!(
                burst.is_some() == per_minute.is_some(),
                "plans.{name} needs both burst and per_minute, or neither"
            );
            ensure!(burst.is_none_or(|burst| burst >= 1.0), "plans.{name}.burst must be at least 1");
            let rate = burst.zip(per_minute).map(|(burst, per_minute)| Limit { burst, per_minute });
            Ok((name.clone(), Plan { webhooks, vehicles, requests, rate }))
        };
        Ok(Plans(self.plans.iter().map(plan).collect::<Result<_>>()?))
    }

    /// Where the server is reached from outside, for links.
    pub(crate) fn origin(&self) -> String {
        match self.server.origin.as_str() {
            "" => format!("http://{}", self.server.listen),
            origin => origin.to_owned(),
        }
    }

    /// The settings of the application.
    pub(crate) fn settings(&self) -> Settings {
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        let defaults = Settings::default();
        Settings {
            pace: self.pace.unwrap_or(1),
            origin: self.origin(),
            delivery: DeliverySettings {
                deadline: Duration::from_secs(self.delivery.deadline_s),
                window: self.delivery.window,
                lane_in_flight: self.delivery.lane_in_flight,
                in_flight: self.delivery.in_flight,
                max_age: hours(self.delivery.max_age_h),
                ..defaults.delivery
            },
            reads: ReadSettings {
                in_flight: self.reads.in_flight,
                per_second: (self.reads.per_second > 0.0).then_some(self.reads.per_second),
                deadline: Duration::from_secs(self.reads.deadline_s),
                vehicle_rates: self.vehicle_rates(),
                ..defaults.reads
            },
            retention: RetentionSettings {
                observations: hours(self.retention.observations_h),
                log: hours(24 * self.retention.log_days),
                roll_ups: hours(24 * self.retention.roll_ups_days),
                max_bytes: (self.retention.max_mib > 0).then_some(self.retention.max_mib << 20),
                min_free_bytes: self.retention.min_free_mib << 20,
                check_every: Some(hours(24)),
                ..defaults.retention
            },
            plans: self.plans().expect("a configuration is checked as it is loaded"),
            connect: ConnectSettings { simulated: self.connect.simulated },
        }
    }
}

/// Where the server is reached: scheme and host, perhaps with a path under which a proxy has it.
fn check_origin(origin: &str) -> Result<()> {
    if origin.is_empty() {
        return Ok(());
    }
    let help = "server.origin must look like https://milepost.example.com or https://example.com/milepost, \
                without a slash at the end";
    let url = Url::parse(origin).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.with_context(|| format!("{help}, not {origin:?}"))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let segments: Vec<&str> = url.path().split('/').skip(1).collect();
    let is_path =
        segments == [""] || segments.iter().all(|segment| !segment.is_empty() && segment.bytes().all(plain));
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    // What the parser has changed would be compared and linked in another spelling than browsers use.
    let as_written = url.as_str().trim_end_matches('/') == origin;
    ensure!(is_path && is_bare && as_written, "{help}, not {origin:?}");
    let first = segments[0];
    ensure!(
        !web::is_reserved(first),
        "server.origin: the server has paths of its own below /{first}, so its path cannot begin so; \
         take another one, such as /milepost"
    );
    Ok(())
}

/// Whether a word is written as brands are: `LAND ROVER`.
fn is_brand(word: &str) -> bool {
    !word.is_empty()
        && word
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b" _-".contains(&byte))
}

/// A value of another kind than its setting, with how that is written.
fn wrong_value(error: &toml::de::Error) -> anyhow::Error {
    let text = error.to_string();
    let setting = text.split("in `").nth(1).and_then(|rest| rest.split('`').next()).unwrap_or_default();
    let defaults: Table = DEFAULTS.parse().expect("the defaults are valid TOML");
    let current = setting.split_once('.').and_then(|(section, name)| defaults.get(section)?.get(name));
    let message = error.message();
    match current {
        Some(current) => anyhow!("{setting} must be written like {}: {message}", like(setting, current)),
        None if setting.is_empty() => anyhow!("the configuration has a wrong value: {message}"),
        None => anyhow!("{setting} has a wrong value: {message}"),
    }
}

/// How a setting is written: as its default is, or by an example where that is empty.
fn like(setting: &str, current: &Value) -> String {
    match setting {
        "egress.allow" => r#"["127.0.0.1/32:9000"]"#.into(),
        "egress.deny" | "egress.no_proxy" | "server.trusted_proxies" => r#"["10.0.0.0/8"]"#.into(),
        "egress.nameservers" => r#"["192.0.2.53:53"]"#.into(),
        "reads.vehicle_per_minute" => r#"{ KIA = 4, "*" = 60 }"#.into(),
        _ => current.to_string(),
    }
}

/// Puts the settings of a file over others. What the defaults do not have, nobody has.
fn merge(base: &mut Table, own: Table) -> Result<()> {
    for (section, values) in own {
        let (Some(Value::Table(known)), Value::Table(values)) = (base.get_mut(&section), values) else {
            bail!("the configuration has no section [{section}]; see `milepost serve --print-config`");
        };
        for (name, value) in values {
            ensure!(
                known.contains_key(&name) || section == PLANS,
                "there is no setting {section}.{name}; see `milepost serve --print-config`"
            );
            known.insert(name, value);
        }
    }
    Ok(())
}

/// Applies one variable of the environment, if it is a setting: `MILEPOST_SERVER_LISTEN` is `server.listen`.
fn override_one(table: &mut Table, name: &str, value: &str) -> Result<()> {
    let Some((section, setting)) = name.strip_prefix("MILEPOST_").and_then(|rest| rest.split_once('_'))
    else {
        return Ok(());
    };
    let (section, setting) = (section.to_lowercase(), setting.to_lowercase());
    let Some(Value::Table(known)) = table.get_mut(&section) else { return Ok(()) };
    let toml =
        || format!("value = {value}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    let parsed = match known.get(&setting) {
        // A file that was read into a variable ends with a line end.
        Some(Value::String(_)) => Value::String(value.trim().to_owned()),
        _ if section == PLANS => toml().with_context(|| {
            format!(r#"{name} must be written like {{ webhooks = ["unified"], vehicles = 100 }}"#)
        })?,
        Some(current) => toml().with_context(|| {
            format!("{name} must be written like {}", like(&format!("{section}.{setting}"), current))
        })?,
        None => bail!("{name} is not a setting; see `milepost serve --print-config`"),
    };
    known.insert(setting, parsed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(env: &[(&str, &str)]) -> Result<Config> {
        Config::load(None, env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())))
    }

    #[test]
    fn the_documented_file_is_the_defaults_of_the_application() {
        let settings = load(&[]).unwrap().settings();
        // A server looks through its store once a day; the application alone, as simulated worlds run it, does not.
        let mut defaults = Settings::default();
        defaults.retention.check_every = Some(std::time::Duration::from_secs(86_400));
        assert_eq!(format!("{settings:?}"), format!("{defaults:?}"));
    }

    #[test]
    fn the_environment_is_over_the_file() {
        let config =
            load(&[("MILEPOST_SERVER_LISTEN", "0.0.0.0:9000"), ("MILEPOST_DELIVERY_WINDOW", "100")]).unwrap();
        assert_eq!(config.server.listen.port(), 9000);
        assert_eq!(config.delivery.window, 100);
        assert_eq!(load(&[("MILEPOST_ADMIN_TOKEN", "x"), ("HOME", "/")]).unwrap().delivery.window, 4096);
    }

    #[test]
    fn an_origin_may_have_a_path_and_a_variable_may_end_with_a_line_end() {
        for origin in ["", "http://127.0.0.1:8080", "http://[::1]:81/a", "https://a.example/milepost/eu"] {
            let config = load(&[("MILEPOST_SERVER_ORIGIN", &format!("{origin}\r\n"))]);
            assert_eq!(config.unwrap().server.origin, origin);
        }
    }

    #[test]
    fn plans_come_from_file_and_environment_and_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("milepost.toml");
        let text = "[plans.small]\nwebhooks = [\"scheduled\", \"unified\"]\nvehicles = 100\nrequests = 500\n[plans.free]\n";
        std::fs::write(&file, text).unwrap();
        let env = ("MILEPOST_PLANS_FREE".to_owned(), "{ vehicles = 1 }".to_owned());
        let Plans(plans) = Config::load(Some(&file), [env].into_iter()).unwrap().settings().plans;
        let small = Plan {
            webhooks: vec![Kind::Scheduled, Kind::Unified],
            vehicles: Some(100),
            requests: Some(500),
            ..Plan::default()
        };
        assert_eq!(plans["small"], small);
        assert_eq!(plans["free"], Plan { vehicles: Some(1), ..Plan::default() });
        let limited = [("MILEPOST_PLANS_FREE", "{ burst = 120, per_minute = 2 }")];
        let Plans(plans) = load(&limited).unwrap().settings().plans;
        assert_eq!(plans["free"].rate, Some(Limit { burst: 120.0, per_minute: 2.0 }));

        let error = |value| format!("{:#}", load(&[("MILEPOST_PLANS_FREE", value)]).unwrap_err());
        let said = error(r#"{ webhooks = ["hourly"] }"#);
        assert!(
            said.contains(r#"plans.free.webhooks: "hourly" is not one of scheduled, eventBased"#),
            "{said}"
        );
        assert!(error("{ webhooks = [] }").contains("plans.free.webhooks names none"));
        assert!(error("{ burst = 120 }").contains("needs both burst and per_minute"));
        assert!(error("{ burst = 0.5, per_minute = 2 }").contains("plans.free.burst must be"));
        assert!(error("{ burst = 5, per_minute = 0 }").contains("plans.free.per_minute must be"));
        assert!(error("unified").contains("must be written like"));
        assert!(error("{ cars = 1 }").contains("unknown field `cars`"));
    }

    #[test]
    fn an_outgoing_proxy_is_checked_and_its_password_is_shown_nowhere() {
        assert!(load(&[]).unwrap().egress.proxy().unwrap().is_none());
        let set =
            |value| [("MILEPOST_EGRESS_PROXY", value), ("MILEPOST_EGRESS_NO_PROXY", r#"["10.0.0.0/8"]"#)];
        let config = load(&set("http://user:s3cret@proxy.example:3128")).unwrap();
        assert!(config.egress.proxy().unwrap().is_some());
        assert!(!format!("{config:?}").contains("s3cret"));
        let error = format!("{:#}", load(&set("socks5://user:s3cret@proxy.example")).unwrap_err());
        assert!(error.contains("egress.proxy must look like") && !error.contains("s3cret"), "{error}");
        let error = format!("{:#}", load(&set("")).unwrap_err());
        assert!(error.contains("say nothing without egress.proxy"), "{error}");
    }

    #[test]
    fn simulated_cars_are_switched_off_for_strangers() {
        let simulated = |env| load(env).map(|config: Config| config.settings().connect.simulated);
        assert!(simulated(&[]).unwrap());
        assert!(!simulated(&[("MILEPOST_CONNECT_SIMULATED", "false")]).unwrap());
        let error = format!("{:#}", simulated(&[("MILEPOST_CONNECT_SIMULATED", "off")]).unwrap_err());
        assert!(error.contains("must be written like true"), "{error}");
    }

    #[test]
    fn brands_bear_so_many_requests_about_one_vehicle() {
        let name = "MILEPOST_READS_VEHICLE_PER_MINUTE";
        let rates = load(&[(name, r#"{ KIA = 4, "LAND ROVER" = 0.5, "*" = 60 }"#)]).unwrap().settings().reads;
        let of = |make| rates.vehicle_rates.of(make).map(|limit| limit.per_minute);
        assert_eq!([of("KIA"), of("LAND ROVER"), of("TESLA")], [Some(4.0), Some(0.5), Some(60.0)]);
        assert_eq!(load(&[]).unwrap().settings().reads.vehicle_rates.of("KIA"), None);
        let error = |value| format!("{:#}", load(&[(name, value)]).unwrap_err());
        assert!(error("{ kia = 4 }").contains(r#""kia" is not a brand"#));
        assert!(error("{ KIA = 0 }").contains("KIA needs a number from 0.1 on"));
    }

    #[test]
    fn a_value_of_another_kind_is_answered_in_one_line_with_how_its_setting_is_written() {
        let error = |name, value| format!("{:#}", load(&[(name, value)]).unwrap_err());
        for (name, value, said) in [
            ("MILEPOST_SERVER_LISTEN", "abc", "server.listen must be written like \"127.0.0.1:8080\""),
            ("MILEPOST_SERVER_REQUESTS", "\"x\"", "server.requests must be written like 1024"),
            ("MILEPOST_EGRESS_ALLOW", "127.0.0.1", "MILEPOST_EGRESS_ALLOW must be written like [\"127.0.0.1/32:9000\"]"),
            ("MILEPOST_EGRESS_ALLOW", "5", "egress.allow must be written like [\"127.0.0.1/32:9000\"]"),
            ("MILEPOST_SERVER_TRUSTED_PROXIES", "x", "MILEPOST_SERVER_TRUSTED_PROXIES must be written like [\"10.0.0.0/8\"]"),
        ] {
            let error = error(name, value);
            assert!(error.starts_with(said) && error.lines().count() == 1, "{error}");
        }
        // Examples of settings that are empty by default can be used.
        let defaults: Table = DEFAULTS.parse().unwrap();
        for (section, settings) in &defaults {
            for (name, current) in settings.as_table().into_iter().flatten() {
                let is_empty = matches!(current, Value::Array(list) if list.is_empty());
                if is_empty || matches!(current, Value::Table(table) if table.is_empty()) {
                    let variable = format!("MILEPOST_{}_{}", section.to_uppercase(), name.to_uppercase());
                    let example = like(&format!("{section}.{name}"), current);
                    assert_ne!(example, current.to_string(), "{section}.{name}");
                    let mut env = vec![(variable.as_str(), example.as_str())];
                    if name == "no_proxy" {
                        env.push(("MILEPOST_EGRESS_PROXY", "http://proxy.example:3128"));
                    }
                    load(&env).unwrap_or_else(|error| panic!("{variable}={example}: {error:#}"));
                }
            }
        }
    }

    #[test]
    fn fault_i3_wrong_settings_are_named() {
        let error = |env| format!("{:#}", load(env).unwrap_err());
        assert!(
            error(&[("MILEPOST_DELIVERY_WINDWO", "1")]).contains("MILEPOST_DELIVERY_WINDWO is not a setting")
        );
        assert!(error(&[("MILEPOST_DELIVERY_WINDOW", "x")]).contains("must be written like 4096"));
        assert!(error(&[("MILEPOST_RETENTION_OBSERVATIONS_H", "1")]).contains("retention.observations_h"));
        for origin in [
            "example.com/",
            "https://example.com/",
            "ftp://example.com",
            "https://",
            "https://a.example/x/",
            "https://a.example/x//y",
            "https://a.example?x",
            "https://a.example/#x",
            "https://u@a.example",
            "https://A.example",
            "https://a.example/ä",
            "https://a.example:443",
        ] {
            let env = [("MILEPOST_SERVER_ORIGIN", origin)];
            let said = format!("{:#}", load(&env).unwrap_err());
            assert!(said.contains("server.origin must look like"), "{origin}: {said}");
        }
        for origin in ["https://a.example/api", "https://a.example/v2.0", "https://a.example/oauth/x"] {
            let env = [("MILEPOST_SERVER_ORIGIN", origin)];
            let said = format!("{:#}", load(&env).unwrap_err());
            assert!(said.contains("take another one"), "{origin}: {said}");
        }
    }
}
