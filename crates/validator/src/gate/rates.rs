//! What is believed of a task's pass rate under the incumbent, pooled over tasks.

use harness_core::{Beta, ExpectedRate};

use crate::evidence::{Evidence, GatingSplit, Tally, TaskCells};

/// The pool that tasks are drawn from: pass rates ~ Beta(a, b), learnt from every task's attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pool {
    a: f64,
    b: f64,
}

/// The belief of one task's pass rate, a Beta distribution by its moments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// Its mean.
    pub(super) mean: f64,
    /// Its variance: how little is known of the task.
    pub(super) variance: f64,
    /// The expected variance of one attempt, E[p (1 − p)]: how flaky the task is.
    pub(super) flake: f64,
}

/// Attempts of a docket's other candidates, each taken for one of the incumbent's: passes, less what that candidate is
/// believed to change, and attempts, both at a discount.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Lent {
    pub(super) passed: f64,
    pub(super) scored: f64,
}

/// Tasks that the safe start counts for, and what it says, also by E[p] and E[p²].
pub(super) const START_TASKS: f64 = 6.0;
pub(super) const START: Beta = Beta { a: 0.6, b: 0.6 };
const START_MEAN: f64 = 0.5;
const START_SQUARE: f64 = 0.363_636;

/// How many attempts all those of untouched ancestors count for at most, and each of them.
const UNTOUCHED: f64 = 2.0;
const EACH_UNTOUCHED: f64 = 0.5;
/// How many attempts all those of other earlier incumbents count for at most, and each of them: edits between them moved some
/// tasks, and upwards more often than not, so that many old attempts would make the incumbent look worse than it is.
const ANCESTORS: f64 = 0.5;
const ANCESTOR: f64 = 0.25;

impl Pool {
    /// The method of moments for the beta-binomial: E[p] from `x / n`, E[p²] from `x (x − 1) / (n (n − 1))`, both unbiased
    /// (Kleinman, *Proportions with extraneous variance*, JASA 1973), with a safe start of some tasks. How alike attempts at one task
    /// are is told by tasks with several of them alone, the attempts of untouched ancestors included: a mean of other
    /// tasks beside their squares would be one of another pool.
    pub(super) fn of(evidence: &Evidence) -> Self {
        let mut all = Moments::start();
        let mut repeated = Moments::start();
        for task in GatingSplit::BOTH.iter().flat_map(|split| evidence.split(*split)) {
            let tally = task.incumbent() + task.untouched;
            all.add(tally);
            if tally.scored > 1 {
                repeated.add(tally);
            }
        }
        let mean = all.mean();
        let weight = 1.0 / repeated.correlation() - 1.0;
        Self { a: mean * weight, b: (1.0 - mean) * weight }
    }

    /// The distribution itself.
    pub(super) fn beta(&self) -> Beta {
        Beta { a: self.a, b: self.b }
    }

    /// The belief of a task: the pool's, and every attempt of the incumbent; those of its ancestors at a discount, a smaller one
    /// where no edit since was aimed at the task; and what the other candidates of the docket lend.
    pub(super) fn rate(&self, task: &TaskCells, lent: Lent) -> Rate {
        let own = task.incumbent();
        let old = discounted(task.ancestors, ANCESTOR, ANCESTORS);
        let untouched = discounted(task.untouched, EACH_UNTOUCHED, UNTOUCHED);
        let passed = f64::from(own.passed) + old.passed + untouched.passed + lent.passed;
        let scored = f64::from(own.scored) + old.scored + untouched.scored + lent.scored;
        let (a, b) = (self.a + passed, self.b + scored - passed);
        let (n, mean) = (a + b, a / (a + b));
        let spread = mean * (1.0 - mean);
        Rate { mean, variance: spread / (n + 1.0), flake: spread * n / (n + 1.0) }
    }
}

/// What is believed of each task, held-in first, by the incumbent's attempts alone.
pub(super) fn expected(evidence: &Evidence) -> Vec<ExpectedRate> {
    let pool = Pool::of(evidence);
    let on = |split: GatingSplit| {
        evidence.split(split).iter().map(move |task| {
            let Rate { mean, variance, .. } = pool.rate(task, Lent::default());
            ExpectedRate { task: task.task.clone(), split: split.into(), mean, sd: variance.sqrt() }
        })
    };
    GatingSplit::BOTH.into_iter().flat_map(on).collect()
}

/// Means over tasks, of pass rates and of their squares.
#[derive(Clone, Copy, Debug)]
struct Moments {
    tasks: f64,
    rate: f64,
    square: f64,
}

impl Moments {
    fn start() -> Self {
        let tasks = START_TASKS;
        Self { tasks, rate: START_MEAN * tasks, square: START_SQUARE * tasks }
    }

    /// Adds a task. Its square says nothing unless it was attempted more than once.
    fn add(&mut self, tally: Tally) {
        let Some(rate) = tally.rate() else { return };
        let (passed, scored) = (f64::from(tally.passed), f64::from(tally.scored));
        self.tasks += 1.0;
        self.rate += rate;
        self.square += rate * (passed - 1.0) / (scored - 1.0).max(1.0);
    }

    fn mean(&self) -> f64 {
        (self.rate / self.tasks).clamp(0.02, 0.98)
    }

    /// Of two attempts at one task.
    fn correlation(&self) -> f64 {
        let mean = self.mean();
        let between = self.square / self.tasks - mean * mean;
        (between / (mean * (1.0 - mean))).clamp(0.05, 0.95)
    }
}

