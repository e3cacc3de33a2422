//! The table: what the loop finds in every profile's world, and how each profile fares with the others' harnesses.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use harness_core::{MinimalHarness, Result};
use harness_llm::{Profile, Truth};

use crate::options::{self, Options};
use crate::reach;
use crate::run::{Found, run};
use crate::world::{World, average};

/// One profile's world, with what its runs found.
struct Row {
    profile: Profile,
    truth: Truth,
    /// The true pass rate of the best harness within reach.
    reach: f64,
    runs: Vec<Found>,
}

impl Row {
    fn mean(&self, figure: impl Fn(&Found) -> f64) -> f64 {
        average(&self.runs.iter().map(figure).collect::<Vec<_>>())
    }

    /// Of what could be gained, how much was.
    fn share(&self) -> f64 {
        self.mean(|found| {
            (found.all.1 - found.all.0) / (self.reach - found.all.0).max(f64::EPSILON)
        })
    }
}

pub(crate) fn show(asked: &options::Table, options: &Options) -> Result<String> {
    let began = Instant::now();
    let profiles = match asked.profile.as_slice() {
        [] => Profile::all().collect(),
        names => names.iter().map(|name| Profile::named(name)).collect::<Result<Vec<_>>>()?,
    };
    let world = World::load(options, asked.variants)?;
    eprintln!("{} tasks ({:.0?})", world.tasks.len(), began.elapsed());
    let rows = side_by_side(&profiles, |profile| {
        let row = row(&world, *profile, asked)?;
        eprintln!(
            "[simulated] {}: {:.1} % → {:.1} % of {:.1} % within reach ({:.0?})",
            profile.name(),
            row.mean(|found| found.all.0) * 100.0,
            row.mean(|found| found.all.1) * 100.0,
            row.reach * 100.0,
            began.elapsed()
        );
        Ok(row)
    })?;
    let matrix = side_by_side(&rows, |row| transfers(&world, row, &rows))?;
    eprintln!("done ({:.0?})", began.elapsed());
    Ok(format!("{}\n{}", summary(&rows, asked, &world), transfer_table(&rows, &matrix)))
}

fn row(world: &World, profile: Profile, asked: &options::Table) -> Result<Row> {
    let truth = world.truth(&world.model(profile, 0));
    let best = reach::best(world, &truth)?;
    let reach = world.pass_rate(&truth, &best)?;
    let runs = (1..=asked.runs)
        .map(|number| futures::executor::block_on(run(world, profile, &truth, asked, number)))
        .collect::<Result<_>>()?;
    Ok(Row { profile, truth, reach, runs })
}

/// The profile's mean pass rate with the minimal harness, and with each other profile's last harnesses.
fn transfers(world: &World, row: &Row, rows: &[Row]) -> Result<Vec<f64>> {
    let first = world.pass_rate(&row.truth, &MinimalHarness::default())?;
    let with = |other: &Row| {
        let rates: Result<Vec<f64>> =
            other.runs.iter().map(|found| world.pass_rate(&row.truth, &found.last)).collect();
        rates.map(|rates| average(&rates))
    };
    std::iter::once(Ok(first)).chain(rows.iter().map(with)).collect()
}

/// `work` on every item, as many at a time as there are processors; results in order.
fn side_by_side<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, work(item)));
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let mut done: Vec<(usize, Result<R>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(take)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

fn summary(rows: &[Row], asked: &options::Table, world: &World) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header([
        "profile (simulated)",
        "sealed before",
        "sealed after",
        "reachable gain found",
        "promoted",
        "false",
        "harmful",
        "missed",
        "trials",
        "tokens",
    ]);
    for row in rows {
        table.add_row([
            row.profile.name().to_owned(),
            percent(row.mean(|found| found.sealed.0)),
            percent(row.mean(|found| found.sealed.1)),
            percent(row.share()),
            one(row.mean(|found| found.promoted)),
            one(row.mean(|found| found.false_promotions)),
            one(row.mean(|found| found.harmful)),
            one(row.mean(|found| found.missed)),
            format!("{:.0}", row.mean(|found| found.trials)),
            format!("{:.1} M", row.mean(|found| found.tokens) / 1e6),
        ]);
    }
    format!(
        "Simulated. {} tasks, {} runs a profile of at most {} rounds, gate {}; pass rates are true ones, by the world's own account.\n\n{table}\n",
        world.tasks.len(),
        asked.runs,
        asked.rounds,
        asked.gate
    )
}

fn transfer_table(rows: &[Row], matrix: &[Vec<f64>]) -> String {
    let mut table = Table::new();
    let header = ["profile (simulated)", "none"]
        .into_iter()
        .chain(rows.iter().map(|row| row.profile.name()));
    table.load_style(ASCII_MARKDOWN).set_header(header);
    let mut wins = 0;
    for (own, (row, rates)) in rows.iter().zip(matrix).enumerate() {
        let best = rates.iter().copied().fold(0.0, f64::max);
        wins += usize::from(rates[own + 1] >= best);
        let shown = rates.iter().enumerate().map(|(index, rate)| {
            let text = percent(*rate);
            if index == own + 1 { format!("**{text}**") } else { text }
        });
        table.add_row(std::iter::once(row.profile.name().to_owned()).chain(shown));
    }
    format!(
        "Each profile (a row) with the harnesses that the runs of each profile (a column) ended with; its own is in bold and the best of its row for {wins} of {}.\n\n{table}\n",
        rows.len()
    )
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn one(figure: f64) -> String {
    format!("{figure:.1}")
}
