//! `RUN` lines that need what a stand-in for an image cannot give.

/// Why `script` cannot run here: the first command that installs, downloads, or changes the system.
pub(crate) fn obstacle(script: &str) -> Option<String> {
    commands(script).iter().find_map(|command| judge(command))
}

/// The same for a script that may have another way: only what stands at its top level, with no alternative beside it.
pub(crate) fn unconditional(script: &str) -> Option<String> {
    let script = script.replace("\\\n", " ");
    let has_no_other_way = |line: &&str| {
        !line.starts_with([' ', '\t'])
            && !["||", "command -v", "which "].iter().any(|it| line.contains(it))
    };
    script.lines().filter(has_no_other_way).find_map(obstacle)
}

fn judge(command: &[String]) -> Option<String> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let (program, arguments) = program(&words)?;
    let names = |verbs: &[&str]| arguments.iter().any(|argument| verbs.contains(argument));
    let installs = || Some(format!("installs packages (`{}`)", words.join(" ")));
    let downloads = || Some(format!("downloads (`{}`)", words.join(" ")));
    match program {
        "apt-get" | "apt" | "aptitude" | "apk" | "dnf" | "yum" | "microdnf" | "zypper"
        | "pacman"
            if !names(&["clean", "autoclean", "autoremove"]) =>
        {
            installs()
        }
        "pip" | "pip3" | "pipx" if names(&["install", "download"]) => installs(),
        "uv" if names(&["pip", "sync", "add", "tool", "venv", "python"]) => installs(),
        "uvx" | "npx" | "conda" | "mamba" | "micromamba" | "poetry" | "pdm" | "cpan" | "cpanm" => {
            installs()
        }
        "npm" | "yarn" | "pnpm" | "bun"
            if names(&["install", "i", "ci", "add"]) || arguments.is_empty() =>
        {
            installs()
        }
        "cargo" | "go" | "gem" | "bundle" | "composer" | "luarocks"
            if names(&["install", "get", "fetch", "require"]) =>
        {
            installs()
        }
        "python" | "python3"
            if arguments.starts_with(&["-m", "pip"]) && names(&["install", "download"]) =>
        {
            installs()
        }
        "Rscript" | "R" if arguments.iter().any(|it| it.contains("install.packages")) => installs(),
        "curl" | "wget" if !arguments.iter().any(|it| is_local(it)) => downloads(),
        "git"
            if names(&["clone", "fetch", "pull", "submodule"])
                && arguments.iter().any(|it| is_remote(it)) =>
        {
            downloads()
        }
        "useradd"
        | "adduser"
        | "groupadd"
        | "addgroup"
        | "usermod"
        | "chpasswd"
        | "update-alternatives"
        | "add-apt-repository"
        | "dpkg"
        | "ldconfig"
        | "locale-gen"
        | "systemctl"
        | "service" => Some(format!("changes the system's own files (`{}`)", words.join(" "))),
        _ => None,
    }
}

fn is_local(address: &str) -> bool {
    ["http://localhost", "http://127.0.0.1", "localhost", "127.0.0.1", "file://"]
        .iter()
        .any(|local| address.starts_with(local))
}

fn is_remote(address: &str) -> bool {
    (address.contains("://") && !address.starts_with("file://")) || address.starts_with("git@")
}

/// The program that a simple command runs, and its arguments: without assignments and wrappers.
fn program<'a>(words: &'a [&'a str]) -> Option<(&'a str, &'a [&'a str])> {
    let mut rest = words;
    loop {
        let (first, after) = rest.split_first()?;
        let name = first.rsplit('/').next().unwrap_or(first);
        let assigns = first.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
        });
        let wraps =
            ["sudo", "env", "exec", "command", "time", "nice", "nohup", "xargs", "yes", "eval"]
                .contains(&name);
        let option = first.starts_with('-');
        let word =
            ["then", "do", "else", "elif", "if", "while", "until", "!", "{", "}"].contains(&name);
        if !(assigns || wraps || word || (option && rest.len() < words.len())) {
            return Some((name, after));
        }
        rest = after;
    }
}

