//! Retries of idempotent requests.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Calls, and retries at most `more` times with doubling, jittered pauses while `again` says that
/// the error may be temporary. Only for requests that change nothing or were not sent; the caller
/// limits the total time.
pub async fn retried<T, E, F>(
    more: u32,
    ask: impl FnMut() -> F,
    again: impl FnMut(&E) -> bool,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let more = usize::try_from(more).unwrap_or(usize::MAX);
    let pauses = ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_times(more);
    ask.retry(pauses.with_jitter()).when(again).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    async fn asked(answers: &[Result<u8, bool>]) -> (Result<u8, bool>, usize) {
        let asked = Cell::new(0);
        let ask = || {
            let answer = answers[asked.get()];
            asked.set(asked.get() + 1);
            async move { answer }
        };
        let answer = retried(2, ask, |passes| *passes).await;
        (answer, asked.get())
    }

    #[tokio::test(start_paused = true)]
    async fn temporary_errors_are_retried_and_others_are_not() {
        assert_eq!(asked(&[Ok(1)]).await, (Ok(1), 1));
        assert_eq!(asked(&[Err(true), Err(true), Ok(1)]).await, (Ok(1), 3));
        assert_eq!(asked(&[Err(true), Err(true), Err(true)]).await, (Err(true), 3));
        assert_eq!(asked(&[Err(false)]).await, (Err(false), 1));
    }
}
