//! What a simulated model knows of a task of the Harbor format: its own solution.

use harness_benchmark::HarborTask;
use harness_benchmark::harbor::{Entry, Solution};
use harness_llm::{Playbook, SolutionFiles};

/// The playbook of a task under a name; `None` for a task without a solution.
pub(crate) fn playbook(task: &HarborTask, name: &str) -> Option<Playbook> {
    let files = solution(task)?;
    let workdir = &task.task.environment.workdir;
    let outputs = task.task.outputs.iter().map(|output| output.relative_to(workdir).to_owned());
    let outputs = outputs.collect::<Vec<_>>();
    Some(Playbook::from_solution(name, &task.task.instruction, &files, outputs))
}

/// A task's solution as a model can play it: keys apart, which it must not have.
fn solution(task: &HarborTask) -> Option<SolutionFiles> {
    let solution = task.solution.as_ref()?;
    let script = solution.files.file(Solution::SCRIPT)?;
    let mut files = SolutionFiles::new(String::from_utf8_lossy(script));
    for (path, entry) in solution.files.iter().filter(|(path, _)| *path != Solution::SCRIPT) {
        if let Entry::File { mode, content } = entry {
            files = files.with_file(path, content, mode & 0o100 != 0);
        }
    }
    let variables = solution.env.shown();
    Some(variables.fold(files, |files, (name, value)| files.with_variable(name, value)))
}