/// These attempts at `each` of one of the incumbent's, and all together at `most` of them.
fn discounted(tally: Tally, each: f64, most: f64) -> Lent {
    let (passed, scored) = (f64::from(tally.passed), f64::from(tally.scored));
    let each = if scored > 0.0 { each.min(most / scored) } else { 0.0 };
    Lent { passed: each * passed, scored: each * scored }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Cell;

    fn evidence(outcomes: &[[Cell; 4]]) -> Evidence {
        let task = |(index, cells): (usize, &[Cell; 4])| TaskCells {
            assessed: cells.to_vec(),
            ..TaskCells::new(format!("t{index}").as_str().into())
        };
        Evidence { held_in: outcomes.iter().enumerate().map(task).collect(), ..Evidence::default() }
    }

    #[test]
    fn without_a_task_the_pool_is_the_safe_start_that_is_shown() {
        let Beta { a, b } = Pool::of(&Evidence::default()).beta();
        assert!((a - START.a).abs() < 1e-5 && (b - START.b).abs() < 1e-5, "Beta({a}, {b})");
        assert!(expected(&Evidence::default()).is_empty());
    }

    /// Means of all tasks beside squares of none made tasks nearly alike: what passed once and what failed once, both at 85 %.
    #[test]
    fn single_attempts_do_not_make_tasks_alike() {
        let once = |cell| TaskCells { assessed: vec![cell], ..TaskCells::new("t".into()) };
        let mut held_in = vec![once(Cell::Passed); 18];
        held_in.extend(vec![once(Cell::Failed); 2]);
        let pool = Pool::of(&Evidence { held_in: held_in.clone(), ..Evidence::default() });
        let Beta { a, b } = pool.beta();
        assert!((a + b - (START.a + START.b)).abs() < 1e-4, "Beta({a}, {b})");
        let [passed, failed] =
            [&held_in[0], &held_in[19]].map(|task| pool.rate(task, Lent::default()).mean);
        assert!(passed > 0.85 && failed < 0.5, "{passed}, {failed}");
    }

    #[test]
    fn attempts_of_untouched_ancestors_tell_of_the_pool_and_those_of_others_do_not() {
        let task = |untouched, ancestors| TaskCells {
            untouched: Tally { passed: untouched, scored: untouched },
            ancestors: Tally { passed: ancestors, scored: ancestors },
            ..TaskCells::new("t".into())
        };
        let pool = |task: TaskCells| {
            Pool::of(&Evidence { held_in: vec![task; 20], ..Evidence::default() }).beta()
        };
        assert!(pool(task(4, 0)).mean() > 0.8);
        assert!((pool(task(0, 4)).mean() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn what_is_expected_of_a_task_rests_on_the_incumbents_attempts_alone() {
        let mut seen = evidence(&[[Cell::Passed; 4], [Cell::Failed; 4], FLAKY]);
        let before = expected(&seen);
        seen.held_in.iter_mut().for_each(|task| task.candidate = vec![Cell::Passed; 4]);
        assert_eq!(expected(&seen), before);
        let [passed, failed, flaky] = &before[..] else { panic!("three tasks: {before:?}") };
        assert!(passed.mean > flaky.mean && flaky.mean > failed.mean, "{before:?}");
        assert!(flaky.sd > passed.sd, "{before:?}");
    }

    const FLAKY: [Cell; 4] = [Cell::Passed, Cell::Failed, Cell::Failed, Cell::Passed];

    #[test]
    fn a_benchmark_without_flaky_tasks_makes_one_attempt_tell_much() {
        let settled = evidence(&[[Cell::Passed; 4], [Cell::Failed; 4]].repeat(20));
        let flaky = evidence(&[FLAKY; 40]);
        let new = TaskCells { assessed: vec![Cell::Passed], ..TaskCells::new("new".into()) };
        assert!(Pool::of(&settled).rate(&new, Lent::default()).mean > 0.9);
        assert!(Pool::of(&flaky).rate(&new, Lent::default()).mean < 0.6);
        assert!(
            Pool::of(&settled).rate(&new, Lent::default()).flake
                < Pool::of(&flaky).rate(&new, Lent::default()).flake
        );
    }

    #[test]
    fn an_ancestors_attempt_says_less_than_ones_own() {
        let pool = Pool::of(&Evidence::default());
        let task = |own, before| TaskCells {
            earlier: Tally { passed: own, scored: own },
            ancestors: Tally { passed: before, scored: before },
            ..TaskCells::new("t".into())
        };
        let rate = |own, before| pool.rate(&task(own, before), Lent::default());
        let (none, ancestor, own) = (rate(0, 0), rate(0, 4), rate(4, 0));
        assert!(none.mean < ancestor.mean && ancestor.mean < own.mean);
        assert!(own.variance < ancestor.variance && ancestor.variance < none.variance);
    }

    #[test]
    fn what_others_lend_says_as_much_as_so_many_attempts_of_ones_own() {
        let pool = Pool::of(&Evidence::default());
        let attempted = TaskCells { assessed: vec![Cell::Passed; 3], ..TaskCells::new("t".into()) };
        let own = pool.rate(&attempted, Lent::default());
        let lent = pool.rate(&TaskCells::new("t".into()), Lent { passed: 3.0, scored: 3.0 });
        assert!((own.mean - lent.mean).abs() < 1e-12 && (own.flake - lent.flake).abs() < 1e-12);
    }
}
