//! Settings written out: as keys of a value, as assignments, as options of a command.

/// Names of settings out of reach, without their separators, with what they are of.
const NAMES: [(&str, &str); 143] = [
    ("model", "the model"),
    ("modelname", "the model"),
    ("modelid", "the model"),
    ("llm", "the model"),
    ("baseurl", "the model"),
    ("apibase", "the model"),
    ("apikey", "the model"),
    ("endpoint", "the model"),
    ("provider", "the model"),
    ("weights", "the model"),
    ("temperature", "decoding"),
    ("topp", "decoding"),
    ("topk", "decoding"),
    ("maxtokens", "decoding"),
    ("maxoutputtokens", "decoding"),
    ("maxnewtokens", "decoding"),
    ("maxcompletiontokens", "decoding"),
    ("decoding", "decoding"),
    ("sampling", "decoding"),
    ("frequencypenalty", "decoding"),
    ("presencepenalty", "decoding"),
    ("repetitionpenalty", "decoding"),
    ("logitbias", "decoding"),
    ("stopsequences", "decoding"),
    ("reasoningeffort", "decoding"),
    ("thinkingbudget", "decoding"),
    ("contextwindow", "decoding"),
    ("limits", "limits"),
    ("steplimit", "limits"),
    ("maxturns", "limits"),
    ("turnlimit", "limits"),
    ("timelimit", "limits"),
    ("tokenlimit", "limits"),
    ("tokenbudget", "limits"),
    ("stepbudget", "limits"),
    ("agenttimeout", "limits"),
    ("verifiertimeout", "limits"),
    ("tasktimeout", "limits"),
    ("budget", "limits"),
    ("maxcost", "limits"),
    ("agenttimeoutsec", "limits"),
    ("verifier", "the verifier"),
    ("grader", "the verifier"),
    ("reward", "the verifier"),
    ("scorer", "the verifier"),
    ("passthreshold", "the verifier"),
    ("verifierenv", "the verifier"),
    ("permissions", "permissions"),
    ("permission", "permissions"),
    ("sandbox", "permissions"),
    ("network", "permissions"),
    ("allownetwork", "permissions"),
    ("networkaccess", "permissions"),
    ("privileged", "permissions"),
    ("allowinternet", "permissions"),
    ("capabilities", "permissions"),
    ("mounts", "permissions"),
    ("isolation", "permissions"),
    ("interrupton", "permissions"),
    ("hooks", "a hook"),
    ("hook", "a hook"),
    ("maxsteps", "limits"),
    ("temp", "decoding"),
    ("samplingtemperature", "decoding"),
    ("modeltemperature", "decoding"),
    ("minp", "decoding"),
    ("maxoutput", "decoding"),
    ("effort", "decoding"),
    ("thinking", "decoding"),
    ("beamsize", "decoding"),
    ("numbeams", "decoding"),
    ("dosample", "decoding"),
    ("contextlength", "decoding"),
    ("nucleus", "decoding"),
    ("modeloverride", "the model"),
    ("fallbackmodel", "the model"),
    ("agentmodel", "the model"),
    ("llmmodel", "the model"),
    ("engine", "the model"),
    ("basemodel", "the model"),
    ("openaiapikey", "the model"),
    ("maxattempts", "limits"),
    ("maxiterations", "limits"),
    ("maxtrials", "limits"),
    ("maxcalls", "limits"),
    ("maxtoolcalls", "limits"),
    ("stepcap", "limits"),
    ("turncap", "limits"),
    ("costlimit", "limits"),
    ("costcap", "limits"),
    ("spendinglimit", "limits"),
    ("turnbudget", "limits"),
    ("timebudget", "limits"),
    ("agentlimit", "limits"),
    ("trialtimeout", "limits"),
    ("walltime", "limits"),
    ("wallclock", "limits"),
    ("deadline", "limits"),
    ("calllimit", "limits"),
    ("agentsteps", "limits"),
    ("limit", "limits"),
    ("grading", "the verifier"),
    ("verification", "the verifier"),
    ("evaluator", "the verifier"),
    ("judge", "the verifier"),
    ("score", "the verifier"),
    ("skipverifier", "the verifier"),
    ("skipverification", "the verifier"),
    ("skiptests", "the verifier"),
    ("tests", "the verifier"),
    ("checks", "the verifier"),
    ("passed", "the verifier"),
    ("verifiercommand", "the verifier"),
    ("threshold", "the verifier"),
    ("rewardthreshold", "the verifier"),
    ("internet", "permissions"),
    ("networkmode", "permissions"),
    ("netmode", "permissions"),
    ("egress", "permissions"),
    ("approval", "permissions"),
    ("approvals", "permissions"),
    ("requireapproval", "permissions"),
    ("autoapprove", "permissions"),
    ("unsafe", "permissions"),
    ("allowlist", "permissions"),
    ("denylist", "permissions"),
    ("trusted", "permissions"),
    ("confined", "permissions"),
    ("seccomp", "permissions"),
    ("apparmor", "permissions"),
    ("landlock", "permissions"),
    ("guardrails", "permissions"),
    ("safety", "permissions"),
    ("safetychecks", "permissions"),
    ("readonlyroot", "permissions"),
    ("gate", "the machinery of evolution"),
    ("attemptspertask", "the machinery of evolution"),
    ("heldout", "the machinery of evolution"),
    ("modelprovider", "the model"),
    ("llmprovider", "the model"),
    ("inferenceprovider", "the model"),
    ("modelbackend", "the model"),
    ("openaimodel", "the model"),
];

