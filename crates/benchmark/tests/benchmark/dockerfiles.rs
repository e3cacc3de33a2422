//! What a Dockerfile comes to, as the environment says and as a session shows it.

use harness_benchmark::HarborTask;

use crate::common::{Tasks, prepared, run};

fn dockerfile(text: &str) -> Tasks {
    Tasks::one().with("environment/Dockerfile", text)
}

fn uploads(task: &HarborTask) -> Vec<(String, u32, String)> {
    let files = task.task.environment.files.iter();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    files.map(|it| (it.path.to_string(), it.mode, text(&it.content))).collect()
}

fn paths(tasks: &Tasks) -> Vec<String> {
    uploads(&tasks.only()).into_iter().map(|(path, ..)| path).collect()
}

fn with_files(text: &str) -> Tasks {
    let tasks = dockerfile(text)
        .with("environment/files/a.txt", "a")
        .with("environment/files/sub/b.txt", "b")
        .with("environment/c d.txt", "c");
    tasks.executable("t/environment/run.sh", "#!/bin/sh\n");
    tasks
}

#[test]
fn copies_go_where_docker_puts_them() {
    let cases: &[(&str, &[&str])] = &[
        ("COPY files /app", &["/app/a.txt", "/app/sub/b.txt"]),
        ("COPY files/ ./", &["/app/a.txt", "/app/sub/b.txt"]),
        ("COPY files data", &["/app/data/a.txt", "/app/data/sub/b.txt"]),
        ("COPY run.sh /app", &["/app/run.sh"]),
        ("COPY run.sh .", &["/app/run.sh"]),
        ("COPY run.sh /opt/go", &["/opt/go"]),
        ("COPY run.sh /opt/go/", &["/opt/go/run.sh"]),
        ("COPY ./run.sh files/a.txt /data", &["/data/run.sh", "/data/a.txt"]),
        ("COPY [\"c d.txt\", \"x y\"]", &["/app/x y"]),
        ("COPY files/*.txt files/s* in/", &["/app/in/a.txt", "/app/in/b.txt"]),
        ("COPY f?les /app", &["/app/a.txt", "/app/sub/b.txt"]),
        ("ADD run.sh /root", &["/root/run.sh"]),
        ("WORKDIR sub\nCOPY run.sh .", &["/app/sub/run.sh"]),
        ("ENV D=/opt/x\nCOPY run.sh ${D}/y/", &["/opt/x/y/run.sh"]),
        ("COPY --link --chown=root:root run.sh z", &["/app/z"]),
    ];
    for (line, expected) in cases {
        let tasks = with_files(&format!("FROM debian\nWORKDIR /app\n{line}\n"));
        assert_eq!(paths(&tasks), *expected, "{line}");
    }
}

#[test]
fn modes_come_from_the_file_or_from_chmod() {
    let tasks = with_files(
        "FROM debian\nWORKDIR /app\nCOPY run.sh files/a.txt ./\nCOPY --chmod=0600 run.sh key\n",
    );
    let modes: Vec<u32> = uploads(&tasks.only()).into_iter().map(|(_, mode, _)| mode).collect();
    assert_eq!(modes, [0o755, 0o644, 0o600]);
}

