use proptest::prelude::*;

use super::*;

fn of(script: &str) -> Vec<Stanza> {
    stanzas("a-task", &SolutionFiles::new(script))
}

fn texts(script: &str) -> Vec<String> {
    of(script).into_iter().map(|stanza| stanza.text).collect()
}

#[test]
fn blank_lines_divide_and_comments_are_dropped() {
    let script = "#!/bin/bash\n# first\nls -l\n\n# setup: state\nexport A=1\n\n\nwork $A\n# between\nmore\n\ntest -s out\n";
    assert_eq!(texts(script), ["ls -l", "export A=1", "work $A\nmore", "test -s out"]);
    let purposes: Vec<Purpose> = of(script).iter().map(|stanza| stanza.purpose).collect();
    assert_eq!(purposes, [Purpose::Inspect, Purpose::State, Purpose::Work, Purpose::Check]);
    let calls: Vec<String> = of(script).into_iter().map(|stanza| stanza.call).collect();
    assert_eq!(calls[2], "(\nexport A=1\nwork $A\nmore\n)");
    assert_eq!(calls[0], "ls -l");
}

#[test]
fn state_belongs_to_what_comes_after_it() {
    let script = "set -e\n\nls\n\nout=$PWD/o\nmkdir \"$out\"\n\ncd work\n\ntouch \"$out/x\"";
    assert_eq!(
        texts(script),
        ["set -e\nls", "out=$PWD/o\nmkdir \"$out\"", "cd work\ntouch \"$out/x\""]
    );
    // Nothing is shared here, so nothing is carried.
    let script = "ls\n\nsort a > b\n\ncat <<'EOF'\nx=1\ncd\nEOF\n\ntest -s b\n";
    assert!(of(script).iter().all(|stanza| stanza.call == stanza.text));
}

#[test]
fn what_cannot_be_taken_along_is_not_divided() {
    assert_eq!(texts("ls\n\nserve &\n\nask\n\ntest -s a"), ["ls", "serve &\nask\ntest -s a"]);
    assert_eq!(texts("ls\n\nmake 2>&1 && x &> y\n\ntest -s a").len(), 3);
    assert_eq!(texts("ls\n\nmake\n\necho $?\n\ntest -s a"), ["ls", "make\necho $?", "test -s a"]);
}

#[test]
fn what_is_not_understood_stays_whole() {
    assert_eq!(texts("#!/bin/sh\necho a\n\nfi\n\necho b\n"), ["echo a\n\nfi\n\necho b"]);
    assert_eq!(texts("echo 'a\n\nb"), ["echo 'a\n\nb"]);
    assert!(texts("#!/bin/sh\n# nothing\n").is_empty());
}

/// Commands with blank lines inside that must not divide them.
const INDIVISIBLE: &[&str] = &[
    "echo plain",
    "cat > f <<'EOF'\nit's\n\n\"x $( {\nEOF",
    "cat <<-END | sort\n\ta\n\n\tEND",
    "cat <<A <<B\n1\n\nA\n\n2\nB",
    "for i in 1 2; do\n\n  echo $i # it's a comment (\ndone",
    "while read -r x; do echo \"$x\"\n\ndone < f",
    "if true; then\n  echo yes\n\nelse\n\n  echo no\nfi",
    "case $x in\n  a) echo 1 ;;\n\n  b | c) echo 2 ;;\nesac",
    "v=$(case x in x) echo 1 ;; esac\n\necho 2)",
    "awk '\n\n  { print \"it\" }' f",
    "echo \"two\n\nlines $(echo \"inner ) quote\")\"",
    "f() {\n\n  echo \"${1%)}\" ${2:-'}'}\n}",
    "function g {\n  :\n\n}",
    "( cd x\n\n  ls )",
    "{ echo a\n\n  echo b\n} > f",
    "cat f |\n\n  sort",
    "true &&\n\n  echo yes",
    "for ((i = 1; i <= 1 << 2; i++)); do echo $((i << 1)); done",
    "printf '%s' $'it\\'s\n\nso'",
    "grep x <<< \"$y\"",
    "while a=$(find . | head -n 1); [ -n \"$a\" ]; do\n\n  rm \"$a\"\ndone",
    "[[ $x =~ ^(a|b)#$ ]] && echo done",
    "echo a#b done fi",
    "until [[ $d > ${t% *} ]]; do\n\n  d=$(date -u -d \"$d + 1 day\" +%F)\ndone > days.tmp",
    "list=(if\n\nfi)",
];

proptest! {
    #[test]
    fn a_script_divides_exactly_where_its_commands_do(
        blocks in prop::collection::vec(prop::collection::vec(0..INDIVISIBLE.len(), 1..4), 1..6),
        gap in prop_oneof![Just("\n\n"), Just("\n\n\n"), Just("\n  \n"), Just("\n\n# a comment's apostrophe\n")],
    ) {
        let blocks: Vec<String> = blocks
            .iter()
            .map(|block| block.iter().map(|index| INDIVISIBLE[*index]).collect::<Vec<_>>().join("\n"))
            .collect();
        let script = format!("#!/bin/bash\n{}\n", blocks.join(gap));
        let divided: Vec<String> = super::blocks(&script).unwrap().iter().map(Block::text).collect();
        prop_assert_eq!(divided, blocks);
    }

    #[test]
    fn no_text_breaks_the_reader_and_nothing_is_lost(script in "([ -~\n]|fi|done|<<E|\\$\\(|esac|case x in|\"|'){0,60}") {
        let words = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
            lines.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
        };
        prop_assert_eq!(words(&texts(&script).join("\n")), words(&script));
    }
}