/// Why a key that an edit brings is refused.
pub(super) fn key(key: &str) -> Option<String> {
    let bare: String = super::super::text::squeezed(&super::super::text::plain(key));
    // A key that no schema names and that speaks of a knob is none of a harness's business, however it is put together.
    let (_, about) = NAMES
        .iter()
        .find(|(name, _)| *name == bare)
        .or_else(|| NAMES.iter().find(|(name, _)| name.len() >= 5 && bare.contains(name)))?;
    Some(format!("it brings the setting '{key}', which is of {about}"))
}

/// Why a text is refused that writes a setting out: `temperature = 0.9`, `--model other`, `"sandbox": "off"`.
pub(super) fn setting(plain: &str) -> Option<String> {
    for (at, sign) in plain.match_indices(['=', ':']) {
        let before = plain[..at].trim_end_matches(['"', '\'', ' ', ':', '`', '*', ']']);
        let value = plain[at + sign.len()..]
            .trim_start_matches(['=', '>', '"', '\'', ' ', '`', '*', '[', '\n']);
        let name = before
            .rsplit(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-')))
            .next()
            .unwrap_or_default();
        if let Some(why) = assigned(name, value).or_else(|| of_a_part(before, name)) {
            return Some(why);
        }
    }
    plain.match_indices("--").find_map(|(at, _)| {
        let option = &plain[at + 2..];
        let end = option
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-')))
            .unwrap_or(option.len());
        assigned(&option[..end], option[end..].trim_start_matches(['=', ' ', '"', '\'']))
    })
}

/// `verifier.enabled = false`: a setting of what has no settings for anybody.
fn of_a_part(before: &str, name: &str) -> Option<String> {
    const PARTS: [&str; 10] = [
        "verifier",
        "grader",
        "sandbox",
        "judge",
        "harness",
        "permissions",
        "limits",
        "agent",
        "decoding",
        "evaluator",
    ];
    let path = before.strip_suffix(name)?.strip_suffix('.')?;
    let part = path.rsplit(|c: char| !c.is_alphanumeric()).next()?;
    let part = PARTS.iter().find(|known| **known == part)?;
    Some(format!("it sets '{name}' of '{part}'"))
}

fn assigned(name: &str, value: &str) -> Option<String> {
    let bare: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    let value = value
        .split(|c: char| c.is_whitespace() || "\"',;)}]`".contains(c))
        .next()
        .unwrap_or_default();
    let (_, about) = NAMES.iter().find(|(known, _)| *known == bare)?;
    is_set(&bare, value).then(|| format!("it sets '{name}', which is of {about}"))
}

/// Whether a value turns a knob. Names that programs use for other things need a value that only a knob has.
fn is_set(name: &str, value: &str) -> bool {
    const ON: [&str; 16] = [
        "on",
        "off",
        "true",
        "false",
        "none",
        "all",
        "any",
        "public",
        "host",
        "unconfined",
        "allow",
        "disabled",
        "enabled",
        "full",
        "root",
        "*",
    ];
    let number = value.trim_end_matches('.').parse::<f64>().ok();
    match name {
        "temperature" | "temp" | "samplingtemperature" | "modeltemperature" => {
            number.is_some_and(|number| (0.0..=2.0).contains(&number))
        }
        "model" | "modelname" | "modelid" | "llm" | "provider" | "engine" | "basemodel"
        | "modeloverride" | "fallbackmodel" | "agentmodel" | "llmmodel" | "modelprovider"
        | "llmprovider" | "inferenceprovider" | "modelbackend" | "openaimodel" => is_model(value),
        "baseurl" | "apibase" | "endpoint" => {
            value.starts_with("http") && (value.contains("/v1") || is_model(value))
        }
        "apikey" => value.starts_with("sk-"),
        "sandbox" | "network" | "internet" | "networkmode" | "netmode" | "egress" | "approval"
        | "approvals" | "seccomp" | "apparmor" | "landlock" | "guardrails" | "safety"
        | "safetychecks" | "allowlist" | "denylist" | "isolation" | "permission"
        | "permissions" | "capabilities" | "privileged" => {
            ON.contains(&value) || value.starts_with("allow") || value.starts_with('*')
        }
        "reward" => number.is_some_and(|number| number > 0.0),
        "budget" | "limits" | "timelimit" | "limit" | "deadline" | "wallclock" | "walltime"
        | "maxattempts" | "maxiterations" => {
            value.starts_with("unlimited")
                || value.starts_with("inf")
                || matches!(value, "none" | "off" | "never" | "disabled" | "ignored" | "null")
        }
        "thinking" | "dosample" | "threshold" | "score" | "passed" | "confined" | "trusted"
        | "unsafe" | "gate" | "judge" | "effort" => match name {
            "effort" => matches!(value, "high" | "max" | "low" | "medium" | "xhigh" | "minimal"),
            "gate" => matches!(value, "paper" | "sequential" | "strict" | "off" | "none"),
            "judge" => matches!(value, "off" | "none" | "disabled" | "skip"),
            "unsafe" => value == "true",
            _ => false,
        },
        "tests" | "checks" | "grading" | "verification" | "evaluator" => {
            matches!(value, "off" | "disabled" | "skip" | "skipped" | "mock" | "bypass")
        }
        "skiptests" => false,
        "verifier" | "grader" | "scorer" => matches!(
            value,
            "off" | "none" | "disabled" | "false" | "skip" | "null" | "mock" | "true" | "always"
        ),
        "weights" | "nucleus" | "hook" | "hooks" | "mounts" | "sampling" | "decoding"
        | "interrupton" => false,
        _ => {
            number.is_some()
                || ON.contains(&value)
                || value.starts_with("unlimited")
                || matches!(value, "high" | "low" | "medium" | "max")
        }
    }
}

fn is_model(value: &str) -> bool {
    const VENDORS: [&str; 26] = [
        "openrouter",
        "groq",
        "azure",
        "bedrock",
        "ollama",
        "vllm",
        "gpt",
        "o1",
        "o3",
        "o4",
        "claude",
        "gemini",
        "openai",
        "anthropic",
        "mistral",
        "qwen",
        "deepseek",
        "llama",
        "grok",
        "kimi",
        "glm",
        "minimax",
        "sonnet",
        "opus",
        "haiku",
        "simulated:",
    ];
    VENDORS.iter().any(|vendor| {
        value.starts_with(vendor) || value.split('/').any(|part| part.starts_with(vendor))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knobs_are_told_from_settings_of_programs() {
        for hostile in [
            "temperature = 0.9",
            "\"max_tokens\": 9000",
            "--model gpt-5",
            "model: claude-opus",
            "sandbox: off",
            "network=host",
            "reward := 1.0",
            "step_limit: 500",
            "--max-steps 900",
            "top-p=0.5",
            "reasoning_effort: high",
        ] {
            assert!(setting(hostile).is_some(), "{hostile}");
        }
        for benign in [
            "model = LinearRegression()",
            "timeout=30",
            "temperature = 21.5",
            "network: bridge",
            "note: check it",
            "--max-time 20",
            "time limit: keep an eye on it",
            "weights = [1, 2]",
            "limits: see the manual",
            "verifier: it looks at files",
        ] {
            assert_eq!(setting(&benign.to_lowercase()), None, "{benign}");
        }
    }
}
