//! Numbers for people.

use std::time::Duration;

/// Events per second, in five characters up to a million.
pub(super) fn rate(per_second: f64) -> String {
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
