//! Chance that repeats: numbers drawn from names.

use harness_core::Fingerprint;

/// A source of numbers in [0, 1): the same names, the same number.
#[derive(Clone, Debug)]
pub(super) struct Dice(String);

impl Dice {
    /// The dice of one model.
    pub(super) fn new(profile: &str, seed: u64) -> Self {
        Self(format!("{profile}\0{seed}"))
    }

    /// Dice of their own for something the model meets: a task, an attempt.
    pub(super) fn narrowed(&self, by: &str) -> Self {
        Self(format!("{}\0{by}", self.0))
    }

    /// The number drawn for `what`.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub(super) fn roll(&self, what: &str) -> f64 {
        let seed = Fingerprint::of_bytes(format!("{}\0{what}", self.0).as_bytes()).seed();
        (seed >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether something of probability `chance` happens.
    pub(super) fn happens(&self, what: &str, chance: f64) -> bool {
        self.roll(what) < chance
    }

    /// One of `options`, each as likely as its weight.
    pub(super) fn pick<'a, T>(&self, what: &str, options: &'a [(T, f64)]) -> Option<&'a T> {
        let total: f64 = options.iter().map(|(_, weight)| weight).sum();
        let mut left = self.roll(what) * total;
        let chosen = options.iter().find(|(_, weight)| {
            left -= weight;
            left < 0.0
        });
        chosen.or(options.last()).map(|(option, _)| option)
    }

    /// A short name for these dice.
    pub(super) fn name(&self) -> String {
        Fingerprint::of_bytes(self.0.as_bytes()).short()
    }
}
