//! Laws of the gates, on evidence alone.

use harness_core::{Comparison, Decision, ErrorKind, Pair, Verdict};
use harness_validator::{
    Cell, Docket, Evidence, Gate, GateKind, GatingSplit, PaperGate, SequentialGate, Step,
    StrictGate, TaskCells,
};
use proptest::collection::vec;
use proptest::prelude::*;

const ATTEMPTS: u32 = 2;

/// Everything that a gate could buy: the incumbent's and the candidate's outcomes of every attempt.
#[derive(Clone, Debug)]
struct World {
    full: Evidence,
}

impl World {
    /// Held-in and held-out tasks with `3 × ATTEMPTS` attempts of each side.
    fn new(held_in: &[(Vec<Cell>, Vec<Cell>)], held_out: &[(Vec<Cell>, Vec<Cell>)]) -> Self {
        let tasks = |prefix: &str, tasks: &[(Vec<Cell>, Vec<Cell>)]| {
            let task =
                |(index, (incumbent, candidate)): (usize, &(Vec<Cell>, Vec<Cell>))| TaskCells {
                    assessed: incumbent[..ATTEMPTS as usize].to_vec(),
                    beside: incumbent.clone(),
                    candidate: candidate.clone(),
                    ..TaskCells::new(format!("{prefix}{index}").as_str().into())
                };
            tasks.iter().enumerate().map(task).collect::<Vec<_>>()
        };
        let full = Evidence {
            attempts: ATTEMPTS,
            held_in: tasks("in", held_in),
            held_out: tasks("out", held_out),
            ..Evidence::default()
        };
        Self { full }
    }

    /// The first `tasks` held-in tasks are those of the weakness.
    fn targeting(mut self, tasks: usize) -> Self {
        self.full.target = self.full.held_in[..tasks].iter().map(|t| t.task.clone()).collect();
        self
    }

    fn swapped(&self) -> Self {
        let mut swapped = self.clone();
        for task in swapped.full.held_in.iter_mut().chain(&mut swapped.full.held_out) {
            std::mem::swap(&mut task.beside, &mut task.candidate);
            task.assessed = task.beside[..ATTEMPTS as usize].to_vec();
        }
        swapped
    }

    /// Lets the gate buy until it decides, and checks that it keeps to its own worst case.
    fn judge(&self, gate: &dyn Gate) -> Decision {
        let mut evidence = self.full.clone();
        for task in evidence.held_in.iter_mut().chain(&mut evidence.held_out) {
            (task.beside, task.candidate) = (Vec::new(), Vec::new());
            task.idle = 0;
        }
        let mut docket = Docket::of(evidence);
        loop {
            match gate.step(&docket) {
                Step::Decide { candidate, decision } => {
                    assert_eq!(candidate, 0);
                    return decision;
                }
                Step::Buy(purchases) => {
                    let evidence = &mut docket.hearings[0].evidence;
                    let before = evidence.clone();
                    for purchase in purchases {
                        let worst = gate.worst_case(ATTEMPTS);
                        assert!(purchase.upto <= worst.candidate.max(worst.incumbent));
                        self.deliver(evidence, &purchase);
                    }
                    assert_ne!(before, *evidence, "a gate must ask for something new");
                }
            }
        }
    }

    fn deliver(&self, evidence: &mut Evidence, purchase: &harness_validator::Purchase) {
        let upto = purchase.upto as usize;
        let source = self.full.split(purchase.split);
        let tasks = match purchase.split {
            GatingSplit::HeldIn => &mut evidence.held_in,
            GatingSplit::HeldOut => &mut evidence.held_out,
        };
        for (task, source) in tasks.iter_mut().zip(source) {
            if purchase.tasks.contains(&task.task) {
                match purchase.arm {
                    harness_validator::Arm::Candidate(_) => {
                        task.candidate = source.candidate[..upto].to_vec();
                        task.idle = source.idle.min(purchase.upto);
                    }
                    harness_validator::Arm::Incumbent => {
                        task.beside = source.beside[..upto].to_vec();
                    }
                }
            }
        }
    }
}

/// Every attempt alike.
fn always(cell: Cell) -> Vec<Cell> {
    vec![cell; 3 * ATTEMPTS as usize]
}

fn pass() -> Vec<Cell> {
    always(Cell::Passed)
}

fn fail() -> Vec<Cell> {
    always(Cell::Failed)
}

