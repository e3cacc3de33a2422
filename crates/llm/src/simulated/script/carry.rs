//! How the parts of one script are played in shells of their own and yet end as the script would: each is a script file that takes up
//! the shell's state where the part before it left it, and puts it down again.
//!
//! The state is all that bash can say of itself: variables with their attributes, functions, aliases, options, the working directory,
//! the mask and the arguments. What it cannot say (background jobs, traps, open descriptors) is never divided; `bind` sees to that.
//! A part that ends the script (by `exit`, or a failure under `set -e`) is the last that does anything.

use std::fmt::Write as _;

use crate::simulated::solution::{File, SolutionFiles};

/// No argument of a program may be longer than 128 KiB; this many bytes of base64, with what is around them, are not.
const CHUNK: usize = 88 * 1024;
/// A part of more bytes than this is brought in pieces.
pub(super) const LONGEST: usize = 96 * 1024;

/// Puts down the state after a part, with the part's own status. Only builtins: the script may have made any path its own.
const PUT_DOWN: &str = r#"
{ __status=$?; __at="${0%/*/*}/after"; set +o >| "$__at.options"; set +euxC
shopt -p >| "$__at.state"; { alias -p; declare -f; declare -xF; umask -p
printf 'builtin cd -- %q\n' "$PWD"
for __name in HOSTNAME IFS OLDPWD OPTERR OPTIND PATH PS4 TERM; do [ -n "${!__name+x}" ] || printf 'unset %s\n' "$__name"; done
compgen -v >| "$__at.names"
while IFS= read -r __name; do case "$__name" in
__*|_|BASH|BASHOPTS|BASHPID|BASH_A*|BASH_CMDS|BASH_COMMAND|BASH_EXEC*|BASH_[LMSTV]*|COMP_*|DIRSTACK|EPOCH*|EUID|FUNCNAME|GROUPS|HISTCMD|LINENO|PIPESTATUS|PPID|RANDOM|SECONDS|SHELLOPTS|SHLVL|SRANDOM|UID) ;;
*) declare -p "$__name" ;; esac; done < "$__at.names"
printf 'set --'; [ $# -eq 0 ] || printf ' %q' "$@"; printf '\n'; } >> "$__at.state"
: >| "$__at.whole"; exit "$__status"; } 2> /dev/null"#;

/// Takes it up.
const TAKE_UP: &str =
    ". \"${0%/*/*}/before.state\" 2> /dev/null; . \"${0%/*/*}/before.options\" 2> /dev/null\n";

/// Where a task's solution is kept between calls; the variable in whose place it is expanded.
const HOME: &str = "$S";

/// One solution's calls.
pub(super) struct Carrier<'a> {
    /// What names two directories: `K` for what is kept between calls, in it `S` for the script and its files.
    home: String,
    solution: &'a SolutionFiles,
}

impl<'a> Carrier<'a> {
    /// `name` tells one task's directory from another's.
    pub(super) fn new(name: &str, solution: &'a SolutionFiles) -> Self {
        Self { home: format!("K=\"${{TMPDIR:-/tmp}}/way-{name}\"; S=\"$K/solution\""), solution }
    }

    /// The call that plays part `index` of a script, whose commands are `text`.
    pub(super) fn part(&self, index: usize, text: &str) -> String {
        let source = self.source(index, text);
        self.played(index, &self.written("solve.sh", &source, self.names_home(text.as_bytes())))
    }

    /// The same for a part too long for one call: the calls that bring it, and the one that plays it.
    pub(super) fn long_part(&self, index: usize, text: &str) -> (Vec<String>, String) {
        let source = self.source(index, text);
        let named = format!("part.{index}");
        let file = File::new(&format!("../{named}"), source.as_bytes(), false);
        let play = format!("cp \"$K/{named}\" \"$S/solve.sh\"");
        (self.bring(&file), self.played(index, &play))
    }

    /// The calls that bring the files beside the script.
    pub(super) fn files(&self) -> Vec<String> {
        self.solution.files().iter().flat_map(|file| self.bring(file)).collect()
    }

