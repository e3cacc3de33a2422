//! The world is what it says it is: frequencies through the engine agree with the truth.

use futures::executor::block_on;
use harness_core::testing::{
    Grounds, ScriptedProposer, ScriptedValidator, World, WorldEdit, WorldHarness, WorldTask,
};
use harness_core::{EngineConfig, Harness, SplitName};

fn world() -> World {
    World::uniform(8, |_, index| {
        let base = [0.1, 0.3, 0.5, 0.7][index % 4];
        WorldTask::new("", base).moved_by("good", 0.2).moved_by("bad", -0.2)
    })
}

#[test]
fn frequencies_agree_with_the_truth() {
    let world = world();
    for levers in [vec![], vec![("good", 1.0)], vec![("bad", 1.0)]] {
        let levels = levers.into_iter().map(|(name, level): (&str, f64)| (name.to_owned(), level));
        let harness = WorldHarness { levels: levels.collect() };
        let config = EngineConfig { attempts: 250, ..world.config() };
        let builder = world.engine(harness.clone()).unwrap().config(config);
        let grounds = block_on(Grounds::open(harness.clone(), builder)).unwrap();
        let seen = grounds.incumbent().held_in.score().pass_rate().unwrap();
        let truth = world.pass_rate(&harness, SplitName::HeldIn);
        // 2000 trials: four standard errors of the widest case. The draws are seeded, so this holds always or never.
        assert!((seen - truth).abs() < 0.045, "seen {seen}, truth {truth}");
    }
}

#[test]
fn the_truth_about_edits_is_known() {
    let world = world();
    let before = WorldHarness::default();
    let after = |lever: &str| before.apply(&WorldEdit::new(lever, 1.0)).unwrap();
    assert!(world.improves(&before, &after("good")));
    assert!(!world.improves(&before, &after("bad")));
    assert!(!world.improves(&before, &after("nothing")));
}

/// How often a gate promotes an edit that truly changes nothing can be counted: many small worlds, one round each.
#[test]
fn false_promotions_can_be_counted() {
    let rounds = 200;
    let mut promotions = 0;
    for seed in 0..rounds {
        let world = World::uniform(4, |_, _| WorldTask::new("", 0.5).moved_by("good", 0.3));
        let config = EngineConfig { seed, rounds: 1, width: 1, ..world.config() };
        let builder = world
            .engine(WorldHarness::default())
            .unwrap()
            .config(config)
            .proposer(ScriptedProposer::cycling(vec![WorldEdit::new("useless", 1.0)]))
            .validator(ScriptedValidator::counting());
        let mut engine = block_on(builder.build()).unwrap();
        let report = block_on(engine.round()).unwrap();
        promotions += usize::from(!report.promoted.is_empty());
    }
    // A gate that only counts is fooled often: that is why there are better ones.
    assert!(
        (30..120).contains(&promotions),
        "{promotions} of {rounds} useless edits were promoted"
    );
}