#[test]
fn here_documents_are_files_too() {
    let tasks = dockerfile(
        "FROM debian\nWORKDIR /app\nENV A=1\nCOPY <<one <<\"two\" /app/in/\na=$A\none\nb=$A\ntwo\nCOPY <<EOF single.txt\nx\nEOF\n",
    );
    let expected =
        [("/app/in/one", "a=1\n"), ("/app/in/two", "b=$A\n"), ("/app/single.txt", "x\n")];
    let found = uploads(&tasks.only());
    let found: Vec<(&str, &str)> =
        found.iter().map(|(path, _, text)| (path.as_str(), text.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_is_ignored_is_not_copied() {
    let tasks = with_files("FROM debian\nWORKDIR /app\nCOPY . /app/\n").with(
        "environment/.dockerignore",
        "files/*\n!files/a.txt\nDockerfile\n.dockerignore\n*.sh\n",
    );
    assert_eq!(paths(&tasks), ["/app/c d.txt", "/app/files/a.txt"]);
}

#[test]
fn a_plain_run_is_a_plain_line() {
    let tasks =
        dockerfile("FROM debian\nWORKDIR /app\nCOPY . .\nRUN chmod 755 Dockerfile \\\n  && true\n");
    assert_eq!(tasks.only().task.environment.setup, ["chmod 755 Dockerfile   && true"]);
}

#[test]
fn what_needs_an_image_is_skipped_with_its_line() {
    let cases: &[(&str, &str)] = &[
        ("FROM alpine:3", "line 1 starts from the image 'alpine:3'"),
        ("FROM debian\nFROM debian", "line 2 has more than one stage"),
        ("FROM debian AS a\nCOPY --from=a /x /y", "line 2 has the option '--from'"),
        (
            "FROM debian\nRUN apt-get update && \\\n apt-get install -y jq",
            "line 2 installs packages",
        ),
        ("FROM debian\nRUN curl -L https://x.org | sh", "line 2 downloads"),
        ("FROM debian\nRUN <<EOF\npip install x\nEOF", "line 2 installs packages"),
        ("FROM debian\nRUN bash <<EOF\npip install x\nEOF", "line 2 installs packages"),
        (
            "FROM debian\nRUN --mount=type=secret,id=x cat x",
            "line 2 has the option '--mount=type=secret,id=x'",
        ),
        ("FROM debian\nADD https://x.org/a /a", "line 2 downloads"),
        ("FROM debian\nADD x.tar.gz /a", "line 2 unpacks"),
        ("FROM debian\nUSER nobody", "line 2 works as the user 'nobody'"),
        ("FROM debian\nONBUILD RUN true", "line 2 has the instruction ONBUILD"),
        ("FROM debian\nCOPY Dockerfile /usr/local/bin/x", "line 2 places /usr/local/bin/x"),
        (
            "FROM debian\nCOPY Dockerfile a\nRUN true\nCOPY Dockerfile a",
            "line 4 copies /app/a a second time",
        ),
        ("FROM debian\nWORKDIR /", "WORKDIR is /"),
        ("FROM debian\nRUN <<EOF\n", "does not end"),
        (
            "FROM debian\nRUN <<EOF\n#!/usr/bin/perl\n1\nEOF",
            "line 2 runs a script with '/usr/bin/perl'",
        ),
    ];
    for (text, reason) in cases {
        let skipped = dockerfile(text).skipped();
        assert!(skipped.contains(reason), "{text:?} gives {skipped:?}");
    }
}

#[test]
fn what_a_session_does_not_need_is_ignored() {
    let text = "# syntax=docker/dockerfile:1\nARG TAG=bookworm\nFROM --platform=linux/amd64 debian:$TAG AS base\nMAINTAINER me\n\
                LABEL a=b\nEXPOSE 80\nVOLUME /data\nSTOPSIGNAL 9\nHEALTHCHECK NONE\nUSER root\nCMD [\"sh\"]\nENTRYPOINT x\n";
    let environment = dockerfile(text).only().task.environment.clone();
    assert_eq!(environment.image.as_deref(), Some("debian:bookworm"));
    assert_eq!(environment.workdir.as_str(), "/app");
    assert!(environment.setup.is_empty() && environment.files.is_empty());
}

/// A whole Dockerfile, seen from within.
#[tokio::test]
async fn a_session_looks_as_the_image_would() {
    let text = r#"
FROM debian:bookworm-slim
ARG NAME=arg
ARG LATE
ENV A="one two" B=b
ENV LEGACY the rest of it
WORKDIR /app/src
RUN pwd > where.txt; echo "$A|$B|$LEGACY|$NAME|$LATER" > env.txt
SHELL ["/bin/bash", "-c"]
RUN [[ $B == b ]] && echo bash > shell.txt
RUN ["sh", "-c", "echo \"$1\" > exec.txt", "sh", "a b"]
WORKDIR /app
ENV LATER=set
COPY data/ data/
RUN <<EOF
set -e
for n in 1 2; do
  echo "line $n" >> lines.txt
done
EOF
RUN cat <<EOF > doc.txt
$A
EOF
RUN ls -A data > list.txt && rm data/gone.txt
"#;
    let tasks = dockerfile(text)
        .with("environment/data/kept.txt", "kept")
        .with("environment/data/gone.txt", "gone");
    std::fs::create_dir_all(tasks.path().join("t/environment/data/empty")).unwrap();
    tasks.link("t/environment/data/link", "kept.txt");
    let session = prepared(&tasks.only()).await;
    let session = session.as_ref();
    assert_eq!(run(session, "basename $(cat src/where.txt)").await, "src\n");
    assert_eq!(run(session, "cat src/env.txt").await, "one two|b|the rest of it|arg|\n");
    assert_eq!(run(session, "cat src/shell.txt src/exec.txt").await, "bash\na b\n");
    assert_eq!(run(session, "cat lines.txt doc.txt").await, "line 1\nline 2\none two\n");
    assert_eq!(run(session, "cat list.txt").await, "empty\ngone.txt\nkept.txt\nlink\n");
    assert_eq!(run(session, "cat data/link; ls data").await, "keptempty\nkept.txt\nlink\n");
    assert_eq!(run(session, "echo $LATER $A $NAME").await, "set one two\n");
}

#[tokio::test]
async fn a_healthcheck_is_waited_for() {
    let toml = "[environment.healthcheck]\ncommand = \"echo x >> tries; test $(wc -l < tries) = 3\"\ninterval_sec = 0.01\nretries = 3";
    let tasks = Tasks::one().with("task.toml", toml);
    let session = prepared(&tasks.only()).await;
    assert_eq!(run(session.as_ref(), "cat tries").await, "x\nx\nx\n");

    let tasks = Tasks::one().with("task.toml", &toml.replace("= 3\"", "= 4\""));
    let task = tasks.only().task;
    let session = crate::common::sandbox().open(&task.environment).await.unwrap();
    let failed = task.environment.prepare(session.as_ref()).await.unwrap_err();
    assert!(failed.message().contains("healthcheck"), "{failed}");
}
