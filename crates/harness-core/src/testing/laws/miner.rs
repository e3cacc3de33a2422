//! What every miner keeps. The trials are made up here: failures of three tasks with two kinds of evidence.
//!
//! That a model is asked only through the context cannot be seen from outside, and has no law.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{LawResult, Unkept, ensure, laws_of, samples, skipped};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{TaskName, WeaknessId};
use crate::llm::LlmBackend;
use crate::miner::Miner;
use crate::stage::StageContext;
use crate::testing::ScriptedLlm;
use crate::trial::{Trial, TrialId};
use crate::weakness::Weakness;

laws_of! { $
    /// Expands every law of [`Miner`](crate::Miner) to a test of its own, in a module of the given name: `miner_laws!(name, block_on, factory)`,
    /// where `factory` gives a [`Fixture`](crate::testing::Fixture) of a [`MinerSeat`](crate::testing::laws::MinerSeat).
    miner_laws => miner [MinerSeat];
    order_does_not_matter passing_trials_contribute_nothing void_trials_contribute_nothing
    no_failures_no_weaknesses citations_name_given_trials cited_steps_exist support_counts_distinct_tasks
    trials_are_counted_once ids_come_from_signatures heaviest_comes_first addressability_is_a_share
    same_trials_same_weaknesses nonsense_from_the_model_is_no_error
}

/// A miner with the model that it may ask.
#[derive(Debug)]
pub struct MinerSeat {
    /// The miner.
    pub miner: Box<dyn Miner>,
    /// Answers what the miner asks; should do so in the same way every time.
    pub model: Arc<dyn LlmBackend>,
}

impl MinerSeat {
    /// A miner with its model.
    pub fn new(miner: impl Miner + 'static, model: impl LlmBackend + 'static) -> Self {
        Self { miner: Box::new(miner), model: Arc::new(model) }
    }

    async fn mine(&self, trials: Vec<Arc<Trial>>) -> Result<Vec<Weakness>, Unkept> {
        let cx = StageContext::alone(Arc::clone(&self.model), 7);
        Ok(self.miner.mine(&samples::held_in(trials)?, &cx).await?)
    }

    /// What it finds in the sample failures; a law about weaknesses says nothing of a miner that finds none.
    async fn found(&self) -> Result<Vec<Weakness>, Unkept> {
        let found = self.mine(samples::failures()?).await?;
        match found.is_empty() {
            true => skipped("the miner finds no weakness in the sample failures"),
            false => Ok(found),
        }
    }
}

/// The order in which evidence is listed is nobody's business.
fn sorted(mut weaknesses: Vec<Weakness>) -> Vec<Weakness> {
    for weakness in &mut weaknesses {
        weakness.evidence.sort_by(|a, b| format!("{a:?}").cmp(&format!("{b:?}")));
    }
    weaknesses
}

async fn same_with(seat: &MinerSeat, what: &str, trials: Vec<Arc<Trial>>) -> LawResult {
    let (plain, with) = (sorted(seat.found().await?), sorted(seat.mine(trials).await?));
    ensure!(plain == with, "{what} changes what is found: {with:?} instead of {plain:?}");
    Ok(())
}

/// The order of the trials changes nothing.
pub async fn order_does_not_matter(seat: &MinerSeat) -> LawResult {
    let mut trials = samples::failures()?;
    trials.reverse();
    same_with(seat, "reversing the trials", trials.clone()).await?;
    trials.rotate_left(1);
    same_with(seat, "rotating the trials", trials).await
}

/// Passing trials support nothing: they add no weakness, task, trial or citation.
pub async fn passing_trials_contribute_nothing(seat: &MinerSeat) -> LawResult {
    let without = supported(seat.mine(samples::failures()?).await?);
    let mut trials = samples::failures()?;
    trials.extend(samples::others(false)?);
    let with = supported(seat.mine(trials).await?);
    ensure!(with == without, "adding passing trials makes {without:?} into {with:?}");
    Ok(())
}

/// What a list of weaknesses rests on, without its order, weights and words.
fn supported(weaknesses: Vec<Weakness>) -> Vec<Weakness> {
    let bare = |weakness| Weakness { addressability: 0.0, description: String::new(), ..weakness };
    let mut weaknesses: Vec<Weakness> = weaknesses.into_iter().map(bare).collect();
    weaknesses.sort_by(|one, other| one.id.cmp(&other.id));
    weaknesses
}

/// Void trials change nothing.
pub async fn void_trials_contribute_nothing(seat: &MinerSeat) -> LawResult {
    let mut trials = samples::failures()?;
    trials.extend(samples::others(true)?);
    same_with(seat, "adding void trials", trials).await
}

/// Without a failed trial there is no weakness.
pub async fn no_failures_no_weaknesses(seat: &MinerSeat) -> LawResult {
    for trials in [Vec::new(), samples::others(false)?, samples::others(true)?] {
        let count = trials.len();
        let found = seat.mine(trials).await?;
        ensure!(found.is_empty(), "in {count} trials, none failed, it finds {found:?}");
    }
    Ok(())
}

fn given() -> Result<Vec<(TrialId, Arc<Trial>)>> {
    samples::failures()?.into_iter().map(|trial| Ok((trial.id()?, trial))).collect()
}