    fn source(&self, index: usize, text: &str) -> String {
        let variables = self.solution.variables().iter().filter(|_| index == 0);
        let mut source = if index == 0 { String::new() } else { TAKE_UP.to_owned() };
        for (name, value) in variables {
            let _ = writeln!(source, "export {name}={}", quoted(value));
        }
        source + text + PUT_DOWN
    }

    /// Whatever brings the part's script, and then plays it where nothing before it has ended the script.
    fn played(&self, index: usize, bring: &str) -> String {
        let home = &self.home;
        let shell = if index == 0 { "bash" } else { "env -i PATH=\"$PATH\" bash" };
        let earlier: String = (0..index).map(|at| format!(" {at}")).collect();
        let take = if index == 0 {
            String::new()
        } else {
            format!(
                "for at in{earlier}; do if [ -e \"$K/$at.whole\" ]; then cp \"$K/$at.state\" \"$K/before.state\"; cp \"$K/$at.options\" \"$K/before.options\"; fi; done\n"
            )
        };
        let keep = format!(
            "for what in state options whole; do mv \"$K/after.$what\" \"$K/{index}.$what\"; done"
        );
        format!(
            "( {home}; mkdir -p \"$S\"\n\
             if [ -e \"$K/ended\" ]; then read -r at status < \"$K/ended\"; [ \"$at\" -ge {index} ] || exit \"$status\"; fi\n\
             rm -f \"$K/ended\" \"$K\"/after.* \"$K\"/before.* \"$K/{index}.whole\"\n\
             {take}{bring}\n\
             {shell} \"$S/solve.sh\"; status=$?\n\
             if [ -e \"$K/after.whole\" ]; then {keep}; else echo \"{index} $status\" > \"$K/ended\"; fi\n\
             exit \"$status\" )"
        )
    }

    /// A text as a file of the solution's directory.
    fn written(&self, name: &str, text: &str, names_home: bool) -> String {
        let mut end = "END_OF_SCRIPT".to_owned();
        while text.lines().any(|line| line == end) {
            end.push('_');
        }
        let bring = if names_home { moved() } else { "cat".to_owned() };
        format!("{bring} > \"$S/{name}\" <<'{end}'\n{text}\n{end}")
    }

    /// The calls that bring a file, each a piece of it.
    fn bring(&self, file: &File) -> Vec<String> {
        let home = &self.home;
        let path = quoted(&file.path);
        let pieces = file.content.chunks(CHUNK * 3 / 4).map(Some);
        let pieces = if file.content.is_empty() { vec![None] } else { pieces.collect() };
        let last = pieces.len() - 1;
        let call = |(at, piece): (usize, Option<&[u8]>)| {
            let to = if at == 0 { ">" } else { ">>" };
            let begin = format!("( {home}; f=\"$S\"/{path}; mkdir -p \"${{f%/*}}\"\n");
            let text = format!(
                "base64 -d {to} \"$f\" <<'END_OF_FILE'\n{}\nEND_OF_FILE",
                base64(piece.unwrap_or_default())
            );
            let mut end = String::new();
            if at == last && self.names_home(&file.content) {
                let _ = write!(
                    end,
                    "\n{} < \"$f\" > \"$f.moved\" && cat \"$f.moved\" > \"$f\"; rm -f \"$f.moved\"",
                    moved()
                );
            }
            if at == last && file.is_executable {
                end.push_str("\nchmod +x \"$f\"");
            }
            format!("{begin}{text}{end}\n)")
        };
        pieces.into_iter().enumerate().map(call).collect()
    }

    /// Whether something speaks of the directory in which solutions are said to lie.
    fn names_home(&self, text: &[u8]) -> bool {
        text.windows(SAID.len()).any(|window| window == SAID.as_bytes())
    }
}

/// Where a solution is said to lie.
const SAID: &str = "/solution";

/// A filter that puts the real directory where the said one is named. Twice: two names may share a space between them.
fn moved() -> String {
    let one = format!("s#(^|[^[:alnum:]_./-]){SAID}(/|[^[:alnum:]_.-]|$)#\\1'\"{HOME}\"'\\2#g");
    format!("sed -E -e '{one}' -e '{one}'")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// In lines, so that none is of a length that a tool could stumble over.
fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let lines = bytes.chunks(57).map(|line| base64::engine::general_purpose::STANDARD.encode(line));
    lines.collect::<Vec<_>>().join("\n")
}
