//! Variables of a task, whose values may come from the host: `${NAME}` and `${NAME:-default}`.

use std::collections::BTreeMap;
use std::fmt;

use harness_core::{Fingerprint, Result};
use serde::{Deserialize, Serialize};

/// Variables by name. What they hold is not shown by `Debug`: some are keys.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variables(BTreeMap<String, Variable>);

/// Stored as its template only: the value may be a key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
struct Variable {
    /// As the task writes it.
    template: String,
    /// With the host's variables filled in.
    value: String,
}

impl From<String> for Variable {
    fn from(template: String) -> Self {
        Self { value: template.clone(), template }
    }
}

impl From<Variable> for String {
    fn from(variable: Variable) -> Self {
        variable.template
    }
}

impl Variables {
    /// Fills in the host's variables; `Err` names the first that is neither set nor has a default.
    pub(crate) fn resolve(
        templates: &BTreeMap<String, String>,
        host: &BTreeMap<String, String>,
    ) -> std::result::Result<Self, String> {
        let resolved = templates.iter().map(|(name, template)| {
            let value = fill(template, host)?;
            Ok((name.clone(), Variable { template: template.clone(), value }))
        });
        resolved.collect::<std::result::Result<_, _>>().map(Self)
    }

    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, variable)| (name.as_str(), variable.value.as_str()))
    }

    /// Those whose names are not those of keys or passwords: what may be shown.
    pub fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(|(name, _)| !is_secret(name))
    }

    /// The digest of what matters: values, but of keys and passwords only where they come from, so that a new key
    /// makes no trial run again, and no digest of a key is stored.
    pub(crate) fn fingerprint(&self) -> Result<Fingerprint> {
        let shown: BTreeMap<&str, &str> = self
            .0
            .iter()
            .map(|(name, variable)| match is_secret(name) {
                true => (name.as_str(), variable.template.as_str()),
                false => (name.as_str(), variable.value.as_str()),
            })
            .collect();
        Fingerprint::of(&shown)
    }

    /// `text` with the values of keys and passwords replaced by their names.
    pub(crate) fn redact(&self, text: String) -> String {
        // Shorter values would be found in innocent words.
        let secrets = self.0.iter().filter(|(name, it)| is_secret(name) && it.value.len() >= 6);
        secrets.fold(text, |text, (name, it)| text.replace(&it.value, &format!("[{name}]")))
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["KEY", "SECRET", "TOKEN", "PASSWORD", "CREDENTIAL", "AUTH"]
        .iter()
        .any(|word| name.contains(word))
}

/// `template` with `${NAME}` and `${NAME:-default}` replaced; every other dollar stays.
fn fill(template: &str, host: &BTreeMap<String, String>) -> std::result::Result<String, String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, after)) = after.split_once('}') else { break };
        filled.push_str(before);
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        // `:-` gives the default for an empty variable too, as a shell does.
        let set = host.get(name).filter(|value| default.is_none() || !value.is_empty());
        match set.map(String::as_str).or(default) {
            Some(value) => filled.push_str(value),
            None => return Err(name.to_owned()),
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> BTreeMap<String, String> {
        [("MODEL", "small"), ("API_KEY", "hunter2hunter2"), ("EMPTY", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn the_host_s_variables_are_filled_in() {
        let filled = |template| fill(template, &host());
        assert_eq!(filled("a ${MODEL} b ${NONE:-c d} $X"), Ok("a small b c d $X".to_owned()));
        assert_eq!(filled("${EMPTY:-x}${EMPTY}${NONE:-}"), Ok("x".to_owned()));
        assert_eq!(filled("${NONE}"), Err("NONE".to_owned()));
        assert_eq!(filled("${open"), Ok("${open".to_owned()));
    }

    fn variables(pairs: &[(&str, &str)], host: &BTreeMap<String, String>) -> Variables {
        let templates =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Variables::resolve(&templates, host).unwrap()
    }

    #[test]
    fn a_key_is_in_no_digest_no_debug_output_and_no_evidence() {
        let before = variables(&[("API_KEY", "${API_KEY}"), ("MODEL", "${MODEL}")], &host());
        let mut host = host();
        host.insert("API_KEY".to_owned(), "another".to_owned());
        let after = variables(&[("API_KEY", "${API_KEY}"), ("MODEL", "${MODEL}")], &host);
        assert_eq!(before.fingerprint().unwrap(), after.fingerprint().unwrap());
        host.insert("MODEL".to_owned(), "large".to_owned());
        let other = variables(&[("API_KEY", "${API_KEY}"), ("MODEL", "${MODEL}")], &host);
        assert_ne!(before.fingerprint().unwrap(), other.fingerprint().unwrap());
        assert_eq!(format!("{before:?}"), r#"{"API_KEY", "MODEL"}"#);
        assert_eq!(before.redact("got hunter2hunter2".to_owned()), "got [API_KEY]");
        assert!(!serde_json::to_string(&before).unwrap().contains("hunter2"));
    }
}