fn cell() -> impl Strategy<Value = Cell> {
    prop_oneof![4 => Just(Cell::Passed), 4 => Just(Cell::Failed), 1 => Just(Cell::Void)]
}

fn side() -> impl Strategy<Value = Vec<Cell>> {
    vec(cell(), 3 * ATTEMPTS as usize)
}

fn tasks() -> impl Strategy<Value = Vec<(Vec<Cell>, Vec<Cell>)>> {
    vec((side(), side()), 1..8)
}

fn world() -> impl Strategy<Value = World> {
    (tasks(), tasks(), 0usize..4).prop_map(|(held_in, held_out, target)| {
        let target = target.min(held_in.len());
        World::new(&held_in, &held_out).targeting(target)
    })
}

fn both_gates() -> [Box<dyn Gate>; 2] {
    [Box::new(PaperGate::default()), Box::new(SequentialGate::default())]
}

fn changes(comparison: &Comparison) -> (i64, i64) {
    (comparison.held_in.change(), comparison.held_out.change())
}

proptest! {
    #[test]
    fn the_papers_rule_is_its_formula(held_in in -100i64..100, held_out in -100i64..100) {
        let formula = held_in >= 0 && held_out >= 0 && std::cmp::max(held_in, held_out) > 0;
        prop_assert_eq!(PaperGate::accepts(held_in, held_out), formula);
    }

    #[test]
    fn the_papers_rule_never_accepts_both_ways(held_in in -9i64..9, held_out in -9i64..9) {
        prop_assert!(
            !(PaperGate::accepts(held_in, held_out) && PaperGate::accepts(-held_in, -held_out))
        );
    }

    #[test]
    fn the_papers_rule_is_monotone(held_in in -9i64..9, held_out in -9i64..9, more in 0i64..9) {
        if PaperGate::accepts(held_in, held_out) {
            prop_assert!(PaperGate::accepts(held_in + more, held_out));
            prop_assert!(PaperGate::accepts(held_in, held_out + more));
        }
    }

    #[test]
    fn the_paper_gate_applies_its_rule_to_the_counts_it_shows(world in world()) {
        let decision = world.judge(&PaperGate::default());
        let evidence = decision.evidence.expect("it ran trials");
        let (held_in, held_out) = changes(&evidence);
        match decision.verdict {
            Verdict::Promote => prop_assert!(PaperGate::accepts(held_in, held_out)),
            Verdict::Reject => prop_assert!(!PaperGate::accepts(held_in, held_out)),
            Verdict::Inconclusive => {
                let lacks = |pair: &Pair| pair.incumbent.void.max(pair.candidate.void) > 0;
                prop_assert!([evidence.held_in, evidence.held_out].iter().any(lacks));
            }
        }
    }

    #[test]
    fn both_sides_have_the_same_denominators(world in world()) {
        for gate in both_gates() {
            let evidence = world.judge(gate.as_ref()).evidence.expect("it ran trials");
            for pair in [evidence.held_in, evidence.held_out] {
                prop_assert_eq!(pair.incumbent.scored, pair.candidate.scored);
            }
        }
    }

    #[test]
    fn the_same_evidence_gives_the_same_verdict(world in world()) {
        for gate in both_gates() {
            prop_assert_eq!(world.judge(gate.as_ref()), world.judge(gate.as_ref()));
        }
    }

    #[test]
    fn no_pair_of_harnesses_is_promoted_over_each_other(world in world()) {
        // The target is left out: each direction would screen by its own.
        let world = world.targeting(0);
        let promotes =
            |world: &World, gate: &dyn Gate| world.judge(gate).verdict == Verdict::Promote;
        for gate in both_gates() {
            prop_assert!(
                !(promotes(&world, gate.as_ref()) && promotes(&world.swapped(), gate.as_ref()))
            );
        }
    }

    #[test]
    fn equal_outcomes_are_never_promoted(sides in vec(side(), 2..9), target in 0usize..3) {
        let same: Vec<_> = sides.iter().map(|side| (side.clone(), side.clone())).collect();
        let (held_in, held_out) = same.split_at(same.len() / 2);
        let target = target.min(held_in.len());
        for gate in both_gates() {
            let verdict = World::new(held_in, held_out).targeting(target).judge(gate.as_ref()).verdict;
            prop_assert_ne!(verdict, Verdict::Promote);
        }
    }

    #[test]
    fn a_task_always_passed_and_never_any_more_blocks_a_promotion(
        mended in 1usize..12, kept in 0usize..12, on_held_out: bool,
    ) {
        let mut held_in = vec![(fail(), pass()); mended];
        held_in.extend(vec![(pass(), pass()); kept]);
        let mut held_out = vec![(fail(), pass()); mended];
        let broken = if on_held_out { &mut held_out } else { &mut held_in };
        broken.push((pass(), fail()));
        let decision = World::new(&held_in, &held_out).targeting(mended).judge(&SequentialGate::default());
        prop_assert_eq!(decision.verdict, Verdict::Reject, "{}", decision.reason);
    }

    #[test]
    fn an_outage_decides_nothing(tasks in 2usize..9, candidate_side: bool, on_held_out: bool) {
        let void = || always(Cell::Void);
        let out = if candidate_side { (fail(), void()) } else { (void(), pass()) };
        let well = vec![(fail(), pass()); tasks];
        let ill = vec![out; tasks];
        let world =
            if on_held_out { World::new(&well, &ill) } else { World::new(&ill, &well) };
        for gate in both_gates() {
            prop_assert_eq!(world.judge(gate.as_ref()).verdict, Verdict::Inconclusive);
        }
    }
}

