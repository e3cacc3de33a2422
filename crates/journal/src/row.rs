//! A record as the table holds it.

use std::sync::Arc;

use harness_core::{Error, ErrorKind, Record, Result, Trajectory, Trial};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::steps::Packed;

/// One row: its place, and the entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) place: Place,
    pub(crate) entry: Entry,
}

/// What a row has that its entry has not: a sequence number without gaps, a wall-clock label, the digest of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) seq: i64,
    /// Milliseconds since 1970: a label for people, never used for order.
    pub(crate) at: i64,
    /// Known also where the steps themselves are not read.
    pub(crate) steps: Option<[u8; 32]>,
}

/// A record before it has its place: the text that is kept, and what people look for it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: String,
    pub(crate) round: Option<u32>,
    pub(crate) subject: Option<String>,
    /// A trial without its steps; trials of version 1 with them.
    pub(crate) body: String,
    pub(crate) steps: Option<Packed>,
}

/// JSON nested deeper than this is refused when written; no part of the engine comes near it.
const MAX_DEPTH: usize = 512;

impl Entry {
    /// The entry of `record`, after a look whether it can be read back: what is acknowledged must not turn out to be
    /// unreadable when the run is resumed.
    pub(crate) fn of(record: &Record) -> Result<Self> {
        let refuse = |source| {
            let message =
                "a record has no JSON form that can be read back (a number that is not finite?)";
            Error::new(ErrorKind::Contract, message).with_source(source)
        };
        let (body, steps) = split(record).map_err(refuse)?;
        if nesting(&body) > MAX_DEPTH {
            let message = format!("a record is nested deeper than {MAX_DEPTH} levels");
            return Err(Error::new(ErrorKind::Contract, message));
        }
        parse::<Record>(&body).map_err(refuse)?;
        let (round, subject) = index(record)?;
        Ok(Self { kind: kind(record), round, subject, body, steps })
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        self.body.len() + self.steps.as_ref().map_or(0, |steps| steps.bytes.len())
    }

    /// The way back; `Err` says why it cannot be read.
    pub(crate) fn record(&self) -> std::result::Result<Record, String> {
        if nesting(&self.body) > MAX_DEPTH {
            return Err(format!("is nested deeper than {MAX_DEPTH} levels"));
        }
        let record = parse(&self.body).map_err(|error| format!("cannot be read ({error})"))?;
        match (&self.steps, record) {
            (None, record) => Ok(record),
            (Some(packed), Record::TrialFinished { trial }) => {
                let mut trial = Arc::unwrap_or_clone(trial);
                trial.trajectory.steps = packed.steps()?;
                Ok(Record::TrialFinished { trial: Arc::new(trial) })
            }
            (Some(_), _) => Err("has steps and is no trial".to_owned()),
        }
    }
}

/// The record's JSON, and a trial's steps apart from it.
fn split(record: &Record) -> serde_json::Result<(String, Option<Packed>)> {
    let Record::TrialFinished { trial } = record else {
        return Ok((serde_json::to_string(record)?, None));
    };
    let packed = Packed::of(&trial.trajectory.steps).map_err(serde::ser::Error::custom)?;
    let outline = Record::TrialFinished { trial: Arc::new(without_steps(trial)) };
    Ok((serde_json::to_string(&outline)?, packed))
}

/// Field by field, because a clone would copy the steps first.
fn without_steps(trial: &Trial) -> Trial {
    Trial {
        key: trial.key.clone(),
        split: trial.split,
        outcome: trial.outcome.clone(),
        finish: trial.finish.clone(),
        trajectory: Trajectory::default(),
        activations: trial.activations.clone(),
        spent: trial.spent,
        elapsed: trial.elapsed,
        isolation: trial.isolation.clone(),
        void_attempts: trial.void_attempts,
    }
}

pub(crate) fn parse<T: DeserializeOwned>(body: &str) -> serde_json::Result<T> {
    let mut reader = serde_json::Deserializer::from_str(body);
    // The arguments of a tool call may be nested as deep as the wire allows; inside a record they lie deeper still.
    // `nesting` bounds the stack instead.
    reader.disable_recursion_limit();
    let value = T::deserialize(&mut reader)?;
    reader.end().map(|()| value)
}

/// How deep the brackets outside of strings nest.
fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn kind(record: &Record) -> String {
    let known = match record {
        Record::Opened { .. } => "opened",
        Record::Harness { .. } => "harness",
        Record::TrialStarted { .. } => "trial_started",
        Record::TrialFinished { .. } => "trial_finished",
        Record::CallStarted { .. } => "call_started",
        Record::CallSettled { .. } => "call_settled",
        Record::Consulted { .. } => "consulted",
        Record::Mined { .. } => "mined",
        Record::Proposed { .. } => "proposed",
        Record::Round { .. } => "round",
        Record::Claimed { .. } => "claimed",
        Record::Closed { .. } => "closed",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    // A kind that this crate does not know yet is kept under its own name.
    let tag = serde_json::to_value(record).ok();
    tag.as_ref()
        .and_then(|value| value.get("record"))
        .and_then(Value::as_str)
        .unwrap_or("unknown")
        .to_owned()
}

/// The round it belongs to, and the one thing it is about.
fn index(record: &Record) -> Result<(Option<u32>, Option<String>)> {
    Ok(match record {
        Record::Harness { fingerprint, .. } => (None, Some(fingerprint.to_string())),
        Record::TrialStarted { id, key, .. } => (Some(key.replicate.round), Some(id.0.to_string())),
        Record::TrialFinished { trial } => {
            (Some(trial.key.replicate.round), Some(trial.id()?.0.to_string()))
        }
        Record::Consulted { consultation } => {
            (Some(consultation.round), Some(consultation.request.to_string()))
        }
        Record::CallStarted { intent } => (None, Some(intent.id.0.to_string())),
        Record::CallSettled { call, .. } => (None, Some(call.0.to_string())),
        Record::Mined { round, .. } | Record::Proposed { round, .. } => (Some(*round), None),
        Record::Round { report, .. } => (Some(report.round), Some(report.tip.to_string())),
        Record::Claimed { claim } => (None, Some(claim.last.to_string())),
        _ => (None, None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_counts_brackets_outside_of_strings_only() {
        assert_eq!(nesting(r#"{"a":[1,{"b":2}],"c":"[[[[\"[["}"#), 3);
        assert_eq!(nesting("7"), 0);
    }
}
