//! What a reward file says.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};

/// Which of the two reward files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewardFile {
    /// `reward.json`: a flat object of numbers.
    Json,
    /// `reward.txt`: one number.
    Text,
}

/// The reward in `bytes`, or why there is none. Never a guess: NaN, texts, nesting, doubled keys and numbers outside of
/// [0, 1] are no reward. Of several keys, `reward` counts; a single key may have any name.
///
/// # Errors
/// A sentence's end for a person, such as `is empty`.
pub fn read_reward(file: RewardFile, bytes: &[u8]) -> Result<f64, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8")?.trim();
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    let reward = match file {
        RewardFile::Text => text
            .parse::<f64>()
            .map_err(|_| format!("holds '{}', which is no number", short(text)))?,
        RewardFile::Json => from_json(text)?,
    };
    if !(0.0..=1.0).contains(&reward) {
        return Err(format!("holds {reward}, which is not in [0, 1]"));
    }
    Ok(reward)
}

fn from_json(text: &str) -> Result<f64, String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let pairs = reader.deserialize_map(Pairs).and_then(|pairs| reader.end().map(|()| pairs));
    let pairs = pairs.map_err(|error| format!("is no flat object of numbers ({error})"))?;
    let named = pairs.iter().find(|(key, _)| key == "reward");
    match (named, pairs.as_slice()) {
        (Some((_, reward)), _) | (None, [(_, reward)]) => Ok(*reward),
        (None, []) => Err("is an empty object".to_owned()),
        (None, several) => Err(format!("has {} keys and none of them is 'reward'", several.len())),
    }
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Keys with their numbers, in order; a key that comes twice is an error, where a map would keep one silently.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, f64)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs: Vec<(String, f64)> = Vec::new();
        while let Some((key, Number(value))) = map.next_entry::<String, Number>()? {
            if pairs.iter().any(|(earlier, _)| *earlier == key) {
                return Err(serde::de::Error::custom(format!("the key '{key}' comes twice")));
            }
            pairs.push((key, value));
        }
        Ok(pairs)
    }
}

/// A number, or a truth value as 0 or 1: that is what Python's writers leave.
struct Number(f64);

impl<'de> serde::Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged, expecting = "a number")]
        enum Form {
            Number(f64),
            Truth(bool),
        }
        Ok(Self(match Form::deserialize(from)? {
            Form::Number(number) => number,
            Form::Truth(truth) => f64::from(u8::from(truth)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Result<f64, String> {
        read_reward(RewardFile::Text, text.as_bytes())
    }

    fn json(text: &str) -> Result<f64, String> {
        read_reward(RewardFile::Json, text.as_bytes())
    }

    #[test]
    fn a_text_is_one_number_in_the_unit_interval() {
        assert_eq!(text("1\n"), Ok(1.0));
        assert_eq!(text(" 0.25 "), Ok(0.25));
        assert_eq!(text("0"), Ok(0.0));
        for broken in ["", "\n", "NaN", "inf", "-0.1", "1.5", "1 1", "yes", "1,0", "0x1", "\0"] {
            assert!(text(broken).is_err(), "{broken}");
        }
        assert!(read_reward(RewardFile::Text, b"\xff1").is_err());
    }

    #[test]
    fn an_object_gives_its_reward_or_its_only_number() {
        assert_eq!(json(r#"{"reward": 0.5, "style": 9}"#), Ok(0.5));
        assert_eq!(json(r#"{"accuracy": 1}"#), Ok(1.0));
        assert_eq!(json(r#"{"reward": true}"#), Ok(1.0));
        for broken in [
            "1",
            "{}",
            "[1]",
            r#"{"a": 1, "b": 1}"#,
            r#"{"reward": "1"}"#,
            r#"{"reward": NaN}"#,
            r#"{"reward": 1e309}"#,
            r#"{"reward": null}"#,
            r#"{"reward": {"x": 1}}"#,
            r#"{"reward": 1, "reward": 0}"#,
            r#"{"reward": 0, "x": 1, "x": 1}"#,
            r#"{"reward": 2}"#,
            r#"{"reward": 1} {"reward": 0}"#,
            r#"{"reward": 1"#,
        ] {
            assert!(json(broken).is_err(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_left_is_a_reward_in_the_unit_interval_or_none(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            for file in [RewardFile::Json, RewardFile::Text] {
                if let Ok(reward) = read_reward(file, &bytes) {
                    prop_assert!((0.0..=1.0).contains(&reward));
                }
            }
        }

        #[test]
        fn a_reward_comes_back_as_it_was_written(reward in 0.0..=1.0_f64) {
            prop_assert_eq!(text(&reward.to_string()), Ok(reward));
            let found = json(&format!("{{\"reward\": {reward}}}")).unwrap();
            prop_assert!((found - reward).abs() < 1e-12);
        }
    }
}
