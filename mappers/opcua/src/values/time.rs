//! Times: 100 ns since 1601 (Part 6, 5.2.2.5).
use jiff::{
    SignedDuration, Timestamp,
    civil::{DateTime, datetime},
    tz::TimeZone,
};

/// 1970 in ticks.
const UNIX: i64 = 116_444_736_000_000_000;
const A_SECOND: i64 = 10_000_000;
/// The last second of 9999: what is later means "never ends".
const LAST: i64 = 2_650_467_743_990_000_000;
/// From here every tick is near enough for jiff's sums; from 1601 the last centuries are not.
const MIDDLE: DateTime = datetime(1970, 1, 1, 0, 0, 0, 0);

/// Unix milliseconds; 0 where none was sent, or it lies before 1970 or after 9999.
pub(crate) fn unix_ms(ticks: i64) -> i64 {
    if (UNIX..=LAST + A_SECOND).contains(&ticks) { (ticks - UNIX) / 10_000 } else { 0 }
}

/// As RFC 3339 has it, all seven digits where they say something. What is out of range is its end.
pub(crate) fn text(ticks: i64) -> String {
    let ticks = ticks.clamp(0, LAST);
    let since = ticks - UNIX;
    let nanos = i32::try_from(since.rem_euclid(A_SECOND) * 100).unwrap_or_default();
    format!("{}Z", MIDDLE.saturating_add(SignedDuration::new(since.div_euclid(A_SECOND), nanos)))
}

/// Back. None: it is no such text, or not within 1601 to 9999.
pub(super) fn ticks(text: &str) -> Option<i64> {
    let time: DateTime = match text.strip_suffix(['Z', 'z']) {
        // The last day of 9999 is a date, but no timestamp: it would have no local time east of here.
        Some(utc) => utc.parse().ok()?,
        None => text.parse::<Timestamp>().ok()?.to_zoned(TimeZone::UTC).datetime(),
    };
    let ticks = i64::try_from(time.duration_since(MIDDLE).as_nanos().div_euclid(100)).ok()?.checked_add(UNIX)?;
    (0..=LAST + A_SECOND).contains(&ticks).then_some(ticks)
}
