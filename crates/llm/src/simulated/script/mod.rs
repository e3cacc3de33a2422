//! A shell script as a sequence of stanzas: what someone who knows the way would type, one call after another.
//!
//! However it is divided, it is played as it would end if it were run: see `bind` for what must not be divided, and `carry` for how
//! the parts share what a shell remembers.

mod bind;
mod carry;
mod scan;

use self::carry::Carrier;
use self::scan::Scanner;
use super::solution::SolutionFiles;

/// No script is played in more parts than this, unless its author divided it: attempts have a limit of steps.
const PARTS: usize = 12;

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
    /// What is typed to run them: the same, with whatever they need of those before.
    pub(crate) call: String,
}

/// Commands as they stand between two blank lines.
#[derive(Debug, Default)]
struct Block {
    is_marked: bool,
    /// Whole commands, each with the lines it goes on for.
    commands: Vec<String>,
    /// The same without the texts of here-documents.
    bare: String,
    /// Whether something is left running.
    has_background: bool,
}

impl Block {
    fn text(&self) -> String {
        self.commands.join("\n")
    }

    fn append(&mut self, other: Self) {
        self.is_marked |= other.is_marked;
        self.commands.extend(other.commands);
        self.bare.push('\n');
        self.bare.push_str(&other.bare);
        self.has_background |= other.has_background;
    }
}

/// The stanzas of a solution. A script whose nesting is not understood is one stanza. `name` tells its files from another's.
pub(crate) fn stanzas(name: &str, solution: &SolutionFiles) -> Vec<Stanza> {
    let script = solution.script();
    let blocks = blocks(script).unwrap_or_else(|| whole(script));
    let is_alone = solution.files().is_empty() && solution.variables().is_empty();
    if is_alone && blocks.iter().any(|block| block.is_marked) {
        return marked(&blocks);
    }
    let blocks = bound(blocks);
    let is_plain =
        |block: &Block| block.text().len() <= carry::LONGEST && !bind::leaves_state(block);
    if is_alone && blocks.iter().all(is_plain) {
        return plain(&blocks);
    }
    carried(&blocks, &Carrier::new(name, solution))
}

/// Divided by an author who says which stanzas set state: those are repeated in each call after them, in a shell of its own, so that
/// nothing of it is left behind.
fn marked(blocks: &[Block]) -> Vec<Stanza> {
    let mut state = String::new();
    let stanza = |(index, block): (usize, &Block)| {
        let text = block.text();
        let call = if state.is_empty() { text.clone() } else { format!("(\n{state}\n{text}\n)") };
        if !block.is_marked {
            return Stanza { purpose: purpose(index, blocks.len(), &text), text, call };
        }
        if !state.is_empty() {
            state.push('\n');
        }
        state.push_str(&text);
        Stanza { purpose: Purpose::State, text, call }
    };
    blocks.iter().enumerate().map(stanza).collect()
}

/// Of blocks that leave nothing to each other but files.
fn plain(blocks: &[Block]) -> Vec<Stanza> {
    let stanza = |(index, block): (usize, &Block)| {
        let text = block.text();
        Stanza { purpose: purpose(index, blocks.len(), &text), call: text.clone(), text }
    };
    blocks.iter().enumerate().map(stanza).collect()
}

/// Each takes up the shell's state where the one before it left it. Files are brought after a first look, if that can do without them.
fn carried(blocks: &[Block], carrier: &Carrier<'_>) -> Vec<Stanza> {
    let mut stanzas = Vec::new();
    let bring = |call: String| Stanza { purpose: Purpose::Work, text: call.clone(), call };
    let looks = |block: &Block| purpose(0, blocks.len(), &block.text()) == Purpose::Inspect;
    let looks_first = blocks.first().is_some_and(|first| looks(first) && !bind::finds_files(first));
    for (index, block) in blocks.iter().enumerate() {
        if index == usize::from(looks_first) {
            stanzas.extend(carrier.files().into_iter().map(bring));
        }
        let text = block.text();
        let purpose = purpose(index, blocks.len(), &text);
        let call = if text.len() > carry::LONGEST {
            let (pieces, call) = carrier.long_part(index, &text);
            stanzas.extend(pieces.into_iter().map(bring));
            call
        } else {
            carrier.part(index, &text)
        };
        stanzas.push(Stanza { purpose, text, call });
    }
    stanzas
}

/// Blocks put together where they must not be divided, or where there are too many.
fn bound(blocks: Vec<Block>) -> Vec<Block> {
    let mut bound: Vec<Block> = Vec::new();
    let (mut is_held, mut is_only_state) = (false, false);
    for block in blocks {
        let (holds, follows) = (bind::holds_on(&block), bind::follows_on(&block));
        let only_state = bind::is_only_state(&block);
        match bound.last_mut().filter(|_| is_held || follows || is_only_state) {
            Some(last) => last.append(block),
            None => bound.push(block),
        }
        is_held |= holds;
        is_only_state = only_state;
    }
    thinned(bound)
}

/// At most [`PARTS`]: the first and the last as they are, those between in even groups.
fn thinned(blocks: Vec<Block>) -> Vec<Block> {
    let count = blocks.len();
    if count <= PARTS {
        return blocks;
    }
    let group = |index: usize| match index {
        0 => 0,
        _ if index + 1 == count => PARTS - 1,
        _ => 1 + (index - 1) * (PARTS - 2) / (count - 2),
    };
    let mut groups: Vec<Block> = Vec::new();
    for (index, block) in blocks.into_iter().enumerate() {
        match groups.get_mut(group(index)) {
            Some(known) => known.append(block),
            None => groups.push(block),
        }
    }
    groups
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
        vec![Block { bare: text.clone(), commands: vec![text], ..Block::default() }]
    }
}

/// The blocks of a script, or `None` when it is not understood.
fn blocks(script: &str) -> Option<Vec<Block>> {
    let mut scanner = Scanner::new();
    let mut blocks = vec![Block::default()];
    for line in script.lines() {
        let block = blocks.last_mut()?;
        let is_data = scanner.is_in_here_document();
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
        if !is_data {
            block.bare.push_str(line);
            block.bare.push('\n');
        }
        scanner.line(line);
        block.has_background |= scanner.takes_background();
    }
    blocks.retain(|block| !block.commands.is_empty());
    (scanner.is_between_commands() && !scanner.is_confused()).then_some(blocks)
}

#[cfg(test)]
mod tests;