#[test]
fn ties_and_trades_are_refused_with_their_name() {
    let paper = PaperGate::default();
    let judge = |held_in: &[_], held_out: &[_]| World::new(held_in, held_out).judge(&paper);
    let (kept, mended, broken) = ((pass(), pass()), (fail(), pass()), (pass(), fail()));

    let tie = judge(std::slice::from_ref(&kept), std::slice::from_ref(&kept));
    assert_eq!(tie.verdict, Verdict::Reject);
    assert!(tie.reason.contains("a tie"), "{}", tie.reason);

    let trade = judge(&[mended.clone(), mended.clone()], &[kept.clone(), broken.clone()]);
    assert_eq!(trade.verdict, Verdict::Reject);
    assert!(trade.reason.contains("a trade: held-in rises but held-out drops"), "{}", trade.reason);
    let trade = judge(&[broken], &[mended.clone(), mended.clone()]);
    assert!(trade.reason.contains("a trade: held-out rises but held-in drops"), "{}", trade.reason);

    let gain = judge(std::slice::from_ref(&mended), &[kept]);
    assert_eq!(gain.verdict, Verdict::Promote);
    let evidence = gain.evidence.expect("it ran trials");
    assert_eq!(changes(&evidence), (2, 0));
    assert_eq!(evidence.mended, ["in0".into()]);
}

#[test]
fn one_changed_attempt_decides_for_the_paper() {
    let once =
        vec![Cell::Passed, Cell::Failed, Cell::Failed, Cell::Failed, Cell::Failed, Cell::Failed];
    let world = World::new(&[(fail(), once)], &[(pass(), pass())]);
    assert_eq!(world.judge(&PaperGate::default()).verdict, Verdict::Promote);
    assert_ne!(world.judge(&SequentialGate::default()).verdict, Verdict::Promote);
}

#[test]
fn few_voids_leave_the_comparison_to_the_cells_scored_on_both_sides() {
    // The candidate's one void cell is a pass of the incumbent: counted alone it would look like a loss.
    let mut void_once = pass();
    void_once[1] = Cell::Void;
    let held_in = [(pass(), void_once), (fail(), pass()), (pass(), pass())];
    let world = World::new(&held_in, &[(pass(), pass())]);
    let decision = world.judge(&PaperGate::default());
    assert_eq!(decision.verdict, Verdict::Promote, "{}", decision.reason);
    let held_in = decision.evidence.expect("it ran trials").held_in;
    assert_eq!((held_in.candidate.scored, held_in.candidate.void), (5, 1));
}

#[test]
fn a_deterministic_mend_of_the_target_is_promoted_even_on_a_small_benchmark() {
    let mut held_in = vec![(fail(), pass()); 3];
    held_in.extend(vec![(pass(), pass()); 5]);
    held_in.extend(vec![(fail(), fail()); 2]);
    let held_out = vec![(fail(), pass()), (pass(), pass()), (pass(), pass()), (fail(), fail())];
    let world = World::new(&held_in, &held_out).targeting(3);
    let decision = world.judge(&SequentialGate::default());
    assert_eq!(decision.verdict, Verdict::Promote, "{}", decision.reason);
}

