//! What a model charges. Pure.

use serde::{Deserialize, Serialize};

use crate::llm::Usage;

/// US dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// For tokens sent that were not cached.
    pub prompt: f64,
    /// For tokens sent that the server had cached; the price of `prompt` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<f64>,
    /// For tokens sent that the server wrote to its cache; the price of `prompt` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
    /// For tokens received.
    pub completion: f64,
}

impl Price {
    /// What `usage` costs, in US dollars.
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens are far below 2^52")]
    pub fn of(&self, usage: &Usage) -> f64 {
        let cached = usage.cached_tokens.min(usage.prompt_tokens);
        let written = usage.cache_write_tokens.min(usage.prompt_tokens - cached);
        let fresh = usage.prompt_tokens - cached - written;
        let dollars = fresh as f64 * self.prompt
            + cached as f64 * self.cached.unwrap_or(self.prompt)
            + written as f64 * self.cache_write.unwrap_or(self.prompt)
            + usage.completion_tokens as f64 * self.completion;
        dollars / 1e6
    }

    /// The most that so many tokens can cost, in US dollars: all of them at the dearest price.
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens are far below 2^52")]
    pub fn at_most(&self, prompt_tokens: u64, completion_tokens: u64) -> f64 {
        let dearest = self.optional().fold(self.prompt, f64::max);
        (prompt_tokens as f64 * dearest + completion_tokens as f64 * self.completion) / 1e6
    }

    /// Whether every number is one that a model can charge.
    pub fn is_sensible(&self) -> bool {
        [self.prompt, self.completion]
            .into_iter()
            .chain(self.optional())
            .all(|price| price.is_finite() && price >= 0.0)
    }

    fn optional(&self) -> impl Iterator<Item = f64> {
        [self.cached, self.cache_write].into_iter().flatten()
    }
}
