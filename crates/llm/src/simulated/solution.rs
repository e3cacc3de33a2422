//! A task's solution: its script, and what the script finds when it is run.

/// What solves a task: a script, the files that lie beside it, and the variables that it is run with.
#[derive(Clone, Debug, Default)]
pub struct SolutionFiles {
    script: String,
    files: Vec<File>,
    variables: Vec<(String, String)>,
}

/// A file beside the script.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// Relative to the script's directory.
    pub(super) path: String,
    pub(super) content: Vec<u8>,
    pub(super) is_executable: bool,
}

impl File {
    pub(super) fn new(path: &str, content: &[u8], is_executable: bool) -> Self {
        Self { path: path.to_owned(), content: content.to_vec(), is_executable }
    }
}

impl SolutionFiles {
    /// A script alone, in bash's language.
    pub fn new(script: impl Into<String>) -> Self {
        Self { script: script.into(), ..Self::default() }
    }

    /// And a file beside it; `path` is relative to the script's directory.
    #[must_use]
    pub fn with_file(mut self, path: &str, content: &[u8], is_executable: bool) -> Self {
        self.files.push(File::new(path, content, is_executable));
        self
    }

    /// And a variable of its environment. The model writes it into its calls, so that it is no place for a key.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    pub(super) fn script(&self) -> &str {
        &self.script
    }

    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    pub(super) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }
}
