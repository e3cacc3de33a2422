//! A statistical twin: a harness whose attempts are drawn from a known distribution instead of being made.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Chance, ScriptedVerifier, answer};
use crate::context::RunContext;
use crate::error::{Error, ErrorKind, Result};
use crate::harness::{Harness, Surface};
use crate::id::{SurfaceId, TaskName};
use crate::task::Task;
use crate::trajectory::Trajectory;
use crate::trial::{Finish, Spent};

/// One way that an attempt can go.
#[derive(Clone, Debug)]
pub struct Course {
    /// How likely it is, up to a common factor.
    pub probability: f64,
    /// What a verifier would object to; `None` when the task is passed.
    pub objections: Option<String>,
    /// How it ends.
    pub finish: Finish,
    /// Its steps.
    pub trajectory: Trajectory,
    /// How often each surface acted.
    pub activations: BTreeMap<String, u64>,
    /// What its calls would cost.
    pub spent: Spent,
}

/// Who knows how the attempts of any harness at any task can go: the ground truth of a world.
pub trait Nature<H>: fmt::Debug + Send + Sync {
    /// Every course of an attempt of `harness` at `task`. Never empty, and the same for the same arguments.
    ///
    /// # Errors
    /// When the world does not know the task, or the harness cannot be run in it. Either stops the run.
    fn courses(&self, harness: &H, task: &Task) -> Result<Vec<Course>>;
}

/// A harness with the attempts of its nature: the same document, edits and fingerprint as the harness itself, and trials
/// with the same pass rates, trajectories, activations and costs, drawn in microseconds.
///
/// The trial's seed decides the draw. A sandbox is only asked to keep the verdict: [`InMemorySandbox`](super::InMemorySandbox)
/// with [`Twin::verifier`] will do, for tasks whose environment asks for no commands. A twin that was read back from its document has no nature and refuses to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent, bound = "H: Serialize + DeserializeOwned")]
pub struct Twin<H> {
    harness: H,
    #[serde(skip)]
    nature: Option<Arc<dyn Nature<H>>>,
    /// What was asked of the nature already; shared by clones.
    #[serde(skip)]
    known: Arc<RwLock<HashMap<TaskName, Arc<Draws>>>>,
}

impl<H: Harness> Twin<H> {
    /// The twin of `harness` in the world of `nature`.
    pub fn new(harness: H, nature: Arc<dyn Nature<H>>) -> Self {
        Self { harness, nature: Some(nature), known: Arc::default() }
    }

    /// The harness itself.
    pub fn harness(&self) -> &H {
        &self.harness
    }

    /// The verifier of twins' trials.
    pub fn verifier() -> ScriptedVerifier {
        answer::verifier("twin")
    }

    /// The chance that an attempt at `task` passes.
    ///
    /// # Errors
    /// Those of [`Nature::courses`].
    pub fn pass_rate(&self, task: &Task) -> Result<f64> {
        Ok(self.draws(task)?.pass_rate)
    }

    /// Whether the attempt of this seed passes: what a trial of that seed would come to, without the trial.
    ///
    /// # Errors
    /// Those of [`Nature::courses`].
    pub fn passes(&self, task: &Task, seed: u64) -> Result<bool> {
        Ok(self.draws(task)?.draw(seed)?.objections.is_none())
    }

    fn draws(&self, task: &Task) -> Result<Arc<Draws>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(draws) = known.get(&task.name) {
            return Ok(Arc::clone(draws));
        }
        drop(known);
        let nature = self.nature.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                "a twin that was read from its document has no nature",
            )
        })?;
        let draws = Arc::new(Draws::new(nature.courses(&self.harness, task)?));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(task.name.clone(), Arc::clone(&draws));
        Ok(draws)
    }
}

impl<H: Harness> Harness for Twin<H> {
    type Edit = H::Edit;

    fn surfaces(&self) -> Vec<Surface> {
        self.harness.surfaces()
    }

    fn surface_of(edit: &H::Edit) -> SurfaceId {
        H::surface_of(edit)
    }

    fn apply(&self, edit: &H::Edit) -> Result<Self> {
        let harness = self.harness.apply(edit)?;
        Ok(Self { harness, nature: self.nature.clone(), known: Arc::default() })
    }

    async fn run(&self, task: &Task, cx: &RunContext<'_>) -> Result<Finish> {
        let draws = self.draws(task)?;
        let course = draws.draw(cx.seed())?;
        cx.take_over(&course.trajectory, &course.activations, course.spent);
        answer::leave(cx, course.objections.as_deref()).await?;
        Ok(course.finish.clone())
    }
}

/// Courses, ready to be drawn from.
#[derive(Debug)]
struct Draws {
    courses: Vec<Course>,
    /// The sum of the probabilities up to and with each course.
    up_to: Vec<f64>,
    pass_rate: f64,
}

impl Draws {
    fn new(courses: Vec<Course>) -> Self {
        let mut total = 0.0;
        let up_to: Vec<f64> = courses
            .iter()
            .map(|course| {
                total += course.probability;
                total
            })
            .collect();
        let passing = courses.iter().filter(|course| course.objections.is_none());
        let pass_rate = passing.fold(0.0, |sum, course| sum + course.probability) / total;
        Self { courses, up_to, pass_rate }
    }

    fn draw(&self, seed: u64) -> Result<&Course> {
        let point = Chance::new(seed).unit() * self.up_to.last().copied().unwrap_or_default();
        let index = self.up_to.partition_point(|up_to| *up_to <= point);
        self.courses.get(index).or(self.courses.last()).ok_or_else(|| {
            Error::new(ErrorKind::Contract, "a nature knows no course of an attempt")
        })
    }
}
