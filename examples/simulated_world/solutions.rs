//! Whether a solution that is played call by call ends as one run of it does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use futures::{StreamExt, stream};
use harness_benchmark::{HarborTask, OracleHarness};
use harness_core::{
    Command, Environment, Exit, Harness, Result, RunContext, Sandbox, Session, TrialLimits,
};
use harness_llm::{Playbook, Profile, SimulatedLlm};

use crate::options::{Options, Solutions};
use crate::playbook::playbook;
use crate::world::{harbor, runtime, sandbox};

/// What the working directory holds: names, kinds, modes, contents. A repository's objects hold the times of its commits.
const LIST: &str = "find . -path '*/.git/*' -prune -o -printf '%p %y %m %l\\n' | sort; \
    find . -path '*/.git/*' -prune -o -type f -print0 | sort -z | xargs -0 -r cksum --";

/// What a solution leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Left {
    exit: Option<Exit>,
    files: String,
}

/// What came of comparing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Alike,
    Different,
    /// Two runs of the solution itself differ.
    Unsteady,
    /// It was ended before it was done.
    TooSlow,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alike => "alike",
            Self::Different => "DIFFERENT",
            Self::Unsteady => "not compared: two runs of it differ",
            Self::TooSlow => "not compared: it takes longer",
        })
    }
}

/// One task's row.
struct Row {
    name: String,
    calls: usize,
    ground: &'static str,
    ended: String,
    found: Option<Found>,
}

pub(crate) fn show(asked: &Solutions, options: &Options) -> Result<String> {
    let tasks = harbor(options, true)?.tasks;
    let count = tasks.len();
    let sandbox = if asked.unplayed { None } else { Some(sandbox()?) };
    let known: Vec<(HarborTask, Playbook)> = tasks
        .into_iter()
        .filter_map(|task| playbook(&task, task.task.name.as_str()).map(|known| (task, known)))
        .collect();
    let at_once = usize::try_from(asked.at_once).unwrap_or(1);
    let rows: Vec<Result<Row>> = runtime()?.block_on(
        stream::iter(&known)
            .map(|(task, known)| row(task, known, sandbox.as_deref(), asked.seconds))
            .buffered(at_once)
            .collect(),
    );
    let rows = rows.into_iter().collect::<Result<Vec<Row>>>()?;
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(["task", "calls", "where", "a run ends", "played"]);
    for row in &rows {
        let found = row.found.map_or("not played".to_owned(), |found| found.to_string());
        table.add_row([
            row.name.clone(),
            row.calls.to_string(),
            row.ground.to_owned(),
            row.ended.clone(),
            found,
        ]);
    }
    let of = |wanted| rows.iter().filter(|row| row.found == Some(wanted)).count();
    let compared = of(Found::Alike) + of(Found::Different);
    Ok(format!(
        "{table}\n\n{count} tasks, {} with a playbook; {compared} compared: {} alike, {} different; {} too slow, {} unsteady\n",
        rows.len(),
        of(Found::Alike),
        of(Found::Different),
        of(Found::TooSlow),
        of(Found::Unsteady),
    ))
}

async fn row(
    task: &HarborTask,
    known: &Playbook,
    sandbox: Option<&dyn Sandbox>,
    seconds: u64,
) -> Result<Row> {
    let (name, calls) = (task.task.name.to_string(), known.calls().count());
    let Some(sandbox) = sandbox else {
        let ended = "not run".to_owned();
        return Ok(Row { name, calls, ground: "nowhere", ended, found: None });
    };
    let ground = Ground::of(task, sandbox).await?;
    let limit = Duration::from_secs(seconds);
    let run = ground.run(task, limit).await?;
    let found = if run.exit == Some(Exit::TimedOut) {
        Found::TooSlow
    } else {
        let played = ground.play(known, limit).await?;
        if played == run {
            Found::Alike
        } else if ground.run(task, limit).await? == run {
            Found::Different
        } else {
            Found::Unsteady
        }
    };
    let ended = run.exit.map_or("unseen".to_owned(), |exit| exit.to_string());
    let ground = if ground.is_own { "its files" } else { "scratch" };
    Ok(Row { name, calls, ground, ended, found: Some(found) })
}

/// Where a solution is tried.
struct Ground<'a> {
    sandbox: &'a dyn Sandbox,
    environment: Environment,
    /// Whether it is the task's own; else an empty directory of the same name.
    is_own: bool,
}

impl<'a> Ground<'a> {
    async fn of(task: &HarborTask, sandbox: &'a dyn Sandbox) -> Result<Self> {
        let own = task.task.environment.clone();
        let ground = Self { sandbox, environment: own.clone(), is_own: true };
        match ground.open().await {
            Ok(session) if own.image.is_some() => session.close().await?,
            _ => {
                let Environment { workdir, env, .. } = own;
                let environment = Environment { workdir, env, ..Environment::default() };
                return Ok(Self { environment, is_own: false, ..ground });
            }
        }
        Ok(ground)
    }

    async fn open(&self) -> Result<Box<dyn Session>> {
        let session = self.sandbox.open(&self.environment).await?;
        self.environment.prepare(session.as_ref()).await?;
        Ok(session)
    }

    /// The solution run once, beside its files.
    async fn run(&self, task: &HarborTask, time: Duration) -> Result<Left> {
        let session = self.open().await?;
        let limits = TrialLimits { time, ..TrialLimits::default() };
        let nobody = Arc::new(SimulatedLlm::new(Profile::named("explorer")?, 0, []));
        let cx = RunContext::alone(nobody, session.as_ref(), limits);
        OracleHarness::new([task]).run(&task.task, &cx).await?;
        let steps = cx.trajectory().steps;
        drop(cx);
        let exit = steps.iter().flat_map(|step| &step.observations).find_map(|seen| seen.exit);
        left(session, exit).await
    }

    /// The same, call by call.
    async fn play(&self, known: &Playbook, time: Duration) -> Result<Left> {
        let session = self.open().await?;
        let mut exit = None;
        for call in known.calls() {
            let command = Command::shell(call).with_timeout(time);
            exit = Some(session.exec(&command).await?.exit);
        }
        left(session, exit).await
    }
}

async fn left(session: Box<dyn Session>, exit: Option<Exit>) -> Result<Left> {
    let listed = session.exec(&Command::shell(LIST)).await?;
    session.close().await?;
    Ok(Left { exit, files: listed.stdout.text() })
}
