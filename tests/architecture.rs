//! The sentences of ARCHITECTURE.md that a machine can check.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

const SIBLINGS: [&str; 8] = [
    "harness-miner",
    "harness-proposer",
    "harness-validator",
    "harness-sandbox",
    "harness-llm",
    "harness-benchmark",
    "harness-journal",
    "harness-report",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).exec().unwrap()
}

fn package<'a>(metadata: &'a Metadata, name: &str) -> &'a Package {
    metadata.packages.iter().find(|package| package.name.as_str() == name).unwrap()
}

/// The names of a package's dependencies, dev-dependencies apart.
fn dependencies(package: &Package) -> BTreeSet<String> {
    let needed =
        package.dependencies.iter().filter(|needed| needed.kind != DependencyKind::Development);
    needed.map(|needed| needed.name.clone()).collect()
}

#[test]
fn siblings_never_depend_on_siblings() {
    let metadata = metadata();
    for sibling in SIBLINGS {
        let ours: Vec<String> = dependencies(package(&metadata, sibling))
            .into_iter()
            .filter(|name| name.starts_with("harness-") || name == "self-harness")
            .collect();
        assert_eq!(
            ours,
            ["harness-core"],
            "{sibling} must know harness-core and no other crate of ours"
        );
    }
}

#[test]
fn core_knows_nobody_and_does_no_io() {
    let metadata = metadata();
    let needed = dependencies(package(&metadata, "harness-core"));
    assert!(needed.iter().all(|name| !name.starts_with("harness-")), "{needed:?}");
    let reachable = closure(&metadata, "harness-core");
    for forbidden in ["tokio", "reqwest", "hyper", "rustls", "rusqlite", "nix", "mio", "async-std"]
    {
        assert!(!reachable.contains(forbidden), "harness-core reaches {forbidden}");
    }
}

#[test]
fn stages_compile_no_http_and_no_database() {
    let metadata = metadata();
    for stage in ["harness-miner", "harness-proposer", "harness-validator"] {
        let reachable = closure(&metadata, stage);
        for forbidden in ["reqwest", "hyper", "rustls", "rusqlite", "libsqlite3-sys"] {
            assert!(!reachable.contains(forbidden), "{stage} reaches {forbidden}");
        }
    }
}

/// Every package that a build of `name` on this machine may need.
fn closure(metadata: &Metadata, name: &str) -> BTreeSet<String> {
    let nodes: BTreeMap<_, _> =
        metadata.resolve.as_ref().unwrap().nodes.iter().map(|node| (&node.id, node)).collect();
    let names: BTreeMap<_, _> =
        metadata.packages.iter().map(|package| (&package.id, package.name.to_string())).collect();
    let mut found = BTreeSet::new();
    let mut open = vec![&package(metadata, name).id];
    while let Some(id) = open.pop() {
        for needed in &nodes[id].deps {
            let built =
                needed.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development);
            if built && found.insert(names[&needed.pkg].clone()) {
                open.push(&needed.pkg);
            }
        }
    }
    found
}

#[test]
fn the_owners_packages_are_where_they_belong() {
    let metadata = metadata();
    let core = dependencies(package(&metadata, "harness-core"));
    for name in ["async-trait", "serde", "thiserror", "schemars", "futures", "tracing"] {
        assert!(core.contains(name), "harness-core uses {name}");
    }
    for name in ["harness-sandbox", "harness-llm"] {
        assert!(
            dependencies(package(&metadata, name)).contains("tokio"),
            "{name} does its I/O on tokio"
        );
    }
}

/// Every Rust file that is ours.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = ["crates", "src", "examples", "tests", "benches"]
        .iter()
        .map(|folder| root().join(folder))
        .collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir()
                && path.file_name().is_some_and(|name| name != "tasks" && name != "target")
            {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn no_file_is_over_800_lines() {
    for path in sources() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 800, "{} has {lines} lines: move the walls", path.display());
    }
}

#[test]
fn the_round_fits_on_a_screen() {
    let text = fs::read_to_string(root().join("crates/harness-core/src/engine/mod.rs")).unwrap();
    let start = text.find("pub async fn round(").unwrap();
    let length = text[start..].find("\n    }\n").unwrap();
    let body = &text[start..start + length];
    assert!(body.lines().count() <= 25, "Engine::round has grown");
    let stages = ["assess", "mine", "propose", "judge", "commit"]
        .map(|stage| body.find(&format!("self.{stage}(")));
    assert!(stages.iter().all(Option::is_some) && stages.is_sorted(), "{stages:?}");
}

#[test]
fn unsafe_code_is_in_the_reviewed_file_only() {
    let allowed = Path::new("crates/sandbox/src/sys.rs");
    for path in sources() {
        let name = path.strip_prefix(root()).unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        // Written apart, so that this file does not find itself.
        let uses = text.contains(concat!("unsafe", " {"))
            || text.contains(concat!("allow(", "unsafe_code"));
        assert!(
            !uses
                || name == allowed
                || name.ends_with("lib.rs") && name.starts_with("crates/sandbox"),
            "{}",
            name.display()
        );
    }
}

#[test]
fn every_invariant_names_its_test() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let all: String = sources().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let invariants: Vec<&str> =
        text.lines().filter(|line| line.contains("**Architecture Invariant:**")).collect();
    assert!(invariants.len() >= 8);
    for line in invariants {
        let guard = line.rsplit('`').nth(1).unwrap_or_else(|| panic!("no test named in: {line}"));
        let name = guard.rsplit("::").next().unwrap();
        assert!(all.contains(name), "'{guard}' does not exist (in: {line})");
    }
}
