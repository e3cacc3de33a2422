//! The closed vocabularies of a signature.
//!
//! Signatures are compared by exact equality, so a free choice of words would split one weakness into many. Each part is
//! one word of a closed list; what models like to write instead is mapped by an alias table. The lists have a
//! version: results of different versions are not comparable.

/// The version of the words and aliases below. It changes with them.
pub const VOCABULARY_VERSION: u32 = 1;

macro_rules! vocabulary {
    (
        $(#[$doc:meta])* $name:ident
        { $($variant:ident = $word:literal : $meaning:literal,)* }
        aliases { $($alias:literal => $target:ident,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = $meaning] $variant,)*
        }

        impl $name {
            /// Every word, in the order in which a model is shown them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word itself.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What it means, as a model is told.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// The word that `text` is, or is a known near-synonym of; case and joints do not matter.
            pub fn from_word(text: &str) -> Option<Self> {
                match canonical(text).as_str() {
                    $($word => Some(Self::$variant),)*
                    $($alias => Some(Self::$target),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

/// Lower-case words joined by single underscores.
fn canonical(text: &str) -> String {
    let words = text.split(|character: char| !character.is_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect::<Vec<_>>().join("_")
}

vocabulary! {
    /// What the verifier objected to. Found by rules, never by a model.
    Cause {
        MissingArtifact = "missing_artifact": "a required output does not exist",
        WrongContent = "wrong_content": "an output exists and holds the wrong thing",
        InputAltered = "input_altered": "something that had to stay as it was has been changed or removed",
        BehaviourWrong = "behaviour_wrong": "a program or service that was to be made or mended behaves wrongly",
        MissingDependency = "missing_dependency": "a module or command that the result needs is not there",
        OutOfTime = "out_of_time": "time was up, and the verifier said nothing more specific",
        OutOfSteps = "out_of_steps": "steps, tokens or context were used up, and the verifier said nothing more specific",
        VerifierError = "verifier_error": "the verifier stumbled over what it found instead of judging it",
        RewardZero = "reward_zero": "no reward, without a word on why",
        Unknown = "unknown": "the evidence does not tell",
    }
    aliases {}
}

vocabulary! {
    /// How the agent's behaviour relates to the failure.
    Status {
        RootCause = "root_cause": "the first thing that went wrong and was never made good: without it the attempt would have passed",
        Contributor = "contributor": "it made the failure more likely, but alone would not have caused it",
        NonTerminalFriction = "non_terminal_friction": "it cost effort and had nothing to do with the verdict",
        RecoveredFriction = "recovered_friction": "it went wrong and was made good later",
        Unknown = "unknown": "the record does not tell",
    }
    aliases {
        "root" => RootCause,
        "cause" => RootCause,
        "primary" => RootCause,
        "primary_cause" => RootCause,
        "critical" => RootCause,
        "direct" => RootCause,
        "contributing" => Contributor,
        "contributing_factor" => Contributor,
        "contributory" => Contributor,
        "secondary" => Contributor,
        "indirect" => Contributor,
        "friction" => NonTerminalFriction,
        "non_terminal" => NonTerminalFriction,
        "noise" => NonTerminalFriction,
        "recovered" => RecoveredFriction,
        "none" => Unknown,
        "unclear" => Unknown,
        "n_a" => Unknown,
    }
}

vocabulary! {
    /// The reusable description of what the agent did, whatever the task was about.
    Mechanism {
        ExploresWithoutProducing = "explores_without_producing": "looks around again and again and does not begin to make what is asked for",
        NoArtifact = "no_artifact": "works, but ends without having written the file that is asked for, or writes it elsewhere",
        IdenticalRetry = "identical_retry": "repeats a call that failed, without changing anything",
        DestroysInputs = "destroys_inputs": "overwrites, moves or deletes what was to be kept, or its own earlier work",
        LosesEnvironment = "loses_environment": "relies on variables, PATH, a working directory or a session that did not carry over",
        FinishesOverFailingCheck = "finishes_over_failing_check": "ends although a check that it ran itself had failed",
        NeverChecks = "never_checks": "ends without having looked whether the result does what is asked for",
        MalformedCalls = "malformed_calls": "writes tool calls that cannot be run: broken arguments, unknown tools",
        DrownedInOutput = "drowned_in_output": "a flood of output pushed what mattered out of view",
        StopsWithAPlan = "stops_with_a_plan": "describes what to do, or asks, and stops without doing it",
        BlocksInForeground = "blocks_in_foreground": "waits for a command that does not return: a server, a prompt, an editor",
        OversizedDownload = "oversized_download": "fetches, builds or writes far more than the task needs",
        MisreadsTask = "misreads_task": "does something other than what is asked for: wrong format, path, rule or scope",
        WrongMethod = "wrong_method": "understands the task and takes an approach that cannot give the right result",
        Unknown = "unknown": "none of these, or the record does not tell",
    }
    aliases {
        "endless_exploration" => ExploresWithoutProducing,
        "exploration_loop" => ExploresWithoutProducing,
        "excessive_exploration" => ExploresWithoutProducing,
        "over_exploration" => ExploresWithoutProducing,
        "explores_without_acting" => ExploresWithoutProducing,
        "missing_artifact" => NoArtifact,
        "artifact_missing" => NoArtifact,
        "no_output" => NoArtifact,
        "missing_output" => NoArtifact,
        "late_artifact" => NoArtifact,
        "identical_retries" => IdenticalRetry,
        "blind_retry" => IdenticalRetry,
        "repeated_failing_call" => IdenticalRetry,
        "repeats_failing_command" => IdenticalRetry,
        "retry_loop" => IdenticalRetry,
        "tool_loop" => IdenticalRetry,
        "destructive_edit" => DestroysInputs,
        "destroyed_inputs" => DestroysInputs,
        "deletes_inputs" => DestroysInputs,
        "overwrites_inputs" => DestroysInputs,
        "input_altered" => DestroysInputs,
        "environment_loss" => LosesEnvironment,
        "lost_environment" => LosesEnvironment,
        "environment_not_persisted" => LosesEnvironment,
        "lost_state" => LosesEnvironment,
        "ignores_failing_check" => FinishesOverFailingCheck,
        "ignores_failed_check" => FinishesOverFailingCheck,
        "premature_finish" => FinishesOverFailingCheck,
        "no_verification" => NeverChecks,
        "unverified_finish" => NeverChecks,
        "missing_verification" => NeverChecks,
        "skips_verification" => NeverChecks,
        "invalid_tool_calls" => MalformedCalls,
        "malformed_tool_call" => MalformedCalls,
        "malformed_tool_calls" => MalformedCalls,
        "invalid_arguments" => MalformedCalls,
        "output_overload" => DrownedInOutput,
        "output_flood" => DrownedInOutput,
        "context_overflow" => DrownedInOutput,
        "plan_without_action" => StopsWithAPlan,
        "stops_early" => StopsWithAPlan,
        "gives_up" => StopsWithAPlan,
        "foreground_server" => BlocksInForeground,
        "blocking_command" => BlocksInForeground,
        "hangs" => BlocksInForeground,
        "large_download" => OversizedDownload,
        "runaway_download" => OversizedDownload,
        "misunderstands_task" => MisreadsTask,
        "misread_task" => MisreadsTask,
        "wrong_format" => MisreadsTask,
        "ignores_requirement" => MisreadsTask,
        "wrong_approach" => WrongMethod,
        "wrong_algorithm" => WrongMethod,
        "logic_error" => WrongMethod,
        "incorrect_logic" => WrongMethod,
        "other" => Unknown,
        "none" => Unknown,
    }
}

impl Status {
    /// How much of a failure a mechanism with this status answers for, from 0 to 1: mending what was recovered from, or
    /// never mattered, mends little.
    pub const fn share(self) -> f64 {
        match self {
            Self::RootCause => 1.0,
            Self::Contributor => 0.75,
            Self::Unknown => 0.5,
            Self::NonTerminalFriction | Self::RecoveredFriction => 0.2,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_word_is_itself_in_any_spelling() {
        for mechanism in Mechanism::ALL {
            let word = mechanism.as_str();
            assert_eq!(Mechanism::from_word(word), Some(*mechanism));
            let shouted = format!(" {} ", word.to_uppercase().replace('_', " - "));
            assert_eq!(Mechanism::from_word(&shouted), Some(*mechanism));
        }
        for status in Status::ALL {
            assert_eq!(Status::from_word(status.as_str()), Some(*status));
        }
        for cause in Cause::ALL {
            assert_eq!(Cause::from_word(cause.as_str()), Some(*cause));
        }
    }

    #[test]
    fn words_are_distinct() {
        let words: BTreeSet<&str> = Mechanism::ALL.iter().map(|word| word.as_str()).collect();
        assert_eq!(words.len(), Mechanism::ALL.len());
    }

    #[test]
    fn near_synonyms_are_mapped_and_inventions_are_not() {
        assert_eq!(Mechanism::from_word("Blind retry"), Some(Mechanism::IdenticalRetry));
        assert_eq!(Status::from_word("Contributing factor"), Some(Status::Contributor));
        assert_eq!(Mechanism::from_word("cosmic rays"), None);
        assert_eq!(Mechanism::from_word(""), None);
    }
}
