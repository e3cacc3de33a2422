//! The rule that decides, and how a run's identity names it: written by whoever runs, read by whoever judges again.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use harness_core::{Error, ErrorKind, Result};
use harness_miner::SignatureMiner;
use harness_validator::{Constraints, Gate, GateKind, Ledger, RegressionValidator, StrictGate};

/// A gate, with what else is asked of a promotion.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// Which.
    pub(crate) kind: GateKind,
    /// How many decisions the strict gate shares its level among.
    pub(crate) horizon: u32,
    /// What else a promotion must keep.
    pub(crate) constraints: Constraints,
}

impl Rule {
    /// The gate itself.
    pub(crate) fn gate(&self) -> Arc<dyn Gate> {
        if self.kind != GateKind::Strict {
            return self.kind.gate();
        }
        let strict = StrictGate::default();
        Arc::new(StrictGate { ledger: Ledger { horizon: self.horizon, ..strict.ledger }, ..strict })
    }

    /// The validator that judges by it.
    pub(crate) fn validator(&self) -> RegressionValidator {
        RegressionValidator::new(self.gate())
            .with_constraints(self.constraints)
            .with_reader(SignatureMiner::new())
    }
}

const DECISIONS: (&str, &str) = (" over ", " decisions");
const COST: &str = "cost within ";
const TIME: &str = "time within ";

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if self.kind == GateKind::Strict {
            write!(f, "{}{}{}", DECISIONS.0, self.horizon, DECISIONS.1)?;
        }
        for (what, factor) in [(COST, self.constraints.cost), (TIME, self.constraints.latency)] {
            factor.map_or(Ok(()), |factor| write!(f, ", {what}{factor}"))?;
        }
        Ok(())
    }
}

impl FromStr for Rule {
    type Err = Error;

    /// # Errors
    /// [`ErrorKind::InvalidInput`] where it names no rule that this program knows.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let message = format!("'{text}' is no rule that this program knows");
            Error::new(ErrorKind::InvalidInput, message)
        };
        let mut parts = text.split(", ");
        let gate = parts.next().unwrap_or_default();
        let (name, horizon) = match gate.strip_suffix(DECISIONS.1) {
            Some(strict) => strict.split_once(DECISIONS.0).ok_or_else(wrong)?,
            None => (gate, "0"),
        };
        let mut constraints = Constraints::default();
        for part in parts {
            let (factor, which) = match (part.strip_prefix(COST), part.strip_prefix(TIME)) {
                (Some(factor), _) => (factor, &mut constraints.cost),
                (_, Some(factor)) => (factor, &mut constraints.latency),
                _ => return Err(wrong()),
            };
            *which = Some(factor.parse().map_err(|_| wrong())?);
        }
        let horizon = horizon.parse().map_err(|_| wrong())?;
        Ok(Self { kind: name.parse()?, horizon, constraints })
    }
}
