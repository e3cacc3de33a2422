//! Commands: how they end and what they leave is data, and what is given to them arrives.

use std::time::Duration;

use super::*;
use crate::sandbox::{Exit, OutputLimit};

/// Every exit status comes back as it is; none is an error.
pub async fn exit_code_is_data(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    for code in [0, 1, 3, 126, 200, 255] {
        let output = run(&*session, &Command::shell(format!("exit {code}"))).await?;
        ensure!(output.exit == Exit::Code(code), "`exit {code}` was told as {}", output.exit);
    }
    close(session).await
}

/// A signal is told as a signal, and is no success.
pub async fn signal_is_data(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    for (name, number) in [("KILL", 9), ("TERM", 15)] {
        let output = run(&*session, &Command::shell(format!("kill -{name} $$"))).await?;
        ensure!(output.exit == Exit::Signal(number), "SIG{name} was told as {}", output.exit);
    }
    close(session).await
}

/// A time-out is told as one, with what had been printed until then.
pub async fn timeout_is_data(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    let command = Command::shell("echo before; exec sleep 600");
    // Long enough to have printed on a busy machine.
    let output = run(&*session, &command.with_timeout(Duration::from_secs(1))).await?;
    ensure!(output.exit == Exit::TimedOut, "a time-out was told as {}", output.exit);
    let shown = output.stdout.text();
    ensure!(shown == "before\n", "what was printed before the time-out is {shown:?}");
    close(session).await
}

/// A program that does not exist is the command's failure, not the sandbox's.
pub async fn missing_program_is_data(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    let missing = Command::program(["no-such-program-here"]);
    let result = promptly("running a missing program", session.exec(&missing)).await?;
    let failed = result.as_ref().is_ok_and(|output| !output.exit.is_success());
    ensure!(failed, "a missing program gave {}", seen(&result));
    close(session).await
}

/// The two output streams are not mixed.
pub async fn stdout_and_stderr_are_apart(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    let output = run(&*session, &Command::shell("echo out; echo err >&2; echo out2")).await?;
    let (out, err) = (output.stdout.text(), output.stderr.text());
    ensure!(out == "out\nout2\n" && err == "err\n", "stdout is {out:?}, stderr is {err:?}");
    close(session).await
}

/// Bytes that are not UTF-8, NUL among them, are kept.
pub async fn invalid_utf8_is_kept(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    let shown = script(&*session, r"printf '\377\000\303(\200'").await?;
    ensure!(shown == b"\xff\0\xc3(\x80", "five bytes came back as {shown:?}");
    close(session).await
}

/// Long output keeps its head and its tail and tells exactly how much was dropped between them.
pub async fn truncation_is_counted(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    // 100000 bytes: a million would take a slow sandbox long, and a pipe's buffer is passed already.
    let command = Command::shell(
        "printf BEGIN; head -c 99992 /dev/zero | tr '\\0' x; printf END; echo error >&2",
    );
    let limit = OutputLimit { head: 50, tail: 30 };
    let output = run(&*session, &command.with_output(limit)).await?;
    let out = &output.stdout;
    let (head, tail) = (out.head.len() as u64, out.tail.len() as u64);
    ensure!((head, tail) == (50, 30), "50 and 30 bytes were to be kept; {head} and {tail} were");
    ensure!(
        head + out.dropped + tail == 100_000,
        "of 100000 bytes, {} were said to be dropped",
        out.dropped
    );
    ensure!(out.head.starts_with(b"BEGINx"), "the head is not the beginning");
    ensure!(out.tail.ends_with(b"xEND"), "the tail is not the end");
    ensure!(output.stderr.dropped == 0, "the other stream was cut as well");
    close(session).await
}

/// Output that fits is whole: nothing in the tail, nothing dropped.
pub async fn short_output_is_whole(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    for length in [0_usize, 1, 79, 80] {
        let command = Command::shell(format!("head -c {length} /dev/zero"));
        let output =
            run(&*session, &command.with_output(OutputLimit { head: 50, tail: 30 })).await?;
        let (kept, dropped) = (output.stdout.bytes().len(), output.stdout.dropped);
        ensure!(
            (kept, dropped) == (length, 0),
            "of {length} bytes {kept} were kept, {dropped} dropped"
        );
        let tail = output.stdout.tail.len();
        ensure!(tail == 0, "{length} bytes, of 80 allowed, were cut in two");
    }
    close(session).await
}

