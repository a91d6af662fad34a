//! What simulated cars of a brand tell beside their signals: plausible values of the right shape, drawn once per car.

use std::time::Duration;

use domain::{
    signal::{BrandRead, Details, Value},
    time::Timestamp,
};

use super::{
    chance::Draw,
    charger::charge_limit,
    journey::{Activity, Moment},
    mishap::weather,
    settings::shown,
    spec::CarSpec,
};

/// All that a car tells for a read of its brand, by the names of the fields.
pub(super) fn details(spec: &CarSpec, moment: &Moment, read: BrandRead, captured_at: Timestamp) -> Details {
    let value = |name| Some((name, value(spec, moment, read.path(), name, captured_at)?));
    let values = read.fields().iter().filter_map(|field| value(field.name)).collect();
    Details { captured_at, values }
}

fn value(spec: &CarSpec, moment: &Moment, path: &str, name: &str, captured_at: Timestamp) -> Option<Value> {
    let set = &spec.settings;
    let charging = moment.activity == Activity::Charging;
    let fast = moment.charging.charger.is_fast();
    let range = spec.model().electric_range_km;
    let added_km = || {
        let share = moment.charging.added_kwh / spec.model().battery_kwh;
        (share * range).round()
    };
    Some(match name {
        "chargeType" => text(if !charging { "NONE" } else if fast { "DC" } else { "AC" }),
        "chargePortColor" => text(match moment.activity {
            Activity::Charging => "GREEN",
            Activity::Charged | Activity::Interrupted => "BLUE",
            _ => "OFF",
        }),
        "chargeMode" => text("manual"),
        "externalPowerStatus" => text(if moment.activity.is_plugged_in() { "ACTIVE" } else { "UNAVAILABLE" }),
        "records" => records(spec, path, captured_at),
        "hasMoreData" | "inService" | "requiresMigration" | "notEnoughPowerToHeat" => Value::Flag(false),
        "isPaired" => Value::Flag(true),
        "heaterOn" => Value::Flag(charging && weather(spec, moment) < 8.0),
        "chargingLocations" => places(spec),
        "chargeSchedules" if set.charge_days.is_some() => {
            Value::Json(shown::charge_days(&set.charge_days?))
        }
        "chargeSchedules" => Value::Json(
            r#"[{"start":"22:00","end":"06:00","days":["MONDAY","TUESDAY","WEDNESDAY","THURSDAY","FRIDAY"]}]"#.into(),
        ),
        "alerts" => Value::Json("[]".into()),
        "rangeEstimated" => Value::Number((moment.charge / 100.0 * range * 0.94).round()),
        "rangeIdeal" => Value::Number((moment.charge / 100.0 * range * 1.08).round()),
        "percentRemainingUsable" => Value::Number((moment.charge - 1.0).max(0.0).round()),
        "maxRangeChargeCounter" => Value::Number(Draw::Linger.between(spec.seed, 0.0, 40.0).floor()),
        "status" if path == "/tesla/climate/cabin" => {
            Value::Flag(set.cabin_on.unwrap_or(moment.activity == Activity::Moving))
        }
        "temperature" if path == "/tesla/climate/cabin" => {
            Value::Number(set.cabin_target.map_or(21.0, |tenths| f64::from(tenths) / 10.0))
        }
        "frontStatus" | "rearStatus" => Value::Flag(set.defroster.unwrap_or(false)),
        "status" if path == "/tesla/climate/steering_wheel" => Value::Flag(set.steering_wheel.unwrap_or(false)),
        "status" => text(if moment.activity == Activity::Parked { "ASLEEP" } else { "ONLINE" }),
        "socLimitMax" => Value::Number(100.0),
        "socLimitMin" => Value::Number(50.0),
        "socLimitDefault" => Value::Number(80.0),
        "amperageRequested" if moment.activity.is_plugged_in() && set.amperage.is_some() => {
            Value::Number(set.amperage.map_or(0.0, |tenths| f64::from(tenths) / 10.0))
        }
        "amperageRequested" | "amperageMaxCharger" if moment.activity.is_plugged_in() => {
            Value::Number((moment.charging.charger.most_amperes(spec.region) * 10.0).round() / 10.0)
        }
        "amperageRequested" | "amperageMaxCharger" => Value::Number(0.0),
        "rangeAddedRated" => Value::Number(added_km()),
        "rangeAddedIdeal" => Value::Number((added_km() * 1.08).round()),
        "connector" if moment.activity.is_plugged_in() => text("TYPE_2"),
        "fastChargerType" if charging && fast => text("CCS"),
        "departureTime" if set.charge_time.is_some() => {
            Value::Json(shown::charge_time(set.charge_time?, true))
        }
        "startTime" if set.charge_time.is_some() => Value::Json(shown::charge_time(set.charge_time?, false)),
        "departureTime" => Value::Json(r#"{"enabled":false,"time":"07:30"}"#.into()),
        "startTime" => Value::Json(r#"{"enabled":false,"time":"22:00"}"#.into()),
        "direction" => text(compass_point(moment.heading)),
        "heading" => Value::Number(moment.heading.round().rem_euclid(360.0)),
        "firmwareVersion" => text("2026.8.3"),
        "trimBadging" => text("LONG_RANGE"),
        "nickname" => text("Simulated"),
        "driverAssistVersion" => text("4"),
        "atHome" => Value::Flag(moment.driven_km == 0.0),
        "sentryMode" => Value::Json(r#"{"available":true,"enabled":false}"#.into()),
        "style" => Value::Json(
            r#"{"exteriorColor":"Blue","exteriorTrim":"Black","interiorTrim":"Black"}"#.into(),
        ),
        "wheel" => Value::Json(r#"{"style":"Aero","diameter":457}"#.into()),
        "driveUnit" => Value::Json(r#"{"rear":"Standard","front":"NoneOrSmall"}"#.into()),
        "accessType" => text("OWNER"),
        "permissions" => Value::Json(r#"{"values":["vehicle_read","vehicle_location"]}"#.into()),
        "email" => text("owner@example.com"),
        _ => return None,
    })
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// Two nights at the wall box, the last and the one before.
fn records(spec: &CarSpec, path: &str, now: Timestamp) -> Value {
    const DAY: i64 = 86_400;
    let midnight = now.as_secs() / DAY * DAY;
    let energy = (spec.model().battery_kwh * 40.0).round() / 100.0;
    let record = |days: i64| {
        let start = Timestamp::from_secs(midnight - days * DAY - 2 * 3_600);
        let end = start + Duration::from_secs(5 * 3_600);
        let number = (midnight / DAY - days).unsigned_abs();
        match path {
            "/tesla/charge/records/billing" => format!(
                concat!(
                    r#"{{"chargeStart":"{}","chargeEnd":"{}","energyConsumed":{},"#,
                    r#""cost":{{"currency":"USD","energy":{},"other":0}},"location":null,"recordId":"{}-{}"}}"#
                ),
                start,
                end,
                energy,
                (energy * 15.0).round() / 100.0,
                spec.seed,
                number
            ),
            _ => format!(
                concat!(
                    r#"{{"chargeStart":"{}","chargeEnd":"{}","location":null,"energy":{},"isPublic":false,"#,
                    r#""startPercentRemaining":0.4,"endPercentRemaining":{},"chargingType":"AC"}}"#
                ),
                start,
                end,
                energy,
                charge_limit(spec) / 100.0
            ),
        }
    };
    Value::Json(format!("[{},{}]", record(0), record(1)))
}

/// The place where the car began.
fn places(spec: &CarSpec) -> Value {
    let (latitude, longitude) = (f64::from(spec.begin.latitude) / 1e6, f64::from(spec.begin.longitude) / 1e6);
    let usual = || r#"{"weekday":[{"start":"22:00","end":"06:00"}],"weekend":[]}"#.to_owned();
    let set = spec.settings.charge_hours.as_ref();
    Value::Json(format!(
        concat!(
            r#"[{{"chargeLimit":{},"location":{{"latitude":{},"longitude":{}}},"#,
            r#""chargingSchedules":{}}}]"#
        ),
        set.map_or(charge_limit(spec), |set| set.limit).round() / 100.0,
        latitude,
        longitude,
        set.map_or_else(usual, shown::charge_hours),
    ))
}

fn compass_point(heading: f64) -> &'static str {
    const POINTS: [&str; 8] = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"];
    POINTS[((heading.rem_euclid(360.0) + 22.5) / 45.0) as usize % POINTS.len()]
}
