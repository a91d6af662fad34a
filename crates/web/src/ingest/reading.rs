//! One reading on the wire.

use std::borrow::Cow;

use app::PushedReading;
use domain::{
    ids::VehicleId,
    payload::json::text_of,
    signal::{SignalId, read as read_value},
    time::Timestamp,
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::decode::{self, Source};

/// Bytes of a reading's id.
const MOST_ID: usize = 256;

/// The reading in these bytes, or why they are none.
pub(super) fn read(raw: &[u8]) -> Result<PushedReading, String> {
    // A reading is an object, and not a list of its members in order.
    let is_object = raw.trim_ascii_start().starts_with(b"{");
    match serde_json::from_slice::<Item<'_>>(raw).ok().filter(|_| is_object) {
        Some(item) => item.into_reading(),
        None => Err(refusal(raw)),
    }
}

/// Why these bytes are no reading, in the words of every other refusal. Readings that can be read are not parsed into a tree.
fn refusal(raw: &[u8]) -> String {
    match decode::json_of::<Members>(raw, Source::Reading) {
        Err(refusal) => refusal.sentence(Source::Reading),
        Ok(_) => "the reading cannot be read".into(),
    }
}

/// The members of a reading, as [`Item`] has them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only whether it can be read is asked")]
struct Members {
    vehicle_id: String,
    signal: String,
    value: IgnoredAny,
    observed_at: Option<IgnoredAny>,
    id: Option<String>,
    sequence: Option<IgnoredAny>,
    reset: Option<bool>,
}

/// One reading on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Item<'b> {
    #[serde(borrow)]
    id: Option<Cow<'b, str>>,
    #[serde(borrow)]
    vehicle_id: Cow<'b, str>,
    #[serde(borrow)]
    signal: Cow<'b, str>,
    #[serde(borrow)]
    value: &'b RawValue,
    #[serde(borrow)]
    observed_at: Option<&'b RawValue>,
    #[serde(borrow)]
    sequence: Option<&'b RawValue>,
    reset: Option<bool>,
}

impl Item<'_> {
    /// The reading, or why it is none.
    fn into_reading(self) -> Result<PushedReading, String> {
        let vehicle: VehicleId = self.vehicle_id.parse().map_err(|_| "vehicleId is not a UUID".to_owned())?;
        let signal = SignalId::from_code(&self.signal).ok_or_else(|| {
            format!("there is no signal {:?}; see /docs/signals on this server", self.signal)
        })?;
        let id = self.id.map(Cow::into_owned);
        if id.as_ref().is_some_and(|id| id.len() > MOST_ID) {
            return Err(format!("id is longer than {MOST_ID} bytes"));
        }
        let read = read_value(signal, self.value.get())?;
        Ok(PushedReading {
            vehicle,
            signal,
            value: read.value,
            ignored: read.ignored,
            observed_at: self.observed_at.map(|at| moment(at.get())).transpose()?.flatten(),
            id,
            sequence: self.sequence.map(|number| sequence(number.get())).transpose()?,
            reset: self.reset.unwrap_or(false),
        })
    }
}

/// The number of a reading, as JSON: a whole number, or its digits as text.
fn sequence(json: &str) -> Result<u64, String> {
    let text = text_of(json).unwrap_or(json.into());
    let whole = text.trim().parse::<u64>().ok().or_else(|| {
        let number = text.trim().parse::<f64>().ok()?;
        ((0.0..9_007_199_254_740_992.0).contains(&number) && number.fract() == 0.0).then_some(number as u64)
    });
    let bounded = whole.filter(|&number| i64::try_from(number).is_ok());
    bounded.ok_or_else(|| format!("sequence {} is not a whole number from 0 to {}", shown(json), i64::MAX))
}

/// 2000-01-01, before which no number of seconds is a moment.
const FIRST: i64 = 946_684_800;

/// A moment, as JSON: text of RFC 3339, or a number since 1970 as such or as text. Milliseconds are meant, and seconds,
/// microseconds and nanoseconds are known by their size: none of the four can be taken for another. 0 is no moment.
fn moment(json: &str) -> Result<Option<Timestamp>, String> {
    let text = text_of(json).unwrap_or(json.into());
    let text = text.trim();
    if text.parse() == Ok(0.0) {
        return Ok(None);
    }
    // Text of an earlier year is a moment, of a clock that was not set.
    let Some(at) = Timestamp::read(text).or_else(|| Timestamp::parse(text).filter(|at| at.as_secs() < FIRST))
    else {
        return Err(format!(
            "observedAt {} is not a moment such as 2026-05-01T10:00:00Z or 1777629600000",
            shown(json)
        ));
    };
    match at < Timestamp::EARLIEST_MEASURED {
        true => Err(format!(
            "observedAt {} lies before 2010, so the clock was not set; leave it out, and the moment of arrival counts",
            shown(json)
        )),
        false => Ok(Some(at)),
    }
}

