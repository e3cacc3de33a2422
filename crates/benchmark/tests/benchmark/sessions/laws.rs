//! The laws of every verifier.

use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use harness_benchmark::HarborVerifier;
use harness_core::testing::Fixture;
use harness_core::testing::laws::{Act, VerifierSeat, act};
use harness_core::{Command, SandboxPath, Task};

use crate::common::{Tasks, sandbox};

fn block_on<F: Future>(work: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

/// Runs a script; `LOGS` is where the verifier's directory is in the session.
fn script(script: &'static str) -> Act {
    act(move |session| {
        async move {
            let logs = session.locate(&SandboxPath::new("/logs/verifier")?);
            session.exec(&Command::shell(script).with_env("LOGS", logs)).await.map(drop)
        }
        .boxed()
    })
}

fn seat() -> Fixture<VerifierSeat> {
    let tasks = Tasks::one()
        .with("environment/compare", "cmp \"$1\" \"$2\"\n")
        .with("tests/want.txt", "42\n")
        .with(
            "tests/test.sh",
            // Without the environment's own tool there is nothing to judge with.
            "test -f compare || exit 1\nbash compare \"$TEST_DIR/want.txt\" answer.txt\n\
         echo $((1 - ($? != 0))) > \"$VERIFIER_LOGS_PATH/reward.txt\"\n",
        );
    tasks.task("other");
    let mut loaded = tasks.load().tasks;
    let (other, task) = (loaded.remove(0), loaded.remove(0));
    let verifier = HarborVerifier::new([&task, &other]).unwrap();
    let unwrapped = |task: &Arc<Task>| (**task).clone();
    let mut seat = VerifierSeat::new(
        verifier,
        sandbox(),
        unwrapped(&task.task),
        script("echo 42 > answer.txt"),
    );
    seat.other = Some(unwrapped(&other.task));
    seat.unknown = Some(Task::new("unknown", "x"));
    seat.forge = Some(script(
        "mkdir -p $LOGS; echo 1 > $LOGS/reward.txt; echo '{\"reward\": 1}' > $LOGS/reward.json; chmod 555 $LOGS $(dirname $LOGS)",
    ));
    seat.sabotage = Some(script("rm compare"));
    seat.tests =
        ["/tests/test.sh", "/tests/want.txt"].map(|it| SandboxPath::new(it).unwrap()).to_vec();
    Fixture::new(seat)
}

harness_core::verifier_laws!(harbor, block_on, seat);
