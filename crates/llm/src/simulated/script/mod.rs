//! A shell script as a sequence of stanzas: what someone who knows the way would type, one call after another.

mod scan;
mod state;

use self::scan::Scanner;

/// What a stanza is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// Looks around before anything is changed.
    Inspect,
    /// Sets shell state that later stanzas need.
    State,
    /// Does part of the work.
    Work,
    /// Looks whether the work was done; its exit status says so.
    Check,
}

/// Some commands that are run together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stanza {
    pub(crate) purpose: Purpose,
    /// The commands, without comments between them.
    pub(crate) text: String,
    /// Those of them that later stanzas need in their own shell; empty for most.
    pub(crate) state: String,
}

/// Commands as they stand between two blank lines.
#[derive(Debug, Default)]
struct Block {
    is_marked: bool,
    /// Whole commands, each with the lines it goes on for.
    commands: Vec<String>,
}

/// The stanzas of `script`. A script whose nesting is not understood is one stanza.
pub(crate) fn stanzas(script: &str) -> Vec<Stanza> {
    let blocks = blocks(script).unwrap_or_else(|| whole(script));
    let is_marked = blocks.iter().any(|block| block.is_marked);
    let count = blocks.len();
    let stanza = |(index, block): (usize, &Block)| {
        let text = block.commands.join("\n");
        let state = match (is_marked, block.is_marked) {
            (true, true) => text.clone(),
            (true, false) => String::new(),
            (false, _) => state::of(&block.commands),
        };
        let purpose = if !state.is_empty() && state == text {
            Purpose::State
        } else {
            purpose(index, count, &text)
        };
        Stanza { purpose, text, state }
    };
    blocks.iter().enumerate().map(stanza).collect()
}

fn purpose(index: usize, count: usize, text: &str) -> Purpose {
    let writes = text.contains("<<") || writes_a_file(text);
    match index {
        0 if count > 1 && !writes => Purpose::Inspect,
        _ if index > 0 && index + 1 == count && (!writes || tests(text)) => Purpose::Check,
        _ => Purpose::Work,
    }
}

/// Whether it holds a command whose exit status is an answer. A check may write a file of its own for trial.
fn tests(text: &str) -> bool {
    let answers = ["test ", "[ ", "[[ ", "diff ", "cmp ", "grep -q", "bash -n", "sort -c"];
    text.lines().last().is_some_and(|line| answers.iter().any(|command| line.contains(command)))
}

/// Whether a redirection goes to a file, in the rough.
fn writes_a_file(text: &str) -> bool {
    // What stands between apostrophes is mostly another language, where `>` compares.
    let plain: String = text.split('\'').step_by(2).collect();
    let redirected = plain.replace("2>&1", "").replace("=>", "").replace("->", "");
    redirected.split('>').skip(1).any(|target| {
        let target = target.trim_start();
        !target.is_empty() && !target.starts_with("/dev/") && !target.starts_with(['&', '=', '('])
    })
}

fn whole(script: &str) -> Vec<Block> {
    let is_comment = |line: &&str| line.starts_with("#!");
    let text: Vec<&str> = script.lines().skip_while(is_comment).collect();
    let text = text.join("\n").trim().to_owned();
    if text.is_empty() {
        Vec::new()
    } else {
        vec![Block { is_marked: false, commands: vec![text] }]
    }
}

/// The blocks of a script, or `None` when it is not understood.
fn blocks(script: &str) -> Option<Vec<Block>> {
    let mut scanner = Scanner::new();
    let mut blocks = vec![Block::default()];
    for line in script.lines() {
        let block = blocks.last_mut()?;
        if !scanner.is_between_commands() {
            let command = block.commands.last_mut()?;
            command.push('\n');
            command.push_str(line);
        } else if line.trim().is_empty() {
            if !block.commands.is_empty() {
                blocks.push(Block::default());
            }
            continue;
        } else if let Some(comment) = line.trim_start().strip_prefix('#') {
            block.is_marked |=
                block.commands.is_empty() && comment.trim_start().starts_with("setup:");
            continue;
        } else {
            block.commands.push(line.to_owned());
        }
        scanner.line(line);
    }
    blocks.retain(|block| !block.commands.is_empty());
    (scanner.is_between_commands() && !scanner.is_confused()).then_some(blocks)
}

#[cfg(test)]
mod tests;
