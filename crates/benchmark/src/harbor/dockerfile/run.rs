//! `RUN` as a line for the session's shell.

use std::collections::BTreeMap;

use harness_core::SandboxPath;

/// A `RUN` with all that it sees.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// For the shell.
    pub(crate) script: String,
    /// What reads the script, such as `/bin/bash -c`.
    pub(crate) shell: Vec<String>,
    /// The `WORKDIR` of the moment.
    pub(crate) workdir: SandboxPath,
    /// `ENV` and `ARG` of the moment.
    pub(crate) env: BTreeMap<String, String>,
}

/// The shell that Docker takes when nothing else is said: the one that set-up lines are read by anyway.
pub(crate) const SHELL: [&str; 2] = ["/bin/sh", "-c"];

impl Run {
    /// The line, for a session that starts in `workdir` with the variables `env`.
    pub(crate) fn line(&self, workdir: &SandboxPath, env: &BTreeMap<String, String>) -> String {
        let mut line = String::new();
        if self.workdir != *workdir {
            let place = quote(&seen_from(workdir, &self.workdir));
            line += &format!("mkdir -p {place} && cd {place} || exit 1\n");
        }
        // Only what differs: most tasks set their variables before anything runs.
        for (name, value) in self.env.iter().filter(|(name, value)| env.get(*name) != Some(*value))
        {
            line += &format!("export {name}={}\n", quote(value));
        }
        for name in env.keys().filter(|name| !self.env.contains_key(*name)) {
            line += &format!("unset {name}\n");
        }
        if self.shell == SHELL {
            return line + &self.script;
        }
        let words = self.shell.iter().map(String::as_str).chain([self.script.as_str()]);
        line + &words.map(quote).collect::<Vec<_>>().join(" ")
    }
}

/// `path` as a command in `workdir` should name it: relative where it lies below, so that it is also found in a
/// session without a root of its own.
pub(crate) fn seen_from(workdir: &SandboxPath, path: &SandboxPath) -> String {
    let (base, path) = (workdir.as_str(), path.as_str());
    match path.strip_prefix(base) {
        Some("") => ".".to_owned(),
        Some(below) if below.starts_with('/') => format!(".{below}"),
        _ => path.to_owned(),
    }
}

/// `text` as one word of a shell command.
pub(crate) fn quote(text: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_./=:,+@%".contains(it);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_quoted_text_is_one_word_of_the_shell(text in "[^\0]{0,20}") {
            let script = format!("printf '%s|' {}", quote(&text));
            let output = std::process::Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{text}|"));
        }
    }

    #[test]
    fn paths_below_the_working_directory_are_relative() {
        let path = |text: &str| SandboxPath::new(text).unwrap();
        let seen = |text| seen_from(&path("/app"), &path(text));
        assert_eq!(seen("/app"), ".");
        assert_eq!(seen("/app/a/b"), "./a/b");
        assert_eq!(seen("/apple"), "/apple");
        assert_eq!(seen("/data"), "/data");
    }
}
