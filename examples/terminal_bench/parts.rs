//! From options to tasks and sandbox.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use harness_benchmark::{HarborTask, Loaded, Loader, Selection, Skipped};
use harness_core::{IsolationLevel, LlmBackend, ModelId, Result, Sandbox};
use harness_sandbox::SandboxKind;

use crate::options::{Agent, Options, SandboxChoice};
use crate::wrong;

/// The tasks of a run, and those that cannot take part.
pub(crate) struct Tasks {
    pub(crate) tasks: Vec<HarborTask>,
    pub(crate) skipped: Vec<Skipped>,
}

/// The tasks, with what was left out told aloud.
pub(crate) fn tasks(options: &Options) -> Result<Tasks> {
    let directory = options.tasks.clone().unwrap_or_else(bundled);
    let selection = Selection {
        include: options.include.clone(),
        exclude: options.exclude.clone(),
        limit: options.limit.map(|count| count as usize),
    };
    let loader = Loader::new().with_variables(std::env::vars().collect()).with_selection(selection);
    let Loaded { tasks, skipped } = loader.load(&directory)?;
    for skipped in &skipped {
        eprintln!("skipped {}: {}", skipped.name, skipped.reason);
    }
    if tasks.is_empty() {
        let directory = directory.display();
        return Err(wrong(format!(
            "no task of {directory} can run here: each was skipped, for the reason given"
        )));
    }
    Ok(Tasks { tasks, skipped })
}

/// The tasks that come with this example: beside it in the checkout it was built from, or where it is started.
fn bundled() -> PathBuf {
    let here = Path::new("examples/tasks");
    if here.is_dir() { here.to_owned() } else { Path::new(env!("CARGO_MANIFEST_DIR")).join(here) }
}

/// Containers, as their daemon isolates them.
#[cfg(feature = "docker")]
async fn containers(options: &Options) -> Result<Arc<dyn Sandbox>> {
    use harness_sandbox::{ContainerOptions, ContainerSandbox};

    let socket = options.docker_socket.clone();
    let sandbox =
        ContainerSandbox::connect(ContainerOptions { socket, ..ContainerOptions::default() })
            .await?;
    let isolation = sandbox.isolation();
    eprintln!("sandbox: {isolation}");
    isolation.residual.iter().for_each(|residual| eprintln!("  note: {residual}"));
    Ok(Arc::new(sandbox))
}

#[cfg(not(feature = "docker"))]
async fn containers(_options: &Options) -> Result<Arc<dyn Sandbox>> {
    Err(wrong(
        "--sandbox docker needs an example built with containers: \
         cargo run --release --features docker --example terminal_bench -- …",
    ))
}

/// The sandbox, never weaker than what was asked for aloud.
pub(crate) async fn sandbox(
    options: &Options,
    model: &Arc<dyn LlmBackend>,
) -> Result<Arc<dyn Sandbox>> {
    let kind = match options.sandbox {
        SandboxChoice::Auto => SandboxKind::Auto,
        SandboxChoice::Namespace => SandboxKind::Namespace,
        SandboxChoice::Landlock => SandboxKind::Landlock,
        SandboxChoice::Docker => return containers(options).await,
        SandboxChoice::Unconfined if options.yes_run_unconfined => SandboxKind::Unconfined,
        SandboxChoice::Unconfined => {
            return Err(wrong(
                "--sandbox unconfined lets the model's commands do on this machine whatever you can do: \
                 if you mean it, add --yes-run-unconfined",
            ));
        }
    };
    let sandbox = harness_sandbox::build(kind)?;
    let isolation = sandbox.isolation();
    let weaker = isolation.level > IsolationLevel::User;
    if weaker
        && options.sandbox == SandboxChoice::Auto
        && !may_run_restricted(options.agent, model.model())
    {
        let why_no_stronger: Vec<&str> = isolation
            .residual
            .iter()
            .map(String::as_str)
            .filter(|residual| residual.contains("is not available here"))
            .collect();
        return Err(wrong(format!(
            "this machine offers no namespaces, and {isolation} has no private root:\n{}\n\
             To run {} there all the same, say --sandbox landlock.",
            why_no_stronger.join("\n"),
            model.model(),
        )));
    }
    eprintln!("sandbox: {isolation}");
    if weaker {
        isolation.residual.iter().for_each(|residual| eprintln!("  note: {residual}"));
    }
    Ok(sandbox)
}

/// A simulated model plays the tasks' own solutions, so its commands were read by somebody.
fn may_run_restricted(agent: Agent, model: &ModelId) -> bool {
    agent != Agent::Minimal || model.is_simulated()
}
