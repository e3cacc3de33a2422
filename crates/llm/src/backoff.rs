//! When to try again. Pure: randomness and the clock come from outside.

use std::time::Duration;

/// How a failing call is repeated: full jitter under an exponential ceiling, within bounded attempts and time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// Calls in all, the first included; at least 1.
    pub max_attempts: u32,
    /// The ceiling of the first wait.
    pub first_wait: Duration,
    /// No wait is longer. A server that asks for more is not asked again: waiting less than it asked for would only
    /// make its trouble worse.
    pub longest_wait: Duration,
    /// No further attempt begins later than this after the first.
    pub total: Duration,
}

impl Default for Backoff {
    /// Six attempts, waits up to 1, 2, 4, … 60 seconds, five minutes in all.
    fn default() -> Self {
        Self {
            max_attempts: 6,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            total: Duration::from_secs(300),
        }
    }
}

impl Backoff {
    /// How long to wait after the failure of attempt number `attempt` (from 1), `elapsed` after the first began; `None` is
    /// to give up. `chance` in [0, 1) picks the point under the ceiling. Never less than `retry_after`.
    pub fn wait(
        &self,
        attempt: u32,
        elapsed: Duration,
        retry_after: Option<Duration>,
        chance: f64,
    ) -> Option<Duration> {
        if attempt >= self.max_attempts {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(31);
        let ceiling = self.first_wait.saturating_mul(1 << doublings).min(self.longest_wait);
        let jitter = ceiling.mul_f64(chance.clamp(0.0, 1.0));
        // Jitter on top of the server's word: callers that were told the same second must not return together.
        let wait = match retry_after {
            Some(asked) if asked > self.longest_wait => return None,
            Some(asked) => asked.saturating_add(jitter).min(self.longest_wait.max(asked)),
            None => jitter,
        };
        (elapsed.saturating_add(wait) <= self.total).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(upto: u64) -> impl Strategy<Value = Duration> {
        (0..upto).prop_map(Duration::from_millis)
    }

    proptest! {
        #[test]
        fn a_wait_keeps_every_bound(
            attempt in 1u32..50,
            elapsed in millis(400_000),
            retry_after in proptest::option::of(millis(100_000)),
            chance in 0.0..1.0f64,
        ) {
            let backoff = Backoff::default();
            match backoff.wait(attempt, elapsed, retry_after, chance) {
                Some(wait) => {
                    prop_assert!(attempt < backoff.max_attempts);
                    prop_assert!(wait <= backoff.longest_wait);
                    prop_assert!(elapsed + wait <= backoff.total);
                    prop_assert!(retry_after.is_none_or(|asked| wait >= asked));
                }
                None => {
                    let asked = retry_after.unwrap_or_default();
                    let late = elapsed + backoff.longest_wait > backoff.total;
                    prop_assert!(attempt >= backoff.max_attempts || asked > backoff.longest_wait || late);
                }
            }
        }

        #[test]
        fn jitter_is_full_and_its_ceiling_doubles(attempt in 1u32..6, chance in 0.0..1.0f64) {
            let backoff = Backoff::default();
            let wait = backoff.wait(attempt, Duration::ZERO, None, chance).unwrap();
            let ceiling = Duration::from_secs(1 << (attempt - 1));
            prop_assert!((wait.as_secs_f64() - ceiling.as_secs_f64() * chance).abs() < 1e-6);
        }
    }
}
