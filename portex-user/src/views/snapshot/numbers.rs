//! Numbers for people.

use std::time::Duration;

/// Events per second, in five characters up to a million.
pub(in crate::views) fn rate(per_second: f64) -> String {
    match per_second {
        0.0..9.95 => format!("{per_second:.1}"),
        1e4..1e6 => format!("{:.0}k", per_second / 1e3),
        1e6.. => format!("{:.1}M", per_second / 1e6),
        _ => format!("{per_second:.0}"),
    }
}

/// The share of a capacity that is not free, 0 to 1; all of it where there is no capacity.
pub(in crate::views) fn share(capacity: u32, free: u32) -> f64 {
    match capacity {
        0 => 1.0,
        _ => f64::from(capacity.saturating_sub(free)) / f64::from(capacity),
    }
}

/// A share in per cent, rounded down, so that 100 says that nothing is left.
pub(in crate::views) fn percent(share: f64) -> String {
    // What is a tenth in decimal may be a little less in binary.
    format!("{:.1}%", (share * 1e3 + 1e-6).floor() / 10.0)
}

/// A time ahead, for people: `14s`, `3m20s`, `2h05m`, `3d`.
pub(in crate::views) fn brief(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        0 => "<1s".to_owned(),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..172_800 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{}d", hours / 24),
    }
}

/// A count in at most five characters up to 10^15: `99999`, `123k`, `1.2M`, `45G`.
pub(in crate::views) fn count(count: u64) -> String {
    let (unit, letter) = match count {
        0..100_000 => return count.to_string(),
        100_000..1_000_000 => (1_000, 'k'),
        1_000_000..1_000_000_000 => (1_000_000, 'M'),
        1_000_000_000..1_000_000_000_000 => (1_000_000_000, 'G'),
        _ => (1_000_000_000_000, 'T'),
    };
    match (count / unit, count % unit / (unit / 10)) {
        (whole @ 0..10, tenth) => format!("{whole}.{tenth}{letter}"),
        (whole, _) => format!("{whole}{letter}"),
    }
}

/// A count with its thousands set apart: `27,920`.
pub(in crate::views) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