/// A JSON text, short enough for a message.
fn shown(json: &str) -> String {
    json.chars().take(48).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_text_or_a_number_in_any_common_unit() {
        let at = Some(Timestamp::from_millis(1_777_629_600_000));
        for json in [
            "1777629600000",
            "1777629600",
            "1777629600000000",
            "1777629600000000000",
            "1777629600.0",
            "1.7776296e12",
            r#""1777629600000""#,
            r#""1777629600""#,
            r#""2026-05-01T10:00:00Z""#,
            r#""2026-05-01T12:00:00+02:00""#,
            r#""2026-05-01T10:00:00.0000000000000Z""#,
        ] {
            assert_eq!(moment(json), Ok(at), "{json}");
        }
        let fraction = Timestamp::from_micros(1_777_629_600_123_400);
        assert_eq!(moment("1777629600123.4"), Ok(Some(fraction)));
        assert_eq!(moment("0"), Ok(None));
    }

    #[test]
    fn what_is_no_reading_is_refused_by_its_members() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let refused = |raw: &str| read(raw.replace("ID", id).as_bytes()).unwrap_err();
        let told = [
            r#"["ID","odometer-traveleddistance",1]"#,
            "7",
            "",
            r#"{"signal":"odometer-traveleddistance","value":1}"#,
            r#"{"vehicleId":"ID","signal":"odometer-traveleddistance"}"#,
            r#"{"vehicleId":1,"signal":"odometer-traveleddistance","value":1}"#,
            r#"{"vehicleId":"ID","signal":"odometer-traveleddistance","value":1,"reset":"yes"}"#,
            r#"{"vehicleId":"ID","signal":"odometer-traveleddistance","value":1,"unit":"km"}"#,
            r#"{"vehicleId":"ID","signal":"odometer-traveleddistance","value":1,"value":2}"#,
            r#"{"vehicleId":"ID","signal":"odometer-traveleddistance","value":{"value":1,"value":2}}"#,
            r#"{"vehicleId":"ID","signal":"odometer-traveleddistance","value":NaN}"#,
            r#"{"vehicleId":"7","signal":"odometer-traveleddistance","value":1}"#,
        ]
        .map(refused);
        expect_test::expect![[r#"
            the reading is an object, and this is a list
            the reading is an object, and this is a number
            the reading is empty; it must be JSON
            vehicleId is missing
            value is missing
            vehicleId is text, and this is a number
            reset is true or false, and this is text
            nobody knows the member unit; there are vehicleId, signal, value, observedAt, id, sequence, reset
            value is given twice
            value: the same key again
            the reading is not JSON: look at line 1, character 98
            vehicleId is not a UUID"#]]
        .assert_eq(&told.join("\n"));
    }

    #[test]
    fn what_is_no_moment_of_this_age_is_refused() {
        for json in [
            "1",
            "-1777629600000",
            "315964800",
            "315964800000",
            "4294967295",
            "4294967295000",
            "1e300",
            "NaN",
            "true",
            "{}",
            r#""yesterday""#,
            r#""1970-01-01T00:00:00Z""#,
            r#""1980-01-06T00:00:00Z""#,
            r#""2000-01-01T00:00:00Z""#,
            "946684800",
            r#""2106-02-07T06:28:15Z""#,
            r#""""#,
        ] {
            assert!(moment(json).is_err(), "{json}");
        }
        let refused = moment(r#""2000-01-01T00:00:00Z""#).unwrap_err();
        assert!(refused.contains("before 2010"), "{refused}");
    }

    #[test]
    fn a_number_of_a_reading_is_whole_however_it_is_written() {
        for (json, expected) in [
            ("7", Some(7)),
            ("7.0", Some(7)),
            (r#""7""#, Some(7)),
            ("9223372036854775807", Some(i64::MAX as u64)),
            ("9223372036854775808", None),
            ("-1", None),
            ("7.5", None),
            ("true", None),
            (r#""x""#, None),
        ] {
            assert_eq!(sequence(json).ok(), expected, "{json}");
        }
    }
}
