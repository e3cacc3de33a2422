//! What a harness is really worth to a simulated model: the exact chance to pass each task.
//!
//! Every course that an attempt can take is walked, with the real harness and the real model, in a session that knows what
//! the model's calls do to the task ([`Facts`]) instead of running them. The courses' probabilities sum to one and the
//! chance to pass is the sum over those that pass: exact but for rounding (below 1e-9), as far as the facts hold. Facts know
//! lengths of outputs to a factor of four.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use harness_core::{
    DocumentEdit, Error, ErrorKind, Fingerprint, Finish, Harness, MinimalHarness, Result,
    RunContext, SandboxPath, Spent, Task, TaskName, Trajectory, TrialLimits,
};

use super::SimulatedLlm;
use super::facts::{self, Facts};
use super::improver;
use super::rehearsal::{Ending, Outline, Rehearsal};
use super::traits::Traits;
use super::walk::Walk;

/// One way that an attempt can go.
#[derive(Clone, Debug)]
pub struct Course {
    /// How likely it is.
    pub probability: f64,
    /// Whether the task is passed.
    pub passed: bool,
    /// What a verifier would object to; empty when it is passed.
    pub evidence: Vec<String>,
    /// How it ends.
    pub finish: Finish,
    /// Its steps, with names in the place of the task's commands.
    pub trajectory: Trajectory,
    /// How often each control and text of the harness acted.
    pub activations: BTreeMap<String, u64>,
    /// Calls and tokens. Outputs are as long as the facts say, the task's commands are shorter than they would be.
    pub spent: Spent,
}

/// What harnesses are worth to one simulated model. Clones share what was computed.
#[derive(Clone, Debug)]
pub struct Truth {
    model: SimulatedLlm,
    facts: HashMap<TaskName, Facts>,
    limits: TrialLimits,
    known: Arc<Mutex<Known>>,
}

type Courses = Arc<[Course]>;
type Key = (Fingerprint, Outline, Traits);

/// What was computed. Rates are kept for good; courses hold every word of every attempt, so only the latest are.
#[derive(Debug, Default)]
struct Known {
    rates: HashMap<Key, f64>,
    courses: HashMap<Key, Courses>,
}

/// So many tasks' courses are kept at a time.
const COURSES_KEPT: usize = 64;

impl Truth {
    pub(super) fn new(model: SimulatedLlm) -> Self {
        let limits = TrialLimits { steps: 30, ..TrialLimits::default() };
        Self { model, facts: HashMap::new(), limits, known: Arc::default() }
    }

    /// For attempts under these limits; 30 steps when left out. Time never runs out.
    #[must_use]
    pub fn with_limits(self, limits: TrialLimits) -> Self {
        Self { limits, known: Arc::default(), ..self }
    }

    /// With what is known of a task's commands; [`Facts::assumed`] for the others.
    #[must_use]
    pub fn with_facts(mut self, task: TaskName, facts: Facts) -> Self {
        self.facts.insert(task, facts);
        self
    }

    /// The chance that `harness` passes the task.
    ///
    /// # Errors
    /// As [`Truth::courses`].
    pub fn pass_rate(&self, harness: &MinimalHarness, task: &TaskName) -> Result<f64> {
        let key = self.key(harness, task)?;
        if let Some(rate) = self.known().rates.get(&key) {
            return Ok(*rate);
        }
        let courses = self.walked(harness, &key)?;
        let passing = courses.iter().filter(|course| course.passed);
        // Not `sum`: that of nothing is -0, which is printed with its sign.
        let rate = passing.fold(0.0, |rate, course| rate + course.probability);
        self.known().rates.insert(key, rate);
        Ok(rate)
    }

