//! How often the gates accept, in a small seeded world: 43 + 21 tasks, pass rates ~ Beta(0.6, 0.6), two attempts.
//!
//! The bounds are wide against the sampling error of so few replicates, and the seed is fixed.

use harness_core::{TaskName, Verdict};
use harness_validator::{
    Arm, Cell, Docket, Evidence, Gate, GatingSplit, PaperGate, SequentialGate, Step, TaskCells,
};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ATTEMPTS: u32 = 2;
const TARGETED: usize = 5;

/// What the candidate's edit does.
#[derive(Clone, Copy)]
enum Edit {
    /// Nothing: byte-identical behaviour.
    Null,
    /// Moves every task by this many logits.
    Everywhere(f64),
    /// Brings the targeted held-in tasks, and as large a share of held-out, to this pass rate.
    Mends(f64),
}

struct Shape {
    held_in: Vec<(f64, f64)>,
    held_out: Vec<(f64, f64)>,
}

fn beta_0_6(rng: &mut impl Rng) -> f64 {
    // Jöhnk's method: accepted often for shapes below 1.
    loop {
        let (x, y) = (rng.random::<f64>().powf(1.0 / 0.6), rng.random::<f64>().powf(1.0 / 0.6));
        if x + y <= 1.0 && x + y > 0.0 {
            return x / (x + y);
        }
    }
}

fn shifted(p: f64, logits: f64) -> f64 {
    let p = p.clamp(1e-9, 1.0 - 1e-9);
    1.0 / (1.0 + (-((p / (1.0 - p)).ln() + logits)).exp())
}

fn shape(edit: Edit, rng: &mut impl Rng) -> Shape {
    let targeted_out = TARGETED * 21 / 43;
    let mut split = |tasks: usize, targeted: usize| -> Vec<(f64, f64)> {
        let task = |index: usize| {
            let before = if index < targeted { 0.1 } else { beta_0_6(rng) };
            let after = match edit {
                Edit::Null => before,
                Edit::Everywhere(logits) => shifted(before, logits),
                Edit::Mends(to) if index < targeted => to,
                Edit::Mends(_) => before,
            };
            (before, after)
        };
        (0..tasks).map(task).collect()
    };
    Shape { held_in: split(43, TARGETED), held_out: split(21, targeted_out) }
}

fn draw(p: f64, rng: &mut impl Rng) -> Cell {
    if rng.random::<f64>() < p { Cell::Passed } else { Cell::Failed }
}

/// The verdict, and how many trials of candidate and incumbent it took.
fn judge(
    gate: &dyn Gate,
    shape: &Shape,
    names: &[TaskName],
    rng: &mut ChaCha8Rng,
) -> (bool, usize) {
    let mut tasks = |split: &[(f64, f64)]| -> Vec<TaskCells> {
        let task = |(name, (before, _)): (&TaskName, &(f64, f64))| TaskCells {
            assessed: (0..ATTEMPTS).map(|_| draw(*before, rng)).collect(),
            ..TaskCells::new(name.clone())
        };
        names.iter().zip(split).map(task).collect()
    };
    let mut evidence = Evidence {
        attempts: ATTEMPTS,
        target: names[..TARGETED].iter().cloned().collect(),
        held_in: tasks(&shape.held_in),
        held_out: tasks(&shape.held_out),
    };
    let mut trials = 0;
    loop {
        let purchases = match gate.step(&Docket::of(evidence.clone())) {
            Step::Decide { decision, .. } => return (decision.verdict == Verdict::Promote, trials),
            Step::Buy(purchases) => purchases,
        };
        for purchase in purchases {
            let (cells, rates) = match purchase.split {
                GatingSplit::HeldIn => (&mut evidence.held_in, &shape.held_in),
                GatingSplit::HeldOut => (&mut evidence.held_out, &shape.held_out),
            };
            for (task, (before, after)) in cells.iter_mut().zip(rates) {
                if !purchase.tasks.contains(&task.task) {
                    continue;
                }
                let (side, p) = match purchase.arm {
                    Arm::Candidate(_) => (&mut task.candidate, *after),
                    Arm::Incumbent => (&mut task.beside, *before),
                };
                while side.len() < purchase.upto as usize {
                    side.push(draw(p, rng));
                    trials += 1;
                }
            }
        }
    }
}

/// The share accepted and the mean number of trials.
fn characteristics(gate: &dyn Gate, edit: Edit, replicates: u32, seed: u64) -> (f64, f64) {
    let names: Vec<TaskName> = (0..43).map(|i| format!("t{i}").as_str().into()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut accepted, mut trials) = (0, 0);
    for _ in 0..replicates {
        let shape = shape(edit, &mut rng);
        let (promoted, bought) = judge(gate, &shape, &names, &mut rng);
        accepted += u32::from(promoted);
        trials += bought;
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of trials")]
    let mean = trials as f64 / f64::from(replicates);
    (f64::from(accepted) / f64::from(replicates), mean)
}

#[test]
fn the_papers_gate_accepts_an_identical_copy_about_three_times_in_ten() {
    let (accepted, trials) = characteristics(&PaperGate::default(), Edit::Null, 1500, 2026);
    assert!((0.25..0.34).contains(&accepted), "{accepted}");
    assert!((trials - 128.0).abs() < 1e-9, "{trials}");
}

#[test]
fn the_sequential_gate_seldom_accepts_an_identical_copy_and_finds_a_targeted_mend() {
    let gate = SequentialGate::default();
    let (null, _) = characteristics(&gate, Edit::Null, 300, 2026);
    assert!(null < 0.1, "{null}");
    let (mends, _) = characteristics(&gate, Edit::Mends(0.9), 150, 2027);
    assert!(mends > 0.8, "{mends}");
    let (harms, _) = characteristics(&gate, Edit::Everywhere(-0.5), 150, 2028);
    assert!(harms < 0.02, "{harms}");
}

/// A table for people: `cargo test -p harness-validator --release -- --ignored --nocapture table`.
#[test]
#[ignore = "prints a table; takes a minute"]
fn table_of_both_gates() {
    let edits = [
        ("null", Edit::Null),
        ("-0.5 logits everywhere", Edit::Everywhere(-0.5)),
        ("-0.2 logits everywhere", Edit::Everywhere(-0.2)),
        ("+0.5 logits everywhere", Edit::Everywhere(0.5)),
        ("+1 logit everywhere", Edit::Everywhere(1.0)),
        ("target 0.1 to 0.5", Edit::Mends(0.5)),
        ("target 0.1 to 0.9", Edit::Mends(0.9)),
    ];
    for (name, edit) in edits {
        let (paper, paper_trials) = characteristics(&PaperGate::default(), edit, 4000, 7);
        let (ours, trials) = characteristics(&SequentialGate::default(), edit, 4000, 8);
        println!(
            "{name:24} paper {paper:.3} in {paper_trials:.0}; sequential {ours:.3} in {trials:.0}"
        );
    }
}