/// The simple commands of a shell script, roughly: good enough to recognise what installs and downloads. What a shell
/// is given with `-c` counts too.
fn commands(script: &str) -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut nested = Vec::new();
    let mut quote = None;
    let mut characters = script.chars().peekable();
    while let Some(it) = characters.next() {
        match (it, quote) {
            (it, Some(open)) if it == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(characters.next()),
            (it, Some(_)) => word.get_or_insert_default().push(it),
            ('"' | '\'', None) => {
                quote = Some(it);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => {
                while characters.next_if(|it| *it != '\n').is_some() {}
            }
            (';' | '&' | '|' | '\n' | '(' | ')' | '`', None) => {
                push(&mut found, word.take(), &mut nested);
                found.push(Vec::new());
            }
            (it, None) if it.is_whitespace() => push(&mut found, word.take(), &mut nested),
            (it, None) => word.get_or_insert_default().push(it),
        }
    }
    push(&mut found, word, &mut nested);
    found.extend(nested.iter().flat_map(|script| commands(script)));
    found.retain(|command| !command.is_empty());
    found
}

fn push(found: &mut [Vec<String>], word: Option<String>, nested: &mut Vec<String>) {
    if let (Some(word), Some(command)) = (word, found.last_mut()) {
        let after_c = command.last().is_some_and(|it| it.starts_with('-') && it.ends_with('c'));
        let shell =
            command.iter().any(|it| it.ends_with("sh")) || command.iter().any(|it| it == "eval");
        if after_c && shell {
            nested.push(word.clone());
        }
        command.push(word);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_installs_or_downloads_is_recognised() {
        for script in [
            "apt-get update && apt-get install -y git",
            "set -eux; DEBIAN_FRONTEND=noninteractive apt-get -qq install x",
            "cd /tmp && /usr/bin/apt install x",
            "apk add --no-cache bash",
            "pip install --no-cache-dir numpy==1.0",
            "python3 -m pip install x",
            "if true; then sudo pip3 install x; fi",
            "bash -c 'npm install -g x'",
            "bash -lc \"cd x && cargo install y\"",
            "curl -LsSf https://example.org/install.sh | sh",
            "X=$(wget -qO- example.org/x)",
            "git clone --depth 1 https://example.org/x.git",
            "useradd -m agent",
            "uv pip install x",
        ] {
            assert!(obstacle(script).is_some(), "{script}");
        }
    }

    #[test]
    fn what_does_not_is_not() {
        for script in [
            "chmod 755 collect.sh",
            "sh build.sh && rm build.sh",
            "echo 'pip install numpy' > README",
            "echo apt-get install # pip install x\ntrue",
            "apt-get clean && rm -rf /var/lib/apt/lists/*",
            "git init repo && git -C repo commit -m 'install'",
            "git clone /srv/origin.git work",
            "curl http://localhost:8080/health",
            "mkdir -p npm pip && cp -r a b",
            "cargo build --offline",
            "",
        ] {
            assert_eq!(obstacle(script), None, "{script}");
        }
    }

    #[test]
    fn a_script_with_another_way_is_given_the_chance() {
        let tests = "#!/bin/bash\napt-get update\ncurl -LsSf https://example.org/uv/install.sh | sh\nuvx pytest x\n";
        assert!(unconditional(tests).unwrap().contains("apt-get update"));
        for script in [
            "command -v pytest || pip install pytest\npytest x\n",
            "if ! command -v pytest; then\n  pip install pytest\nfi\n",
            "pip install pytest || true\n",
            "pytest x\n",
        ] {
            assert_eq!(unconditional(script), None, "{script}");
        }
    }

    proptest! {
        #[test]
        fn any_script_is_judged(script in "(apt|-c|sh|'|\"|\\\\|;|&&|\\(|`|#|\n| |=|x){0,30}") {
            let _ = obstacle(&script);
        }
    }
}
