//! The ground truth as the nature of core's statistical twin.

use harness_core::testing::{self, Nature};
use harness_core::{MinimalHarness, Result, Task};

use super::truth::{Course, Truth};

impl Nature<MinimalHarness> for Truth {
    fn courses(&self, harness: &MinimalHarness, task: &Task) -> Result<Vec<testing::Course>> {
        let courses = Self::courses(self, harness, &task.name)?;
        Ok(courses.iter().cloned().map(testing::Course::from).collect())
    }
}

impl From<Course> for testing::Course {
    fn from(course: Course) -> Self {
        Self {
            probability: course.probability,
            objections: (!course.passed).then(|| course.evidence.join("\n")),
            finish: course.finish,
            trajectory: course.trajectory,
            activations: course.activations,
            spent: course.spent,
        }
    }
}
