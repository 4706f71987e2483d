//! Parses durations: `24h`, `3d`, `2h30m`.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// Parses a duration; a day has 24 hours.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let span = text.parse::<Span>().ok();
    let exact = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let time = exact.and_then(|exact| Duration::try_from(exact).ok());
    time.ok_or_else(|| "write a length of time as 24h, 3d or 2h30m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_a_number_and_a_unit_or_several() {
        for (text, seconds) in
            [("90s", 90), ("24h", 86_400), ("3d", 259_200), ("2h30m", 9_000), ("1w 1d", 691_200)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn an_invalid_duration_is_refused() {
        for text in ["", "24", "soon", "-1h", "1 month", "999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
