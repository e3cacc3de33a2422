//! Any solution, played stanza by stanza in shells of their own, ends as a run of its script does: the same files, the same output, the
//! same status.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use proptest::prelude::*;
use tempfile::TempDir;

use super::place::PATH;
use crate::simulated::script;
use crate::simulated::solution::SolutionFiles;

/// What is left of a script: files with modes and contents, output, status.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    files: BTreeMap<String, (u32, String)>,
    said: String,
    status: Option<i32>,
}

/// Somewhere to run things, with a working directory and one for what is passing.
struct Ground(TempDir);

impl Ground {
    fn new() -> Self {
        let ground = tempfile::tempdir().unwrap();
        for name in ["app", "tmp", "home", "solution"] {
            std::fs::create_dir(ground.path().join(name)).unwrap();
        }
        std::fs::write(ground.path().join("app/given.txt"), "one\ntwo\nthree\n").unwrap();
        Self(ground)
    }

    fn bash(&self, arguments: &[&str], variables: &[(String, String)]) -> Output {
        let at = |name| self.0.path().join(name);
        let mut bash = Command::new("bash");
        bash.args(arguments).current_dir(at("app")).env_clear().stdin(Stdio::null());
        bash.env("PATH", PATH).env("HOME", at("home")).env("TMPDIR", at("tmp"));
        bash.envs(variables.iter().cloned()).output().unwrap()
    }

    /// Paths of this ground are written alike for all.
    fn plain(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).replace(self.0.path().to_str().unwrap(), "")
    }

    fn left(&self, said: &str, status: Option<i32>) -> Left {
        let mut files = BTreeMap::new();
        self.list(&self.0.path().join("app"), &mut files);
        Left { files, said: said.to_owned(), status }
    }

    fn list(&self, directory: &Path, files: &mut BTreeMap<String, (u32, String)>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let about = path.symlink_metadata().unwrap();
            let content = match about.is_file() {
                true => brief(self.plain(&std::fs::read(&path).unwrap())),
                false => String::new(),
            };
            let name = self.plain(path.to_str().unwrap().as_bytes());
            files.insert(name, (about.permissions().mode(), content));
            if about.is_dir() {
                self.list(&path, files);
            }
        }
    }
}

/// Long contents by their digests, so that a failure can be read.
fn brief(text: String) -> String {
    if text.len() < 300 {
        text
    } else {
        format!("{} bytes, {}", text.len(), harness_core::Fingerprint::of_bytes(text.as_bytes()))
    }
}

/// The script run whole, beside its files.
fn run(solution: &SolutionFiles) -> Left {
    let ground = Ground::new();
    let home = ground.0.path().join("solution");
    // There is no such directory at the root of this machine.
    let said = |text: &[u8]| match std::str::from_utf8(text) {
        Ok(text) => text.replace("/solution", home.to_str().unwrap()).into_bytes(),
        Err(_) => text.to_vec(),
    };
    let script = home.join("solve.sh");
    std::fs::write(&script, said(solution.script().as_bytes())).unwrap();
    for file in solution.files() {
        let path = home.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, said(&file.content)).unwrap();
        let mode = if file.is_executable { 0o755 } else { 0o644 };
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }
    let output = ground.bash(&[script.to_str().unwrap()], solution.variables());
    ground.left(&ground.plain(&output.stdout), output.status.code())
}

/// The same played; and in how many calls.
fn play(solution: &SolutionFiles) -> (Left, usize) {
    let ground = Ground::new();
    let stanzas = script::stanzas("a-task", solution);
    let (mut said, mut status) = (String::new(), Some(0));
    for stanza in &stanzas {
        let output = ground.bash(&["-c", &stanza.call], &[]);
        said.push_str(&ground.plain(&output.stdout));
        status = output.status.code();
    }
    (ground.left(&said, status), stanzas.len())
}

fn ends_alike(solution: &SolutionFiles) -> usize {
    let (played, count) = play(solution);
    assert_eq!(played, run(solution), "{}", brief(solution.script().to_owned()));
    count
}

