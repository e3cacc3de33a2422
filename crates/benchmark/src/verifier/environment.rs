//! What test scripts run with: nothing in it comes from an agent, and what agents leave where programs look for
//! configuration is switched off.

use harness_core::{File, Result, SandboxPath, Session};

use crate::harbor::Tree;

/// Settings that pytest reads in the directory of the tests or above it, the first found.
const PYTEST_SETTINGS: [&str; 5] =
    ["pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"];

/// Git's settings of the highest rank: those that run a program of the repository's choice, off.
const GIT: [(&str, &str); 5] = [
    // The workspace belongs to an agent, whoever the tests run as.
    ("safe.directory", "*"),
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.pager", "cat"),
    ("core.sshCommand", "false"),
];

/// Variables of the test script, before its task's own. `home` is a directory of the tests' own; both are paths as commands
/// of the session see them.
pub(super) fn shielded(home: &str, tests: &str) -> Vec<(String, String)> {
    let mut variables = vec![
        ("HOME".to_owned(), home.to_owned()),
        // No sitecustomize or package of a user's own; nothing imported from where an agent could have set it.
        ("PYTHONNOUSERSITE".to_owned(), "1".to_owned()),
        ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
        // No conftest.py from above the tests.
        ("PYTEST_ADDOPTS".to_owned(), format!("--confcutdir={tests} -p no:cacheprovider")),
        ("GIT_CONFIG_GLOBAL".to_owned(), "/dev/null".to_owned()),
        ("GIT_CONFIG_NOSYSTEM".to_owned(), "1".to_owned()),
        ("GIT_CONFIG_COUNT".to_owned(), GIT.len().to_string()),
    ];
    // Empty is as good as unset to the programs that read them, and wins over what the environment has.
    for name in [
        "BASH_ENV",
        "ENV",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "PERL5OPT",
        "PERL5LIB",
    ] {
        variables.push((name.to_owned(), String::new()));
    }
    for (number, (key, value)) in GIT.iter().enumerate() {
        variables.push((format!("GIT_CONFIG_KEY_{number}"), (*key).to_owned()));
        variables.push((format!("GIT_CONFIG_VALUE_{number}"), (*value).to_owned()));
    }
    variables
}

/// Pytest takes the first settings that it finds from the tests upwards: an empty file beside the tests keeps it from looking
/// where an agent could have left some.
pub(super) async fn shield_pytest(
    session: &dyn Session,
    tests: &SandboxPath,
    tree: &Tree,
) -> Result<()> {
    if PYTEST_SETTINGS.iter().any(|name| tree.file(name).is_some()) {
        return Ok(());
    }
    let settings = SandboxPath::new(format!("{tests}/pytest.ini"))?;
    session.write(&settings, File::plain(b"[pytest]\n")).await
}
