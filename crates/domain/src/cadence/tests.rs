use std::collections::BTreeSet;

use expect_test::{Expect, expect};
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::{
    oracle::{self, Date, Seen},
    *,
};

/// Half-hour shifts, negative daylight saving, a suspension in Ramadan, left-out and repeated days, quarter-hour offsets,
/// changes at midnight and at 23:00, war times, and zones that never change.
const ZONES: [&str; 18] = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "America/Havana",
    "America/New_York",
    "America/Nuuk",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kwajalein",
];

fn at(text: &str) -> Timestamp {
    Timestamp::from_jiff(text.parse().unwrap())
}

fn zone(name: &str) -> Zone {
    name.parse().unwrap()
}

fn local(cadence: Cadence, hour: u8, name: &str) -> Cadence {
    cadence.at_hour(hour).unwrap().in_zone(zone(name)).unwrap()
}

/// The slots later than one moment and not later than another, by walking.
fn between(cadence: &Cadence, after: Timestamp, until: Timestamp) -> Vec<Timestamp> {
    std::iter::successors(Some(cadence.next_after(after)), |&slot| Some(cadence.next_after(slot)))
        .take_while(|&slot| slot <= until)
        .collect()
}

/// Lists the slots in a window.
fn check(cadence: &Cadence, after: &str, until: &str, expected: Expect) {
    let slots = between(cadence, at(after), at(until));
    let lines: Vec<_> = slots.iter().map(|slot| slot.to_string().replace(":00.000Z", "Z")).collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn row_c01_hourly_begins_at_the_next_whole_hour() {
    let hourly = Cadence::every_hours(1).unwrap();
    assert_eq!(hourly.next_after(at("2024-05-01T15:45:00Z")), at("2024-05-01T16:00:00Z"));
}

#[test]
fn row_c02_monthly_comes_at_midnight_utc_of_the_chosen_day() {
    let monthly = Cadence::monthly(17).unwrap();
    check(
        &monthly,
        "2024-05-17T00:00:00Z",
        "2024-07-17T00:00:00Z",
        expect![[r#"
            2024-06-17T00:00Z
            2024-07-17T00:00Z"#]],
    );
}

#[test]
fn every_n_hours_are_the_hours_of_the_utc_day_that_n_divides() {
    for hours in 1..=24 {
        let cadence = Cadence::every_hours(hours).unwrap();
        let day = at("1969-12-30T23:59:59Z");
        let slots = between(&cadence, day, day + std::time::Duration::from_secs(72 * 3600));
        let divided = (0..72).filter(|hour| hour % 24 % i64::from(hours) == 0);
        let expected: Vec<_> = divided.map(|hour| Timestamp::from_secs((hour - 24) * 3600)).collect();
        assert_eq!(slots, expected, "every {hours} hours");
    }
}

#[test]
fn a_slot_is_not_the_next_after_itself() {
    for cadence in
        [Cadence::every_hours(2).unwrap(), Cadence::daily(), local(Cadence::daily(), 0, "Asia/Tokyo")]
    {
        let slot = cadence.next_after(at("2024-05-01T15:45:00Z"));
        assert!(cadence.next_after(slot) > slot);
        assert_eq!(cadence.latest_at_or_before(slot), Some(slot));
    }
}

#[test]
fn fault_d5_a_skipped_hour_moves_the_slot_right_behind_the_gap() {
    check(
        &local(Cadence::daily(), 2, "Europe/Berlin"),
        "2024-03-30T00:00:00Z",
        "2024-04-01T12:00:00Z",
        expect![[r#"
            2024-03-30T01:00Z
            2024-03-31T01:00Z
            2024-04-01T00:00Z"#]],
    );
}

#[test]
fn fault_d5_an_hour_that_comes_twice_has_one_slot_the_first() {
    check(
        &local(Cadence::daily(), 2, "Europe/Berlin"),
        "2024-10-26T12:00:00Z",
        "2024-10-28T12:00:00Z",
        expect![[r#"
            2024-10-27T00:00Z
            2024-10-28T01:00Z"#]],
    );
}

#[test]
fn fault_d5_a_shift_of_half_an_hour_moves_the_slot_by_half_an_hour() {
    check(
        &local(Cadence::daily(), 2, "Australia/Lord_Howe"),
        "2024-10-04T12:00:00Z",
        "2024-10-07T12:00:00Z",
        expect![[r#"
            2024-10-04T15:30Z
            2024-10-05T15:30Z
            2024-10-06T15:00Z"#]],
    );
}

#[test]
fn fault_d5_a_midnight_that_is_skipped_is_the_first_moment_of_the_day() {
    check(
        &local(Cadence::daily(), 0, "Africa/Cairo"),
        "2024-04-24T00:00:00Z",
        "2024-04-26T23:00:00Z",
        expect![[r#"
            2024-04-24T22:00Z
            2024-04-25T22:00Z
            2024-04-26T21:00Z"#]],
    );
}

#[test]
fn fault_d5_a_skipped_last_hour_of_the_day_moves_the_slot_to_midnight() {
    check(
        &local(Cadence::daily(), 23, "America/Nuuk"),
        "2024-03-29T12:00:00Z",
        "2024-04-01T12:00:00Z",
        expect![[r#"
            2024-03-30T01:00Z
            2024-03-31T01:00Z
            2024-04-01T00:00Z"#]],
    );
}

#[test]
fn fault_d5_a_day_that_a_zone_left_out_has_no_slot() {
    check(
        &local(Cadence::daily(), 6, "Pacific/Apia"),
        "2011-12-28T00:00:00Z",
        "2011-12-31T00:00:00Z",
        expect![[r#"
            2011-12-28T16:00Z
            2011-12-29T16:00Z
            2011-12-30T16:00Z"#]],
    );
    check(
        &local(Cadence::weekly(Weekday::Friday), 0, "Pacific/Apia"),
        "2011-12-20T00:00:00Z",
        "2012-01-10T00:00:00Z",
        expect![[r#"
            2011-12-23T10:00Z
            2012-01-05T10:00Z"#]],
    );
    let on_the_30th = local(Cadence::monthly(30).unwrap(), 0, "Pacific/Apia");
    check(
        &on_the_30th,
        "2011-11-01T00:00:00Z",
        "2012-02-01T00:00:00Z",
        expect![[r#"
            2011-11-30T10:00Z
            2012-01-29T10:00Z"#]],
    );
    assert_eq!(on_the_30th.latest_at_or_before(at("2012-01-10T00:00:00Z")), Some(at("2011-11-30T10:00:00Z")));
    assert_eq!(on_the_30th.count_between(at("2011-11-01T00:00:00Z"), at("2012-02-01T00:00:00Z")), 2);
}

#[test]
fn fault_d5_slots_around_every_change_of_a_zone_are_those_that_a_watcher_sees() {
    let pages = oracle::pages();
    for name in ZONES {
        for change in changes(name) {
            let hours = [0, 12, 23].into_iter().chain(hours_shown_at(name, change)).collect();
            compare_around(name, &pages, change, &hours);
        }
    }
}

#[test]
#[ignore = "watches every clock of the world, for many minutes"]
fn soak_slots_of_every_zone_are_those_that_a_watcher_sees() {
    let pages = oracle::pages();
    let hours = (0..24).collect();
    for name in jiff::tz::db().available().filter(|name| name.as_str() != "UTC") {
        for change in changes(name.as_str()) {
            compare_around(name.as_str(), &pages, change, &hours);
        }
    }
}

#[test]
#[ignore = "watches three centuries minute by minute, for many minutes"]
fn soak_slots_of_three_centuries_are_those_that_a_watcher_sees() {
    let pages = oracle::pages();
    for name in ZONES {
        let (from, until) = (at("1900-01-05T00:00:00Z"), at("2199-12-25T00:00:00Z"));
        compare(name, &pages, from, until, &BTreeSet::from([0, 2, 23]));
    }
}

/// When the zone's clock was, or will be, set between 1900 and 2199.
fn changes(name: &str) -> Vec<Timestamp> {
    let (from, until) = (at("1900-01-10T00:00:00Z").to_jiff(), at("2199-12-20T00:00:00Z").to_jiff());
    let rules = TimeZone::get(name).unwrap();
    rules
        .following(from)
        .map(|change| change.timestamp())
        .take_while(|&change| change <= until)
        .map(Timestamp::from_jiff)
        .collect()
}

/// The hours that the clock shows right before and right after it is set.
fn hours_shown_at(name: &str, change: Timestamp) -> [u8; 2] {
    let rules = TimeZone::get(name).unwrap();
    [Timestamp::from_micros(change.as_micros() - 1), change]
        .map(|at| rules.to_datetime(at.to_jiff()).hour().cast_unsigned())
}

fn compare_around(name: &str, pages: &[Date], change: Timestamp, hours: &BTreeSet<u8>) {
    let hour = std::time::Duration::from_secs(3600);
    compare(name, pages, change - hour * 10, change + hour * 30, hours);
}

/// Compares with what the oracle sees, at these hours of the day.
fn compare(name: &str, pages: &[Date], after: Timestamp, until: Timestamp, hours: &BTreeSet<u8>) {
    // The first two days that the watcher sees do not count.
    let seen =
        oracle::watch(&TimeZone::get(name).unwrap(), pages, after.as_secs() - 50 * 3600, until.as_secs());
    let is_within = |seen: &&Seen| after < seen.at() && seen.at() <= until;
    let within: Vec<_> = seen.iter().filter(is_within).copied().collect();
    for &hour in hours {
        let by = |cadence: Cadence, matches: &dyn Fn(Date) -> bool| {
            let cadence = local(cadence, hour, name);
            let of_cadence = |seen: &&Seen| seen.hour == i64::from(hour) && matches(seen.date);
            let expected: Vec<_> = within.iter().filter(of_cadence).map(Seen::at).collect();
            assert_eq!(between(&cadence, after, until), expected, "{cadence}, {after} to {until}");
            assert_eq!(cadence.count_between(after, until), expected.len() as u64, "{cadence}, {after}");
            for slot in expected {
                assert_eq!(cadence.latest_at_or_before(slot), Some(slot), "{cadence}");
                assert_eq!(
                    cadence.next_after(Timestamp::from_micros(slot.as_micros() - 1)),
                    slot,
                    "{cadence}"
                );
            }
        };
        by(Cadence::daily(), &|_| true);
        for weekday in within.iter().map(|seen| seen.date.weekday()).collect::<BTreeSet<_>>() {
            by(Cadence::weekly(Weekday::ALL[weekday as usize]), &|date| date.weekday() == weekday);
        }
        for day in within.iter().map(|seen| seen.date.day as u8).collect::<BTreeSet<_>>() {
            by(Cadence::monthly(day).unwrap(), &|date| date.is_day_of_month(day));
        }
    }
}

impl Seen {
    fn at(&self) -> Timestamp {
        Timestamp::from_secs(self.second)
    }
}

#[test]
fn fault_d6_days_of_the_month_and_of_the_week_are_those_of_the_calendar() {
    let pages = oracle::pages();
    let check = |cadence: Cadence, matches: &dyn Fn(Date) -> bool| {
        let moment = |date: Date| Timestamp::from_secs(date.number * 86_400);
        let expected: Vec<_> =
            pages.iter().filter(|date| matches(**date)).map(|date| moment(*date)).collect();
        let (after, until) = (at("1899-12-31T23:59:59Z"), at("2199-12-31T23:59:59Z"));
        assert_eq!(between(&cadence, after, until), expected, "{cadence}");
        assert_eq!(cadence.count_between(after, until), expected.len() as u64, "{cadence}");
    };
    check(Cadence::daily(), &|_| true);
    for day in Weekday::ALL {
        check(Cadence::weekly(day), &|date| date.weekday() == day as i64);
    }
    for day in 1..=31 {
        check(Cadence::monthly(day).unwrap(), &|date| date.is_day_of_month(day));
    }
}

#[test]
fn fault_d6_the_last_day_of_a_shorter_month_stands_in_for_the_chosen_one() {
    check(
        &Cadence::monthly(30).unwrap().at_hour(6).unwrap(),
        "2024-01-15T00:00:00Z",
        "2025-04-01T00:00:00Z",
        expect![[r#"
            2024-01-30T06:00Z
            2024-02-29T06:00Z
            2024-03-30T06:00Z
            2024-04-30T06:00Z
            2024-05-30T06:00Z
            2024-06-30T06:00Z
            2024-07-30T06:00Z
            2024-08-30T06:00Z
            2024-09-30T06:00Z
            2024-10-30T06:00Z
            2024-11-30T06:00Z
            2024-12-30T06:00Z
            2025-01-30T06:00Z
            2025-02-28T06:00Z
            2025-03-30T06:00Z"#]],
    );
}

#[test]
fn fault_d6_weeks_go_on_over_week_53_and_the_end_of_the_year() {
    check(
        &Cadence::weekly(Weekday::Friday),
        "2020-12-20T00:00:00Z",
        "2021-01-10T00:00:00Z",
        expect![[r#"
            2020-12-25T00:00Z
            2021-01-01T00:00Z
            2021-01-08T00:00Z"#]],
    );
}

#[test]
fn fault_d7_a_leap_second_is_no_slot_and_delays_none() {
    // 2016-12-31T23:59:60Z was the second before this.
    let new_year = at("2017-01-01T00:00:00Z");
    for cadence in [Cadence::every_hours(1).unwrap(), Cadence::daily(), Cadence::monthly(1).unwrap()] {
        assert_eq!(cadence.next_after(at("2016-12-31T23:59:59.999999Z")), new_year);
        assert_eq!(cadence.count_between(at("2016-12-31T23:59:59Z"), at("2017-01-01T00:00:01Z")), 1);
    }
}

#[test]
fn fault_d7_slots_go_on_where_32_bits_of_seconds_end() {
    for (last, next) in
        [(i64::from(i32::MAX), "2038-01-19T04:00:00Z"), (i64::from(u32::MAX), "2106-02-07T07:00:00Z")]
    {
        assert_eq!(Cadence::every_hours(1).unwrap().next_after(Timestamp::from_secs(last)), at(next));
        let berlin = local(Cadence::daily(), 12, "Europe/Berlin");
        let slot = berlin.next_after(Timestamp::from_secs(last));
        assert_eq!(berlin.count_between(Timestamp::from_secs(last), slot), 1);
        assert!(slot.since(Timestamp::from_secs(last)) < std::time::Duration::from_secs(86_400));
    }
}

#[test]
fn fault_d7_no_clock_however_wrong_breaks_a_cadence() {
    let cadences = [
        Cadence::every_hours(7).unwrap(),
        Cadence::daily(),
        Cadence::monthly(31).unwrap(),
        local(Cadence::weekly(Weekday::Sunday), 23, "Pacific/Apia"),
        local(Cadence::monthly(31).unwrap(), 0, "America/New_York"),
    ];
    for cadence in cadences {
        let (first, never) = (Timestamp::from_micros(i64::MIN), Timestamp::NEVER);
        assert_eq!(cadence.latest_at_or_before(first), None, "{cadence}");
        assert!(cadence.next_after(first) > at("0001-01-01T00:00:00Z") - std::time::Duration::from_secs(1));
        assert_eq!(cadence.next_after(never), never, "{cadence}");
        let last = cadence.latest_at_or_before(never).unwrap();
        assert_eq!((cadence.next_after(last), cadence.latest_at_or_before(last)), (never, Some(last)));
        assert!(cadence.count_between(first, never) > 9_998 * 11, "{cadence}");
        assert_eq!(cadence.count_between(never, first), 0, "{cadence}");
    }
}

#[test]
fn fault_d8_what_is_stored_is_the_local_meaning_and_no_moment() {
    let cadence = local(Cadence::weekly(Weekday::Monday), 6, "Europe/Berlin");
    let bytes = minicbor::to_vec(&cadence).unwrap();
    expect![[r#"\x83\x82\x02\x81\x00\x06mEurope/Berlin"#]].assert_eq(&bytes.escape_ascii().to_string());
}

#[test]
fn fault_d8_a_zone_that_this_program_does_not_know_is_not_guessed() {
    let mut bytes = minicbor::to_vec(local(Cadence::daily(), 6, "Europe/Berlin")).unwrap();
    *bytes.last_mut().unwrap() = b'x';
    let refused = minicbor::decode::<Cadence>(&bytes).unwrap_err();
    let reason = std::error::Error::source(&refused).unwrap().to_string();
    assert!(reason.contains("Europe/Berlix"), "{reason}");
}

#[test]
fn fault_d11_the_slots_of_an_outage_are_counted() {
    let cadences = [
        Cadence::every_hours(1).unwrap(),
        Cadence::every_hours(5).unwrap(),
        Cadence::daily(),
        local(Cadence::daily(), 2, "Europe/Berlin"),
        Cadence::weekly(Weekday::Sunday),
        Cadence::monthly(31).unwrap(),
    ];
    let down = at("2024-03-10T09:59:00Z");
    let counts = cadences.iter().map(|cadence| {
        let over =
            |hours: u64| cadence.count_between(down, down + std::time::Duration::from_secs(hours * 3600));
        format!("{cadence}: {} {} {} {}", over(1), over(24), over(30 * 24), over(10 * 8766))
    });
    expect![[r#"
        every hour: 1 24 720 87660
        every 5 hours: 1 5 150 18263
        daily at 00:00 UTC: 0 1 30 3652
        daily at 02:00 Europe/Berlin: 0 1 30 3652
        weekly on Sunday at 00:00 UTC: 0 0 4 521
        monthly on day 31 at 00:00 UTC: 0 0 1 120"#]]
    .assert_eq(&counts.collect::<Vec<_>>().join("\n"));
}

#[test]
fn cadences_read_as_people_say_them() {
    let cadences = [
        Cadence::every_hours(1).unwrap(),
        Cadence::every_hours(2).unwrap(),
        Cadence::daily(),
        local(Cadence::weekly(Weekday::Monday), 6, "europe/berlin"),
        Cadence::monthly(31).unwrap().at_hour(23).unwrap(),
    ];
    expect![[r#"
        every hour
        every 2 hours
        daily at 00:00 UTC
        weekly on Monday at 06:00 Europe/Berlin
        monthly on day 31 at 23:00 UTC"#]]
    .assert_eq(&cadences.map(|cadence| cadence.to_string()).join("\n"));
}

#[test]
fn what_is_no_cadence_is_refused_with_what_to_write_instead() {
    let refused = [
        Cadence::every_hours(0).unwrap_err(),
        Cadence::every_hours(25).unwrap_err(),
        Cadence::daily().at_hour(24).unwrap_err(),
        Cadence::monthly(0).unwrap_err(),
        Cadence::monthly(32).unwrap_err(),
        Cadence::every_hours(2).unwrap().at_hour(6).unwrap_err(),
        Cadence::every_hours(2).unwrap().in_zone(zone("Asia/Tokyo")).unwrap_err(),
        "Berlin".parse::<Zone>().unwrap_err(),
        "Etc/Unknown".parse::<Zone>().unwrap_err(),
        "Moonday".parse::<Weekday>().unwrap_err(),
    ];
    expect![[r#"
        a cadence of every 0 hours is not possible; choose 1 to 24, or a daily cadence
        a cadence of every 25 hours is not possible; choose 1 to 24, or a daily cadence
        there is no hour 24 in a day; choose 0 to 23
        no month has a day 0; choose 1 to 31 (31 is the last day of every month)
        no month has a day 32; choose 1 to 31 (31 is the last day of every month)
        a cadence of every few hours has no hour of the day; leave it out, or choose daily, weekly or monthly
        a cadence of every few hours counts the hours of UTC; leave the time zone out, or choose daily, weekly or monthly
        there is no time zone "Berlin"; write an IANA name such as Europe/Berlin, or UTC
        there is no time zone "Etc/Unknown"; write an IANA name such as Europe/Berlin, or UTC
        "Moonday" is not a day of the week; write monday to sunday"#]].assert_eq(&refused.map(|refused| refused.to_string()).join("\n"));
}

#[test]
fn no_stored_byte_makes_a_cadence_out_of_nonsense() {
    let mut bytes = minicbor::to_vec(Cadence::every_hours(1).unwrap()).unwrap();
    let hours = bytes.iter().position(|&byte| byte == 1).unwrap();
    bytes[hours] = 0;
    assert!(minicbor::decode::<Cadence>(&bytes).is_err());
}

#[test]
fn utc_under_its_other_case_is_utc() {
    assert_eq!("utc".parse(), Ok(Zone::Utc));
}

fn cadences() -> impl Strategy<Value = Cadence> {
    let zones = prop::sample::select([&ZONES[..], &["UTC"]].concat()).prop_map(zone);
    let days = prop_oneof![
        Just(Repeats::Daily),
        prop::sample::select(&Weekday::ALL[..]).prop_map(Repeats::Weekly),
        (1..=31_u8).prop_map(Repeats::Monthly),
    ];
    prop_oneof![
        (1..=24_u8).prop_map(|hours| Cadence::every_hours(hours).unwrap()),
        (days, 0..24_u8, zones).prop_map(|(repeats, hour, zone)| Cadence::new(repeats, hour, zone).unwrap()),
    ]
}

fn moments() -> impl Strategy<Value = Timestamp> {
    (at("1840-01-01T00:00:00Z").as_micros()..at("2300-01-01T00:00:00Z").as_micros())
        .prop_map(Timestamp::from_micros)
}

proptest! {
    #[test]
    fn the_next_slot_is_later_and_no_slot_lies_between(cadence in cadences(), now in moments()) {
        let next = cadence.next_after(now);
        prop_assert!(next > now);
        prop_assert_eq!(cadence.latest_at_or_before(next), Some(next));
        let latest = cadence.latest_at_or_before(now).unwrap();
        prop_assert!(latest <= now);
        prop_assert_eq!(cadence.next_after(latest), next);
        prop_assert_eq!(cadence.latest_at_or_before(Timestamp::from_micros(next.as_micros() - 1)), Some(latest));
    }

    #[test]
    fn the_count_is_the_number_of_slots(cadence in cadences(), after in moments(), days in 0..400_u64) {
        let until = after + std::time::Duration::from_secs(days * 86_399);
        prop_assert_eq!(cadence.count_between(after, until), between(&cadence, after, until).len() as u64);
    }

    #[test]
    fn a_cadence_that_is_stored_is_the_same_when_read(cadence in cadences()) {
        let bytes = minicbor::to_vec(&cadence).unwrap();
        prop_assert_eq!(minicbor::decode::<Cadence>(&bytes).unwrap(), cadence);
    }
}