/// What a shell remembers, and what reads it.
const PARTS: &[&str] = &[
    "x=1; y='two words'",
    "echo \"$x $y ${z-none}\"",
    "export z=\"$y\nand a line\"",
    "mkdir -p deep/er && cd deep/er\npwd",
    "cd ..",
    "cd - > /dev/null && pwd",
    "pwd > where.txt; ls",
    "f() {\n  echo \"f $1 $x\"\n\n  n=$((n + 1))\n}",
    "f a; f b; echo \"$n\"",
    "declare -F f && bash -c 'f c'; export -f f",
    "list=(a 'b c' d)\nlist+=(e)",
    "for item in \"${list[@]}\"; do echo \"<$item>\"; done",
    "declare -A map=([k]='v w')\nreadonly fixed=7",
    "echo \"${map[k]} $fixed ${#map[@]}\"",
    "declare -i sum=1\nsum+=41; echo $sum",
    "set -- one 'two 2' three",
    "shift; echo \"$# $1\"",
    "set -e",
    "set +e",
    "set -u",
    "set -f; echo *; set +f",
    "shopt -s nullglob extglob; echo none-*",
    "shopt -u nullglob; echo @(given|taken).*",
    "alias say='echo said'; shopt -s expand_aliases",
    "say it",
    "umask 027; touch masked; stat -c %a masked",
    "IFS=:; parts=a:b:c; for part in $parts; do echo \"$part\"; done",
    "IFS=$' \\t\\n'",
    "cat > note.txt <<'EOF'\nan \"it's\"\n\n$x stays\nEOF",
    "cat >> note.txt <<EOF\n$x $(wc -l < given.txt 2> /dev/null)\n\nEOF",
    "while read -r line; do last=$line; done < note.txt; echo \"$last\"",
    "read -r first < <(echo read this); echo \"$first\"",
    "[[ abc =~ a(b) ]] && echo matched",
    "echo \"${BASH_REMATCH[1]-}\"",
    "test -e nowhere",
    "echo \"status $?\"",
    "false && true",
    "sleep 0.01 & job=$!",
    "wait \"$job\"; echo \"waited $?\"",
    "trap 'echo at the end' EXIT",
    "exec 3> open.txt; echo to three >&3",
    "unset y; echo \"${y-gone}\"",
    "echo \"${missing}\"",
    "here=$(cd \"$(dirname \"$0\")\" && basename \"$PWD\"); echo \"$here\"",
    "mktemp -d \"$TMPDIR/a.XXXXXX\" > /dev/null && t=$(mktemp -d)\necho kept > \"$t/in\"",
    "cat \"$t/in\"",
    "exit 4",
    "set -o pipefail; false | true",
    "PATH=$PWD:$PATH; printf '#!/bin/sh\\necho tool\\n' > tool; chmod +x tool",
    "tool",
    "ref=x; echo \"${!ref-}\"",
    "printf '%s\\n' \"${list[-1]-}\" \"${RANDOM:+random}\"",
    "sort given.txt > sorted.txt",
    "paste -sd, given.txt",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn whatever_stanzas_share_they_end_as_the_script_does(
        parts in prop::collection::vec(0..PARTS.len(), 1..16),
        shebang in prop_oneof![Just("#!/bin/bash\n"), Just("#!/usr/bin/env bash\n# A comment.\n\n")],
    ) {
        let parts: Vec<&str> = parts.iter().map(|part| PARTS[*part]).collect();
        ends_alike(&SolutionFiles::new(format!("{shebang}{}\n", parts.join("\n\n"))));
    }
}

/// Each alone, and between something before and after it.
#[test]
fn each_thing_that_a_shell_remembers_is_taken_along() {
    for part in PARTS {
        ends_alike(&SolutionFiles::new(format!(
            "x=0; n=3; list=(p q)\n\n{part}\n\necho \"$x $n ${{list[*]}} $PWD $# $-\"\n"
        )));
    }
}

#[test]
fn state_that_is_shared_divides_all_the_same() {
    let script = "#!/bin/bash\nset -euo pipefail\n\nls\n\nname=$(head -n 1 given.txt)\n\nmkdir \"$name\"; cd \"$name\"\n\necho \"$PWD\" > out.txt\n\ntest -s out.txt\n";
    assert_eq!(ends_alike(&SolutionFiles::new(script)), 4);
}

/// Scripts, patches and data that lie beside the script, however it finds them.
#[test]
fn files_beside_the_script_are_there() {
    let data: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    let beside = |script: &str| {
        SolutionFiles::new(script)
            .with_file("lib/words.sh", b"word() { echo \"$GREETING $1\"; }\n", false)
            .with_file(
                "fix it.patch",
                b"--- a/given.txt\n+++ b/given.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n",
                false,
            )
            .with_file("data.bin", &data, false)
            .with_file("empty", b"", false)
            .with_file(
                "run",
                b"#!/bin/bash\ncat /solution/lib/words.sh; echo \"from $(dirname \"$0\")\"\n",
                true,
            )
            .with_variable("GREETING", "it's $HOME")
    };
    for script in [
        "here=$(dirname \"$0\")\n\n. \"$here/lib/words.sh\"\nword a\n\ncp \"$here/data.bin\" \"$here/empty\" .\n\npatch -p1 < \"$here/fix it.patch\"\n",
        "ls\n\ncp /solution/data.bin . && cp -r /solution/lib .\n\ncd /solution\n\n. lib/words.sh; word b\n\n./run\n",
        "SCRIPT_DIR=\"$(cd \"$(dirname \"${BASH_SOURCE[0]}\")\" && pwd)\"\n\nsource \"$SCRIPT_DIR/lib/words.sh\"\n\nword c > c.txt\n\ncksum \"$SCRIPT_DIR/data.bin\" | cut -d' ' -f1,2\n",
        "echo \"$GREETING\"\n\nbash -c 'echo \"$GREETING\"'\n",
    ] {
        let solution = beside(script);
        let (played, _) = play(&solution);
        let plain = |left: Left| Left { said: left.said.replace("/tmp/way-a-task/", "/"), ..left };
        assert_eq!(plain(played), plain(run(&solution)), "{script}");
    }
}

/// Longer than a program's argument may be: in lines, and in one line.
#[test]
fn a_script_longer_than_a_call_can_be_is_brought_in_pieces() {
    let lines: String = (0..20_000).map(|line| format!("line {line}\n")).collect();
    let one = "x".repeat(300_000);
    for data in [lines, one] {
        let script = format!(
            "ls\n\ncat > big.txt <<'EOF'\n{data}\nEOF\n\nsize=$(wc -c < big.txt)\n\necho \"$size\" > size.txt\n"
        );
        let solution = SolutionFiles::new(script);
        ends_alike(&solution);
        for stanza in script::stanzas("a-task", &solution) {
            assert!(stanza.call.len() < 128 * 1024, "{}", stanza.call.len());
        }
    }
}

/// A script of a hundred parts fits an attempt's steps.
#[test]
fn many_small_parts_are_played_in_few_calls() {
    let script: String = (0..100).map(|part| format!("echo {part} >> out.txt\n\n")).collect();
    assert!(ends_alike(&SolutionFiles::new(script)) <= 12);
}
