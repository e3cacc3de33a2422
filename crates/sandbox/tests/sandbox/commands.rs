//! Running commands: what comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness_core::{
    Command, Environment, ErrorKind, Exit, File, Network, OutputLimit, Sandbox, SandboxPath,
};

use crate::common::{laws, open, path, run, stdout};

laws!(
    ends_are_told_apart,
    what_cannot_be_started_is_data,
    programs_are_found_along_the_path_and_scripts_run,
    streams_stay_apart_and_whole,
    long_output_keeps_head_and_tail,
    variables_directory_and_input_arrive,
    long_arguments_arrive,
    commands_run_at_the_same_time,
    what_cannot_be_given_is_refused,
    commands_are_their_own_session,
);

async fn ends_are_told_apart(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    assert_eq!(run(&*session, "exit 0").await.exit, Exit::Code(0));
    assert_eq!(run(&*session, "exit 42").await.exit, Exit::Code(42));
    assert_eq!(run(&*session, "kill -TERM $$").await.exit, Exit::Signal(15));
    assert_eq!(run(&*session, "kill -KILL $$").await.exit, Exit::Signal(9));
    let slow = Command::shell("echo before; sleep 60").with_timeout(Duration::from_secs(1));
    let begun = Instant::now();
    let output = session.exec(&slow).await.unwrap();
    assert_eq!(output.exit, Exit::TimedOut);
    assert_eq!(output.stdout.text(), "before\n");
    // Far less than the command would take, and far more than a loaded machine adds.
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(output.elapsed >= Duration::from_secs(1));
}

async fn what_cannot_be_started_is_data(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let missing = session.exec(&Command::program(["no-such-program"])).await.unwrap();
    assert_eq!(missing.exit, Exit::Code(127));
    assert!(missing.stderr.text().contains("no-such-program: command not found"));
    let directory = session.exec(&Command::program(["/usr"])).await.unwrap();
    assert_eq!(directory.exit, Exit::Code(126));
    let nowhere = Command::shell("true").with_cwd(path("/no/where"));
    assert_eq!(session.exec(&nowhere).await.unwrap().exit, Exit::Code(126));
    let nothing = session.exec(&Command::program(Vec::<String>::new())).await.unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::InvalidInput);
    let nul = session.exec(&Command::program(["echo", "a\0b"])).await.unwrap_err();
    assert_eq!(nul.kind(), ErrorKind::InvalidInput);
}

/// Another list of the arguments is made on the way to the shell, beside memory that the session's process shares.
async fn programs_are_found_along_the_path_and_scripts_run(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let script = File::executable(b"echo \"$1 $# $FIRST\"");
    session.write(&path("tools/counted"), script).await.unwrap();
    let arguments = (0..20_000).map(|number| format!("argument-{number}"));
    let along = format!("{}:/usr/bin:/bin", session.locate(&path("tools")));
    let command = Command::program(std::iter::once("counted".to_owned()).chain(arguments))
        .with_env("PATH", along)
        .with_env("FIRST", "=x y");
    let output = session.exec(&command).await.unwrap();
    assert_eq!(output.stdout.text(), "argument-0 20000 =x y\n", "{}", output.stderr.text());
    let elsewhere = Command::program(["counted"]);
    assert_eq!(session.exec(&elsewhere).await.unwrap().exit, Exit::Code(127));
    let signals = stdout(&*session, "grep ^SigBlk /proc/self/status").await;
    assert_eq!(signals, "SigBlk:\t0000000000000000\n");
}

async fn streams_stay_apart_and_whole(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let output = run(&*session, r"printf 'out\xff\xfe'; printf 'err\x00' >&2").await;
    assert_eq!(output.stdout.bytes(), b"out\xff\xfe");
    assert_eq!(output.stderr.bytes(), b"err\0");
    let many = run(&*session, "head -c 300000 /dev/zero; head -c 200000 /dev/zero >&2").await;
    assert_eq!((many.stdout.bytes().len(), many.stderr.bytes().len()), (300_000, 200_000));
}

async fn long_output_keeps_head_and_tail(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let limit = OutputLimit { head: 10, tail: 10 };
    let long = Command::shell("printf start; head -c 10000000 /dev/zero; printf end");
    let output = session.exec(&long.with_output(limit)).await.unwrap();
    assert_eq!(output.stdout.head, b"start\0\0\0\0\0");
    assert_eq!(output.stdout.tail, b"\0\0\0\0\0\0\0end");
    assert_eq!(output.stdout.dropped, 10_000_008 - 20);
}

async fn variables_directory_and_input_arrive(sandbox: &Arc<dyn Sandbox>) {
    let mut environment =
        Environment { workdir: path("/elsewhere/space"), ..Environment::default() };
    environment.env.insert("A".into(), "of the environment".into());
    environment.env.insert("B".into(), "hidden".into());
    let session = sandbox.open(&environment).await.unwrap();
    stdout(&*session, "mkdir -p sub").await;
    let command = Command::shell("echo $A, $B; pwd; cat")
        .with_env("B", "of the command")
        .with_cwd(path("sub"))
        .with_stdin(*b"input");
    let output = session.exec(&command).await.unwrap().stdout.text();
    let cwd = session.locate(&path("/elsewhere/space/sub"));
    assert_eq!(output, format!("of the environment, of the command\n{cwd}\ninput"));
    // No input is an empty input.
    assert_eq!(stdout(&*session, "cat; tty || true").await, "not a tty\n");
    let large: Vec<u8> = vec![b'x'; 3 << 20];
    let count = Command::program(["wc", "-c"]).with_stdin(large);
    assert_eq!(session.exec(&count).await.unwrap().stdout.text().trim(), "3145728");
}

async fn long_arguments_arrive(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let argument = "ä".repeat(60_000);
    let echo = Command::program(["printf", "%s", &argument]);
    let output = session.exec(&echo).await.unwrap();
    assert_eq!(output.stdout.text(), argument);
    let too_long = Command::program(["true", &"x".repeat(3_000_000)]);
    assert_eq!(session.exec(&too_long).await.unwrap().exit, Exit::Code(126));
}

/// Each waits until all have begun: one after the other none of them would end.
async fn commands_run_at_the_same_time(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let commands = (0..20).map(|number| {
        let session = &session;
        async move {
            let script = format!(
                ": > begun.{number}; until [ -e begun.19 ] && set -- begun.* && [ $# = 20 ]; do sleep 0.05; done; \
                 echo {number}; exit {number}"
            );
            let output = run(&**session, &script).await;
            assert_eq!(output.exit, Exit::Code(number));
            assert_eq!(output.stdout.text(), format!("{number}\n"));
        }
    });
    futures::future::join_all(commands).await;
}

async fn what_cannot_be_given_is_refused(sandbox: &Arc<dyn Sandbox>) {
    let unconfined = sandbox.isolation().backend == "unconfined";
    for network in [Network::Public, Network::Allow(vec!["example.org".into()])] {
        let environment = Environment { network, ..Environment::default() };
        let opened = sandbox.open(&environment).await;
        assert_eq!(opened.as_ref().err().map(harness_core::Error::kind), {
            (!unconfined).then_some(ErrorKind::InvalidInput)
        });
    }
    let workdir = SandboxPath::new("relative").unwrap();
    let relative = Environment { workdir, ..Environment::default() };
    assert_eq!(sandbox.open(&relative).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

async fn commands_are_their_own_session(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let ids = stdout(&*session, "echo $$; cut -d' ' -f5,6 /proc/$$/stat").await;
    let ids: Vec<_> = ids.split_whitespace().collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}