/// Every weakness cites at least one trial, and every citation names one that was given, with its own task.
pub async fn citations_name_given_trials(seat: &MinerSeat) -> LawResult {
    let given = given()?;
    for weakness in seat.found().await? {
        ensure!(!weakness.evidence.is_empty(), "{} cites nothing", weakness.id);
        for cited in &weakness.evidence {
            let known = given.iter().find(|(id, _)| *id == cited.trial);
            let named = known.is_some_and(|(_, trial)| trial.key.task == cited.task);
            ensure!(named, "{} cites {cited:?}, which was not given", weakness.id);
        }
    }
    Ok(())
}

/// Every step that is cited exists in its trial.
pub async fn cited_steps_exist(seat: &MinerSeat) -> LawResult {
    let given = given()?;
    for weakness in seat.found().await? {
        for cited in &weakness.evidence {
            let Some(step) = cited.step else { continue };
            let exists = given
                .iter()
                .any(|(id, trial)| *id == cited.trial && trial.trajectory.step(step).is_some());
            ensure!(exists, "{} cites step {step}, which does not exist", weakness.id);
        }
    }
    Ok(())
}

/// A weakness's tasks are failed tasks of the trials given, at least one, and those it cites are among them.
pub async fn support_counts_distinct_tasks(seat: &MinerSeat) -> LawResult {
    let failed: BTreeSet<TaskName> =
        samples::failures()?.iter().map(|trial| trial.key.task.clone()).collect();
    for weakness in seat.found().await? {
        let (id, tasks) = (&weakness.id, &weakness.tasks);
        ensure!(!tasks.is_empty() && tasks.is_subset(&failed), "{id} is supported by {tasks:?}");
        let cited = weakness.evidence.iter().all(|cited| tasks.contains(&cited.task));
        ensure!(cited, "{id} cites tasks that do not support it");
    }
    Ok(())
}

/// A weakness counts at least one trial for each of its tasks, and all together no more than failed.
pub async fn trials_are_counted_once(seat: &MinerSeat) -> LawResult {
    let (found, failed) = (seat.found().await?, samples::failures()?.len());
    for Weakness { id, trials, tasks, .. } in &found {
        ensure!(
            *trials as usize >= tasks.len(),
            "{id} has {} tasks and {trials} trials",
            tasks.len()
        );
    }
    let counted: usize = found.iter().map(|weakness| weakness.trials as usize).sum();
    ensure!(counted <= failed, "{failed} trials failed, {counted} are counted");
    Ok(())
}

/// A weakness's id is that of its signature, so no two weaknesses share either.
pub async fn ids_come_from_signatures(seat: &MinerSeat) -> LawResult {
    let mut seen = BTreeSet::<WeaknessId>::new();
    for weakness in seat.found().await? {
        let wanted = Weakness::id_of(&weakness.signature)?;
        ensure!(weakness.id == wanted, "{} should be called {wanted}", weakness.id);
        ensure!(seen.insert(weakness.id.clone()), "{} is found twice", weakness.id);
    }
    Ok(())
}

/// The heaviest comes first, and ties are ordered by id.
pub async fn heaviest_comes_first(seat: &MinerSeat) -> LawResult {
    let found = seat.found().await?;
    if found.len() < 2 {
        return skipped("the miner finds a single weakness in the sample failures");
    }
    for pair in found.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        let ordered = a.weight() > b.weight() || (a.weight() == b.weight() && a.id < b.id);
        ensure!(ordered, "{} ({}) comes before {} ({})", a.id, a.weight(), b.id, b.weight());
    }
    Ok(())
}

/// Addressability is a number from 0 to 1.
pub async fn addressability_is_a_share(seat: &MinerSeat) -> LawResult {
    for Weakness { id, addressability, .. } in seat.found().await? {
        ensure!((0.0..=1.0).contains(&addressability), "that of {id} is {addressability}");
    }
    Ok(())
}

/// The same trials, seed and answers give the same weaknesses.
pub async fn same_trials_same_weaknesses(seat: &MinerSeat) -> LawResult {
    let (first, second) = (seat.found().await?, seat.found().await?);
    ensure!(first == second, "first {first:?}, then {second:?}");
    Ok(())
}

/// What cannot be diagnosed, because the model answers nonsense, has an unknown cause: it is no error.
pub async fn nonsense_from_the_model_is_no_error(seat: &MinerSeat) -> LawResult {
    for nonsense in ["", "42 } not what was asked {", "{\"signature\": null}"] {
        let cx = StageContext::alone(Arc::new(ScriptedLlm::always(nonsense)), 7);
        let result = seat.miner.mine(&samples::held_in(samples::failures()?)?, &cx).await;
        ensure!(result.is_ok(), "to {nonsense:?} it said {result:?}");
    }
    // Broken machinery, on the other hand, may not be swallowed as if nothing had failed.
    let down = ScriptedLlm::new(|_| Err(Error::new(ErrorKind::Budget, "the cap is reached")));
    let cx = StageContext::alone(Arc::new(down.clone()), 7);
    let result = seat.miner.mine(&samples::held_in(samples::failures()?)?, &cx).await;
    let swallowed = !down.requests().is_empty() && result.is_ok();
    ensure!(!swallowed, "a spent budget was taken for an answer");
    Ok(())
}