    /// Every course of an attempt of `harness` at the task.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a task that the model has no playbook of; [`ErrorKind::InvalidInput`] for facts of another
    /// playbook; those of the harness.
    pub fn courses(&self, harness: &MinimalHarness, task: &TaskName) -> Result<Arc<[Course]>> {
        let key = self.key(harness, task)?;
        let courses = self.walked(harness, &key)?;
        let mut known = self.known();
        if known.courses.len() >= COURSES_KEPT {
            known.courses.clear();
        }
        known.courses.insert(key, Arc::clone(&courses));
        Ok(courses)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What decides how attempts of `harness` at the task can go.
    fn key(&self, harness: &MinimalHarness, task: &TaskName) -> Result<Key> {
        let playbooks = &self.model.playbooks;
        let playbook =
            playbooks.iter().find(|playbook| playbook.task == task.as_str()).ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!("the model has no playbook of the task '{task}'"),
                )
            })?;
        let facts = self.facts.get(task).cloned().unwrap_or_else(|| Facts::assumed(playbook));
        facts::check(&facts, playbook)?;
        let traits = Traits::of(&self.model.dice.narrowed(&playbook.task), self.model.profile.0);
        Ok((harness.fingerprint()?, Outline::of(playbook, &facts), traits))
    }

    fn walked(&self, harness: &MinimalHarness, key: &Key) -> Result<Courses> {
        let known = self.known().courses.get(key).map(Arc::clone);
        match known {
            Some(known) => Ok(known),
            None => Ok(self.walk(harness, &key.1, &key.2)?.into()),
        }
    }

    /// Every edit that a simulated improver could think of for `harness` as it is now, good and bad, by name: what is
    /// within reach of a run.
    pub fn edits_in_reach(harness: &MinimalHarness) -> Vec<(&'static str, DocumentEdit)> {
        improver::edits_in_reach(&harness.surfaces())
    }

    fn walk(
        &self,
        harness: &MinimalHarness,
        outline: &Outline,
        traits: &Traits,
    ) -> Result<Vec<Course>> {
        let walk = Arc::new(Mutex::new(Walk::new()));
        let model =
            Arc::new(self.model.walking(outline.playbook(), traits.clone(), Arc::clone(&walk)));
        let mut courses = Vec::new();
        loop {
            let mut course = self.course(harness, outline, &model)?;
            let mut walk = walk.lock().unwrap_or_else(PoisonError::into_inner);
            course.probability = walk.weight();
            courses.push(course);
            if !walk.turn() {
                return Ok(courses);
            }
        }
    }

    /// The course that the model's walk is on.
    fn course(
        &self,
        harness: &MinimalHarness,
        outline: &Outline,
        model: &Arc<SimulatedLlm>,
    ) -> Result<Course> {
        let playbook = outline.playbook();
        let session = Rehearsal::new(outline);
        let mut task = Task::new(playbook.task.as_str(), playbook.instruction.as_str());
        task.outputs = playbook.outputs.iter().map(SandboxPath::new).collect::<Result<_>>()?;
        let cx = RunContext::alone(Arc::<SimulatedLlm>::clone(model), &session, self.limits);
        let ended = harness.run(&task, &cx).now_or_never().unwrap_or_else(|| {
            Err(Error::new(ErrorKind::Contract, "a rehearsal waits for nothing, and this one did"))
        });
        let finish = match ended {
            Ok(finish) => finish,
            Err(error) if error.kind() == ErrorKind::TrialLimit => Finish::OutOfSteps,
            Err(error) => return Err(error.while_doing("rehearsing an attempt")),
        };
        let mut trajectory = cx.trajectory();
        // What a clock said is no part of the truth.
        trajectory.steps.iter_mut().for_each(|step| step.elapsed = Duration::ZERO);
        let ending = session.ending();
        Ok(Course {
            probability: 0.0,
            passed: ending == Ending::Passed,
            evidence: objections(ending),
            finish,
            spent: spent(&trajectory),
            trajectory,
            activations: cx.activations(),
        })
    }
}

fn spent(trajectory: &Trajectory) -> Spent {
    let mut spent = Spent::default();
    for step in trajectory.agent_steps() {
        spent += Spent::call(step.usage.as_ref());
    }
    spent
}

/// In the words of the bundled tasks' verifiers.
fn objections(ending: Ending) -> Vec<String> {
    let objection = match ending {
        Ending::Passed => return Vec::new(),
        Ending::InputAltered => "FAIL inputs_intact: an input was changed or removed",
        Ending::OutputMissing => "FAIL output: the output is missing",
        Ending::OutputWrong => "FAIL content: the output does not match what was asked for",
    };
    vec![objection.to_owned()]
}
