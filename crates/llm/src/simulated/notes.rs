//! What a simulated model writes to itself: the ids of its tool calls say what each call was for, so that its state can be
//! read back from the conversation, and nowhere else is any.

/// What a call was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    Skill(usize),
    /// A stanza of the playbook, in the first or a later pass.
    Stanza(usize, usize),
    /// A stanza in a call that cannot be run as it stands.
    Garbled(usize),
    /// A look for good reason.
    Look,
    Study,
    Poll,
    Cache,
    DryRun,
    Explore,
    /// Sets the environment that later calls rely on.
    SetUp,
    /// Prints everything at once.
    Flood,
    /// Waits for a server.
    Wait,
    /// Fetches what nobody needs.
    Fetch,
    /// Keeps its findings where nobody looks for them.
    Jot,
    /// Puts a draft in the place of its input.
    Overwrite,
    /// Works in a scratch place, and leaves it at that.
    Sketch,
    Repeat,
    Destroy,
    Ask,
    Placeholder,
    Meddle,
    /// Another look at the check.
    Recheck,
    Finish,
}

const PREFIX: &str = "sim-";

/// The id of the call at `turn` of the attempt called `attempt`.
pub(super) fn id(attempt: &str, turn: usize, note: Note) -> String {
    let text = match note {
        Note::Skill(index) => format!("k{index}"),
        Note::Stanza(index, pass) => format!("s{index}.{pass}"),
        Note::Garbled(index) => format!("g{index}"),
        Note::Look => "l".to_owned(),
        Note::Study => "y".to_owned(),
        Note::Poll => "q".to_owned(),
        Note::Cache => "v".to_owned(),
        Note::DryRun => "n".to_owned(),
        Note::SetUp => "e".to_owned(),
        Note::Flood => "b".to_owned(),
        Note::Wait => "w".to_owned(),
        Note::Fetch => "h".to_owned(),
        Note::Jot => "j".to_owned(),
        Note::Overwrite => "o".to_owned(),
        Note::Sketch => "t".to_owned(),
        Note::Explore => "x".to_owned(),
        Note::Repeat => "r".to_owned(),
        Note::Destroy => "d".to_owned(),
        Note::Ask => "a".to_owned(),
        Note::Placeholder => "p".to_owned(),
        Note::Meddle => "m".to_owned(),
        Note::Recheck => "c".to_owned(),
        Note::Finish => "f".to_owned(),
    };
    format!("{PREFIX}{attempt}-{turn}-{text}")
}

/// The attempt and the note in an id; `None` for ids of others.
pub(super) fn read(id: &str) -> Option<(&str, Note)> {
    let mut parts = id.strip_prefix(PREFIX)?.splitn(3, '-');
    let attempt = parts.next()?;
    parts.next()?.parse::<usize>().ok()?;
    let text = parts.next()?;
    let note = match text.split_at_checked(1)? {
        ("k", index) => Note::Skill(index.parse().ok()?),
        ("s", place) => {
            let (index, pass) = place.split_once('.')?;
            Note::Stanza(index.parse().ok()?, pass.parse().ok()?)
        }
        ("g", index) => Note::Garbled(index.parse().ok()?),
        ("l", "") => Note::Look,
        ("y", "") => Note::Study,
        ("q", "") => Note::Poll,
        ("v", "") => Note::Cache,
        ("n", "") => Note::DryRun,
        ("e", "") => Note::SetUp,
        ("b", "") => Note::Flood,
        ("w", "") => Note::Wait,
        ("h", "") => Note::Fetch,
        ("j", "") => Note::Jot,
        ("o", "") => Note::Overwrite,
        ("t", "") => Note::Sketch,
        ("x", "") => Note::Explore,
        ("r", "") => Note::Repeat,
        ("d", "") => Note::Destroy,
        ("a", "") => Note::Ask,
        ("p", "") => Note::Placeholder,
        ("m", "") => Note::Meddle,
        ("c", "") => Note::Recheck,
        ("f", "") => Note::Finish,
        _ => return None,
    };
    Some((attempt, note))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn notes_are_read_back(turn in 0usize..500, index in 0usize..90, pass in 0usize..3, which in 0usize..23) {
            let note = [
                Note::Skill(index), Note::Stanza(index, pass), Note::Explore, Note::Repeat, Note::Destroy, Note::Ask,
                Note::Placeholder, Note::Meddle, Note::Recheck, Note::Finish, Note::Garbled(index), Note::Look, Note::SetUp,
                Note::Flood, Note::Wait, Note::Fetch, Note::Jot, Note::Overwrite, Note::Sketch, Note::Study, Note::Poll,
                Note::Cache, Note::DryRun,
            ][which];
            let id = id("0123456789ab", turn, note);
            prop_assert_eq!(read(&id), Some(("0123456789ab", note)));
        }

        #[test]
        fn other_ids_are_no_notes(id in "(sim-)?[a-z0-9.é-]{0,20}") {
            let _ = read(&id);
        }
    }
}
