//! What one seed decides.

use std::time::Duration;

use harness_core::testing::{Chance, World, WorldEdit, WorldTask};
use harness_core::{Caps, EngineConfig};
use harness_validator::GateKind;

/// A run, and all that will happen to it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where it all comes from.
    pub seed: u64,
    /// The truth about tasks and edits.
    pub world: World,
    /// The edits that may be proposed.
    pub pool: Vec<WorldEdit>,
    /// Questions in one attempt.
    pub calls: u32,
    /// Rounds, width, attempts, concurrency.
    pub config: EngineConfig,
    /// Who decides.
    pub gate: GateKind,
    /// What goes wrong with the model.
    pub faults: Faults,
    /// The first session's caps; each time one stops the run, it is raised by as much.
    pub caps: Caps,
    /// How long the disk takes to sync.
    pub sync: Duration,
    /// How many sessions end badly, at most.
    pub disturbances: u32,
}

/// What goes wrong with the model, as probabilities of one call unless something else is said.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Overloaded, not charged.
    pub refused: f64,
    /// Charged, and the answer is cut.
    pub cut: f64,
    /// Charged, and never heard of.
    pub silent: f64,
    /// Answered without usage.
    pub without_usage: f64,
    /// The trial's verifier fails.
    pub mishap: f64,
    /// Faults that one trial meets at most.
    pub most: u32,
    /// The longest way to the server, in milliseconds; the way back takes as long.
    pub latency_ms: u64,
    /// From when to when the server is down.
    pub outages: Vec<(Duration, Duration)>,
}

impl Faults {
    /// Whether the server is down at `moment`.
    pub fn is_down(&self, moment: Duration) -> bool {
        self.outages.iter().any(|(from, until)| (*from..*until).contains(&moment))
    }
}

impl Plan {
    /// What `seed` decides.
    pub fn of(seed: u64) -> Self {
        let chance = &mut Chance::new(seed);
        let world = world(chance);
        let config = config(chance, seed);
        let faults = faults(chance, config.void_retries);
        let caps = caps(chance, &faults);
        let levers = ["good", "better", "bad", "useless"];
        Self {
            seed,
            world,
            pool: levers.into_iter().map(|lever| WorldEdit::new(lever, 1.0)).collect(),
            calls: number(chance, 1, 3),
            config,
            gate: if chance.happens(0.7) { GateKind::Paper } else { GateKind::Sequential },
            faults,
            caps,
            sync: Duration::from_micros(chance.below(9000)),
            disturbances: number(chance, 1, 4),
        }
    }
}

fn number(chance: &mut Chance, least: u32, most: u32) -> u32 {
    least + u32::try_from(chance.below(u64::from(most - least) + 1)).unwrap_or_default()
}

fn world(chance: &mut Chance) -> World {
    let count = number(chance, 2, 3) as usize;
    let (base, void) = (0.2 + chance.unit() / 2.0, if chance.happens(0.2) { 0.2 } else { 0.0 });
    World::uniform(count, |_, index| {
        let task = WorldTask::new("", base).moved_by("bad", -0.5).moved_by("good", 0.4);
        // Never so many void trials that nothing can be learnt from the rest: such a run ends with its first assessment.
        let void = if index == 2 { void } else { 0.0 };
        let task = if index == 0 { task.moved_by("better", 0.8) } else { task };
        task.voided_by("", void)
    })
}

fn config(chance: &mut Chance, seed: u64) -> EngineConfig {
    EngineConfig {
        seed,
        rounds: number(chance, 1, 2),
        width: number(chance, 1, 2) as usize,
        attempts: number(chance, 1, 2),
        claim_attempts: 1,
        concurrency: number(chance, 1, 6) as usize,
        void_retries: number(chance, 1, 2),
        ..EngineConfig::default()
    }
}

fn faults(chance: &mut Chance, most: u32) -> Faults {
    let mut rate = |often: f64| if chance.happens(often) { chance.unit() / 10.0 } else { 0.0 };
    let (refused, cut, silent) = (rate(0.5), rate(0.5), rate(0.2));
    let (without_usage, mishap) = (rate(0.2), rate(0.4));
    let mut outages = Vec::new();
    if chance.happens(0.3) {
        let from = Duration::from_millis(chance.below(20_000));
        outages.push((from, from + Duration::from_secs(1 + chance.below(600))));
    }
    let latency_ms = chance.below(3000);
    Faults { refused, cut, silent, without_usage, mishap, most, latency_ms, outages }
}

fn caps(chance: &mut Chance, faults: &Faults) -> Caps {
    let none = Caps::default();
    match chance.below(8) {
        0 => Caps { tokens: Some(9000 + chance.below(40_000)), ..none },
        1 => Caps { trials: Some(1 + chance.below(30)), ..none },
        2 => Caps { time: Some(Duration::from_secs(10 + chance.below(300))), ..none },
        // What a call without usage costs is unknown, and a cap on dollars refuses to go on.
        #[expect(clippy::cast_precision_loss, reason = "small")]
        3 if faults.without_usage == 0.0 => {
            Caps { usd: Some((9000 + chance.below(40_000)) as f64 / 65_536.0), ..none }
        }
        _ => none,
    }
}