/// Arguments arrive one by one, as they are: no shell reads them.
pub async fn arguments_are_not_parsed(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    let odd = ["", "a b", "$HOME", "*", "\"quoted\"", "new\nline", "-n", ";exit 1"];
    let argv = ["printf", "%s\\0"].into_iter().chain(odd);
    let shown = run(&*session, &Command::program(argv)).await?.stdout.bytes();
    let wanted: Vec<u8> = odd.iter().flat_map(|arg| [arg.as_bytes(), b"\0"].concat()).collect();
    ensure!(shown == wanted, "{odd:?} arrived as {:?}", String::from_utf8_lossy(&shown));
    close(session).await
}

/// Variables of the environment and of the command reach the command, whatever they hold.
pub async fn environment_reaches_commands(sandbox: &dyn Sandbox) -> LawResult {
    let mut environment = Environment::default();
    environment.env.insert("OF_ENVIRONMENT".into(), "e v='\"\nü".into());
    let session = sandbox.open(&environment).await?;
    let command = Command::shell("printf '%s|%s' \"$OF_ENVIRONMENT\" \"$OF_COMMAND\"");
    let output = run(&*session, &command.with_env("OF_COMMAND", "c $HOME=")).await?;
    let shown = output.stdout.text();
    ensure!(shown == "e v='\"\nü|c $HOME=", "the variables arrived as {shown:?}");
    close(session).await
}

/// A command's variable hides the environment's of the same name, for that command only.
pub async fn command_variables_win(sandbox: &dyn Sandbox) -> LawResult {
    let mut environment = Environment::default();
    environment.env.insert("WHO".into(), "environment".into());
    let session = sandbox.open(&environment).await?;
    let show = Command::shell("printf %s \"$WHO\"");
    let with = run(&*session, &show.clone().with_env("WHO", "command")).await?.stdout.text();
    let without = run(&*session, &show).await?.stdout.text();
    let right = with == "command" && without == "environment";
    ensure!(right, "with a command's variable it is {with:?}, without {without:?}");
    close(session).await
}

/// A command runs where it was asked to, absolute or relative, and the next one does not inherit that.
pub async fn working_directory_is_honoured(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    put(&*session, "sub/here", b"sub").await?;
    put(&*session, "/elsewhere/here", b"elsewhere").await?;
    put(&*session, "here", b"workdir").await?;
    let show = Command::shell("cat here");
    for (cwd, wanted) in [("sub", "sub"), ("/elsewhere", "elsewhere")] {
        let output = run(&*session, &show.clone().with_cwd(at(cwd)?)).await?;
        let shown = output.stdout.text();
        ensure!(shown == wanted, "in '{cwd}' a command found {shown:?} ({})", output.exit);
    }
    let shown = run(&*session, &show).await?.stdout.text();
    ensure!(shown == "workdir", "without a directory of its own a command found {shown:?}");
    close(session).await
}

/// Standard input arrives whole, however long, also when the command does not read it all.
pub async fn stdin_reaches_the_command(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    let bytes = b"line\0\xff\n".repeat(40_000);
    let count = Command::shell("cksum").with_stdin(bytes.clone());
    let shown = run(&*session, &count).await?.stdout.bytes();
    put(&*session, "same", &bytes).await?;
    let wanted = script(&*session, "cksum < same").await?;
    ensure!(shown == wanted, "{} bytes of input arrived otherwise", bytes.len());
    let careless = Command::shell("exit 5").with_stdin(bytes);
    let exit = run(&*session, &careless).await?.exit;
    ensure!(exit == Exit::Code(5), "a command that reads no input ended with {exit}");
    close(session).await
}

/// Without input a command reads the end of it at once: neither a terminal, nor the engine's own input.
pub async fn empty_stdin_is_the_end(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    let command = Command::shell("cat; [ -t 0 ] && echo terminal; echo end");
    let shown = run(&*session, &command).await?.stdout.text();
    ensure!(shown == "end\n", "a command without input read {shown:?}");
    close(session).await
}
