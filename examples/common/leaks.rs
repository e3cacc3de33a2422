//! What no edit may carry.

use harness_benchmark::HarborTask;
use harness_validator::{LeakIndex, Source};

/// Fingerprints of all that belongs to the tasks, of every split.
pub(crate) fn leaks(tasks: &[HarborTask]) -> LeakIndex {
    let mut index = LeakIndex::builder();
    for task in tasks {
        let name = &task.task.name;
        index.task(&task.task);
        for (file, bytes) in task.tests.files() {
            index.text(name, Source::Tests, file, bytes);
        }
        for (file, bytes) in task.solution.iter().flat_map(|solution| solution.files.files()) {
            index.text(name, Source::Solution, file, bytes);
        }
    }
    index.build()
}
