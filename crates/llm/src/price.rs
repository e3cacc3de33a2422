//! What models charge. Pure.

use std::collections::BTreeMap;

use harness_core::{Error, ErrorKind, ModelId, Price, Result};
use serde::{Deserialize, Serialize};

/// Prices by model. A key is `provider:name` or a bare name, which then holds at every provider.
///
/// No prices are built in: they change, and a wrong cost is worse than an unknown one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PriceTable(BTreeMap<String, Price>);

impl PriceTable {
    /// The same with the price of one more model.
    #[must_use]
    pub fn with(mut self, model: impl Into<String>, price: Price) -> Self {
        self.0.insert(model.into(), price);
        self
    }

    /// Reads a table written as TOML: `["openai:some-model"]`, then `prompt = 1.25`, `cached = 0.125`, `completion = 10.0`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] naming the model or line that is wrong.
    pub fn from_toml(text: &str) -> Result<Self> {
        let table = toml::from_str(text).map_err(|source| unreadable("TOML", source))?;
        Self::checked(table)
    }

    /// Reads a table written as JSON: `{"openai:some-model": {"prompt": 1.25, "completion": 10}}`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] naming the model or line that is wrong.
    pub fn from_json(text: &str) -> Result<Self> {
        let table = serde_json::from_str(text).map_err(|source| unreadable("JSON", source))?;
        Self::checked(table)
    }

    /// This table with `other`'s prices in place of its own where both know a model.
    #[must_use]
    pub fn overridden_by(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The price of `model`: by provider and name first, then by name.
    pub fn price(&self, model: &ModelId) -> Option<Price> {
        self.0.get(&model.to_string()).or_else(|| self.0.get(&model.name)).copied()
    }

    fn checked(table: Self) -> Result<Self> {
        match table.0.iter().find(|(_, price)| !price.is_sensible()) {
            None => Ok(table),
            Some((model, _)) => {
                let why = format!("the price of '{model}' is not a number from 0 on");
                Err(Error::new(ErrorKind::InvalidInput, why))
            }
        }
    }
}

fn unreadable(format: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    let why = format!("the price table cannot be read as {format}: {source}");
    Error::new(ErrorKind::InvalidInput, why).with_source(source)
}

#[cfg(test)]
mod tests {
    use harness_core::Usage;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_table_is_read_from_either_format() {
        let toml = "[\"openai:m\"]\nprompt = 2.0\ncached = 0.5\ncompletion = 8.0\n[m]\nprompt = 1\ncompletion = 1";
        let json = r#"{"openai:m":{"prompt":2.0,"cached":0.5,"completion":8.0},"m":{"prompt":1,"completion":1}}"#;
        let table = PriceTable::from_toml(toml).unwrap();
        assert_eq!(table, PriceTable::from_json(json).unwrap());
        assert_eq!(table.price(&ModelId::new("openai", "m")).unwrap().prompt, 2.0);
        assert_eq!(table.price(&ModelId::new("other", "m")).unwrap().prompt, 1.0);
        assert_eq!(table.price(&ModelId::new("other", "n")), None);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for bad in [
            r#"{"m":{"prompt":-1,"completion":1}}"#,
            r#"{"m":{"prompt":1}}"#,
            r#"{"m":{"prompt":1,"completion":1,"per":"token"}}"#,
            "[]",
        ] {
            assert_eq!(
                PriceTable::from_json(bad).unwrap_err().kind(),
                ErrorKind::InvalidInput,
                "{bad}"
            );
        }
        assert!(
            PriceTable::from_toml("[m]\nprompt = nan\ncompletion = 1")
                .unwrap_err()
                .message()
                .contains("'m'")
        );
    }

    proptest! {
        #[test]
        fn a_cost_is_the_sum_of_its_parts(
            prompt in 0u64..1_000_000,
            cached in 0u64..2_000_000,
            written in 0u64..2_000_000,
            completion in 0u64..100_000,
        ) {
            let price = Price { prompt: 3.0, cached: Some(0.3), cache_write: Some(3.75), completion: 15.0 };
            let usage = Usage {
                prompt_tokens: prompt,
                cached_tokens: cached,
                cache_write_tokens: written,
                completion_tokens: completion,
                cost_usd: None,
            };
            let cached = cached.min(prompt);
            let written = written.min(prompt - cached);
            let fresh = prompt - cached - written;
            let expected = (fresh * 300 + cached * 30 + written * 375 + completion * 1500) as f64 / 1e8;
            prop_assert!((price.of(&usage) - expected).abs() < 1e-9);
        }
    }
}
