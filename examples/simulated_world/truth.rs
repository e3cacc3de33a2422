//! What a harness is worth to a profile.

use std::fmt::Write as _;

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use harness_core::{Error, ErrorKind, Harness, MinimalHarness, Result};
use harness_llm::{Profile, Truth};

use crate::options::{Asked, Options};
use crate::world::World;

pub(crate) fn show(asked: &Asked, options: &Options) -> Result<String> {
    let world = World::load(options, 1)?;
    let truth = world.truth(&world.model(Profile::named(&asked.profile)?, 0));
    let harness = harness(asked)?;
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(["task", "true pass rate", "courses"]);
    for task in &world.tasks {
        let rate = truth.pass_rate(&harness, &task.name)?;
        let courses = truth.courses(&harness, &task.name)?.len();
        table.add_row([task.name.to_string(), format!("{rate:.4}"), courses.to_string()]);
    }
    let mean = world.pass_rate(&truth, &harness)?;
    let mut text = format!(
        "[simulated] {}, {}\n\n{table}\n\nmean {mean:.4}\n",
        asked.profile,
        asked
            .harness
            .as_ref()
            .map_or("the minimal harness".into(), |file| file.display().to_string()),
    );
    if asked.edits {
        let _ = write!(text, "\n{}\n", edits(&world, &truth, &harness, mean)?);
    }
    Ok(text)
}

/// What each edit within reach would change.
fn edits(world: &World, truth: &Truth, harness: &MinimalHarness, mean: f64) -> Result<Table> {
    let mut changes = Vec::new();
    for (name, edit) in Truth::edits_in_reach(harness) {
        let after = world.pass_rate(truth, &harness.apply(&edit)?)?;
        changes.push((after - mean, name, edit.surface()));
    }
    changes.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(["edit", "surface", "change of the mean"]);
    for (change, name, surface) in changes {
        table.add_row([name.to_owned(), surface.to_string(), format!("{change:+.4}")]);
    }
    Ok(table)
}

pub(crate) fn harness(asked: &Asked) -> Result<MinimalHarness> {
    let Some(file) = &asked.harness else { return Ok(MinimalHarness::default()) };
    let wrong = |why: &str| {
        Error::new(ErrorKind::InvalidInput, format!("--harness {}: {why}", file.display()))
    };
    let text =
        std::fs::read_to_string(file).map_err(|source| wrong("reading it").with_source(source))?;
    serde_json::from_str(&text)
        .map_err(|source| wrong("it is no minimal harness").with_source(source))
}
