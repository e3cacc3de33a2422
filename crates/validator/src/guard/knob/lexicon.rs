//! The words of what is out of reach.

/// Something that an instruction must not do.
pub(super) struct Rule {
    /// What it is about, for the reason.
    pub(super) about: &'static str,
    /// What is done, each as its base form.
    pub(super) verbs: &'static [&'static str],
    /// To what: words in a row, singular.
    pub(super) objects: &'static [&'static str],
}

/// Instructions that are refused.
pub(super) const RULES: [Rule; 9] = [
    Rule {
        about: "the model",
        verbs: &[
            "switch", "swap", "change", "replace", "route", "reroute", "redirect", "delegate", "upgrade", "use", "select", "choose",
            "call", "ask", "query", "set", "override", "point", "consult", "prefer", "invoke", "escalate", "fall back", "hand", "forward",
        ],
        objects: &[
            "another model", "different model", "other model", "larger model", "bigger model", "stronger model", "better model",
            "smarter model", "more capable model", "more powerful model", "external model", "newer model", "frontier model", "another llm",
            "different llm", "other llm", "larger llm", "stronger llm", "external llm", "external api", "model name", "model id",
            "model identifier", "model parameter", "model setting", "base model", "model endpoint", "underlying model", "agent model",
            "gpt", "chatgpt", "claude", "gemini", "openai", "anthropic", "openrouter",
        ],
    },
    Rule {
        about: "the model",
        verbs: &["switch", "swap", "override", "upgrade", "reroute"],
        objects: &["model", "llm"],
    },
    Rule {
        about: "decoding",
        verbs: &[
            "set", "change", "adjust", "alter", "modify", "raise", "increase", "lower", "reduce", "decrease", "override", "configure",
            "tune", "tweak", "update", "use", "double", "lift", "extend", "disable", "expand", "maximize", "enlarge", "bump", "drop",
        ],
        objects: &[
            "sampling temperature", "decoding temperature", "model temperature", "your temperature", "llm temperature",
            "generation temperature", "top p", "top k", "nucleus sampling", "sampling parameter", "sampling setting", "decoding",
            "decoding parameter", "decoding setting", "decoding strategy", "logit bias", "frequency penalty", "presence penalty",
            "repetition penalty", "max token", "maximum token", "max output token", "max new token", "max completion token",
            "reasoning effort", "thinking budget", "beam search", "beam size", "stop sequence", "context window", "context length",
            "context size", "generation parameter", "decoding seed", "sampling seed",
        ],
    },
    Rule {
        about: "limits",
        verbs: &[
            "raise", "increase", "extend", "lift", "double", "triple", "quadruple", "remove", "disable", "bypass", "ignore", "override",
            "reset", "unset", "exceed", "relax", "circumvent", "evade", "skip", "enlarge", "expand", "bump", "loosen", "delete", "drop",
            "avoid", "suspend", "prolong", "defeat", "escape", "cancel", "rewrite", "multiply", "uncap",
        ],
        objects: &[
            "step limit", "turn limit", "token limit", "time limit", "call limit", "cost limit", "episode limit", "trial limit",
            "attempt limit", "iteration limit", "agent limit", "task limit", "session limit", "run limit", "step budget", "turn budget",
            "token budget", "time budget", "call budget", "cost budget", "trial budget", "attempt budget", "iteration budget",
            "agent timeout", "task timeout", "trial timeout", "verifier timeout", "session timeout", "episode timeout", "run timeout",
            "step cap", "turn cap", "token cap", "cost cap", "time cap", "token quota", "step quota", "max step", "maximum step",
            "max turn", "number of step allowed", "resource limit", "spending limit", "spending cap", "limit on step", "limit on token",
            "limit on turn", "limit on time", "limit on cost", "limit on trial", "wall clock limit", "own limit", "harness limit", "budget cap", "deadline of the task",
        ],
    },
    Rule {
        about: "limits",
        verbs: &["set", "change", "adjust", "alter", "modify", "edit", "patch", "configure", "update", "tune", "request", "grant", "replace"],
        objects: &[
            "step limit", "turn limit", "token limit", "cost limit", "episode limit", "trial limit", "attempt limit", "agent limit",
            "step budget", "turn budget", "token budget", "cost budget", "agent timeout", "task timeout", "trial timeout",
            "verifier timeout", "max step", "maximum step", "max turn", "spending limit", "more step than allowed", "unlimited step",
            "unlimited token", "unlimited time", "unlimited turn", "unlimited attempt", "unlimited budget", "more token than allowed",
        ],
    },
    Rule {
        about: "the verifier",
        verbs: &[
            "edit", "modify", "change", "overwrite", "rewrite", "patch", "replace", "write", "forge", "fake", "tamper", "alter", "delete",
            "remove", "read", "open", "inspect", "look", "cat", "print", "copy", "find", "search", "locate", "peek", "touch", "monkeypatch",
            "stub", "mock", "hook", "hijack", "shadow", "intercept", "disable", "bypass", "kill", "skip", "trick", "fool", "game",
            "circumvent", "cheat", "deceive", "set", "view", "dump", "list", "reveal", "extract", "corrupt", "sabotage", "influence", "grep",
            "wrap", "subvert", "defeat", "stop", "run", "execute", "examine", "study", "reverse engineer", "get",
        ],
        objects: &[
            "verifier", "grader", "grading", "hidden test", "reward", "scoring script", "scorer", "answer key", "oracle", "reference solution",
            "official solution", "hidden solution", "solution script", "evaluator", "evaluation script", "grading script", "verification script",
            "verifier test", "test oracle", "task solution", "judge", "expected answer", "private test", "secret test",
        ],
    },
    Rule {
        about: "the verifier",
        verbs: &["weaken", "tamper", "fake", "forge", "falsify", "rig", "neuter", "sabotage", "game"],
        objects: &["test", "unit test", "test suite", "check", "assertion", "test result", "test output", "score", "result"],
    },
    Rule {
        about: "permissions",
        verbs: &[
            "grant", "give", "allow", "enable", "obtain", "gain", "acquire", "get", "elevate", "escalate", "unlock", "request", "permit",
            "add", "open", "turn on", "assume", "take", "widen", "extend", "raise",
        ],
        objects: &[
            "network access", "internet access", "root access", "root privilege", "privilege", "elevated permission", "more permission",
            "all permission", "full permission", "additional permission", "wider permission", "own permission", "agent permission",
            "tool permission", "admin right", "host access", "unrestricted access", "full access", "yourself permission", "agent access",
            "yourself access", "access to the host", "access to the network", "access to the internet", "yourself root", "egress", "host network",
            "access to all tool", "every permission", "yourself",
        ],
    },
    Rule {
        about: "permissions",
        verbs: &[
            "remove", "disable", "bypass", "ignore", "skip", "circumvent", "evade", "escape", "turn off", "break out of", "leave", "defeat",
            "override", "lift", "drop", "switch off", "weaken", "relax", "loosen", "suppress", "break", "exit", "deactivate", "delete",
            "suspend", "edit", "modify", "change",
        ],
        objects: &[
            "sandbox", "sandboxing", "isolation", "seccomp", "landlock", "guardrail", "safety check", "safety rule", "approval", "allow list",
            "allowlist", "whitelist", "deny list", "denylist", "permission check", "permission policy", "permission setting", "permission system",
            "permission prompt", "access control", "containment", "trajectory", "transcript", "telemetry", "audit log", "journal",
            "activation counter", "activation log", "usage log", "network restriction", "network policy", "network block", "restriction",
            "confirmation step",
        ],
    },
];

/// Between what is done and to what, only these may stand.
pub(super) const BETWEEN: [&str; 62] = [
    "the", "a", "an", "its", "your", "our", "their", "any", "all", "every", "each", "this", "that", "own", "to", "with", "into", "in",
    "at", "from", "of", "for", "up", "down", "off", "out", "on", "around", "through", "content", "source", "code", "output", "file",
    "result", "current", "task", "hidden", "official", "built", "existing", "default", "agent", "harness", "whole", "entire", "s", "by",
    "past", "value", "setting", "configuration", "location", "away", "over", "back", "more", "some", "both", "yourself", "itself", "via",
];

/// In front of what is done, these make it advice against it.
pub(super) const NEGATIONS: [&str; 16] = [
    "not", "never", "don", "dont", "avoid", "without", "no", "cannot", "refrain", "instead", "forbidden", "nor", "prohibited", "mustn", "shouldn", "rather",
];

/// After a negation, these turn it around: "do not forget to".
pub(super) const TURNS: [&str; 16] = [
    "forget", "hesitate", "fail", "only", "afraid", "worry", "mind", "stop", "neglect", "omit", "bother", "just", "shy", "refuse", "merely", "miss",
];