#[test]
fn a_gain_where_the_edit_never_acted_is_none_of_its() {
    let mut held_in = vec![(fail(), pass()); 8];
    held_in.extend(vec![(pass(), pass()); 12]);
    let mut held_out = vec![(fail(), pass()); 4];
    held_out.extend(vec![(pass(), pass()); 6]);
    let acting = World::new(&held_in, &held_out).targeting(8);
    let mut idle = acting.clone();
    for task in idle.full.held_in.iter_mut().chain(&mut idle.full.held_out) {
        task.idle = u32::MAX;
    }
    let gates: [&dyn Gate; 2] = [&SequentialGate::default(), &StrictGate::default()];
    for gate in gates {
        assert_eq!(acting.judge(gate).verdict, Verdict::Promote);
        let decision = idle.judge(gate);
        assert_ne!(decision.verdict, Verdict::Promote, "{}", decision.reason);
    }
}

#[test]
fn no_gain_on_the_target_ends_in_the_screen() {
    let held_in = [(fail(), fail()), (fail(), fail()), (pass(), pass())];
    let world = World::new(&held_in, &[(pass(), pass())]).targeting(2);
    let decision = world.judge(&SequentialGate::default());
    assert_eq!(decision.verdict, Verdict::Reject);
    let evidence = decision.evidence.expect("it ran trials");
    assert_eq!(evidence.held_out.candidate.scored, 0, "held-out trials were bought for nothing");
}

#[test]
fn the_bad_luck_that_was_mined_is_not_held_against_the_incumbent() {
    // The assessment failed where the incumbent in truth passes: a candidate that passes too has mended nothing.
    let mut world = World::new(&vec![(pass(), pass()); 6], &vec![(pass(), pass()); 4]).targeting(3);
    for task in &mut world.full.held_in {
        task.assessed = vec![Cell::Failed; ATTEMPTS as usize];
    }
    assert_eq!(world.judge(&SequentialGate::default()).verdict, Verdict::Reject);
    assert_eq!(world.judge(&PaperGate::default()).verdict, Verdict::Promote, "as published");
}

#[test]
fn a_likely_loss_on_held_out_blocks_a_certain_gain_on_held_in() {
    let flaky = || [Cell::Passed, Cell::Failed].repeat(ATTEMPTS as usize * 3 / 2);
    let held_in = vec![(fail(), pass()); 10];
    let held_out = |lost: usize| {
        let mut held_out = vec![(flaky(), fail()); lost];
        held_out.extend(vec![(flaky(), flaky()); 4 - lost]);
        held_out.extend(vec![(pass(), pass()); 6]);
        held_out
    };
    let judge =
        |lost| World::new(&held_in, &held_out(lost)).targeting(5).judge(&SequentialGate::default());
    assert_eq!(judge(0).verdict, Verdict::Promote);
    // One lost task in ten is the margin itself, half a task, and no loss above it.
    for lost in 2..=4 {
        let decision = judge(lost);
        assert_ne!(decision.verdict, Verdict::Promote, "{lost}: {}", decision.reason);
    }
}

#[test]
fn a_gain_that_nothing_points_to_ends_the_looks_early() {
    let flaky =
        || vec![Cell::Passed, Cell::Failed, Cell::Passed, Cell::Failed, Cell::Passed, Cell::Failed];
    let mut held_in = vec![(flaky(), flaky()); 12];
    held_in.push((flaky(), fail()));
    let decision =
        World::new(&held_in, &vec![(flaky(), flaky()); 8]).judge(&SequentialGate::default());
    assert_eq!(decision.verdict, Verdict::Reject);
    assert!(decision.reason.contains("passes no more than the incumbent"), "{}", decision.reason);
    let scored = decision.evidence.expect("it ran trials").held_in.candidate.scored;
    assert!(scored <= 13 * u64::from(ATTEMPTS), "{scored}");
}

#[test]
fn gates_have_names_and_an_unknown_one_is_told_which_there_are() {
    for kind in [GateKind::Paper, GateKind::Sequential, GateKind::Strict] {
        assert_eq!(kind.to_string().parse::<GateKind>().expect("a name"), kind);
    }
    for name in ["lenient", "", "Paper"] {
        let error = name.parse::<GateKind>().expect_err("no such gate");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.message().contains("'paper', 'sequential' or 'strict'"), "{error}");
    }
}
