//! The words of what is out of reach: what is done (acts), and to what (topics). Phrases are made of parts rather than listed one by one,
//! so that "turn quota" and "budget of steps" are known without having been met.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Kinds of doing, as bits: a verb may be of several kinds.
pub(super) type Acts = u32;

/// Gives it another content or place.
pub(super) const ALTER: Acts = 1;
/// Makes it other than it is, said with verbs that have no innocent use for a judge or a cage.
pub(super) const MEDDLE: Acts = 1 << 1;
/// Puts it out of action, or gets around it.
pub(super) const DISABLE: Acts = 1 << 2;
/// Learns what is in it.
pub(super) const INSPECT: Acts = 1 << 3;
/// Makes more of it.
pub(super) const RAISE: Acts = 1 << 4;
/// Gives it a value.
pub(super) const SET: Acts = 1 << 5;
/// Gets hold of it.
pub(super) const OBTAIN: Acts = 1 << 6;
/// Sends it somewhere.
pub(super) const SEND: Acts = 1 << 7;
/// Takes it in the place of another.
pub(super) const CHOOSE: Acts = 1 << 8;
/// Starts it.
pub(super) const RUN: Acts = 1 << 9;
/// Makes it say what is not so.
pub(super) const FAKE: Acts = 1 << 10;
/// Goes on in spite of it.
pub(super) const DEFY: Acts = 1 << 11;
/// Hands work over to somebody; to whom comes later.
pub(super) const HAND: Acts = 1 << 12;
/// Puts something down for others to find.
pub(super) const LEAVE: Acts = 1 << 13;
/// Makes it other than it is.
pub(super) const EDIT: Acts = 1 << 14;
/// Has no innocent use with anything out of reach, so that words may stand between.
pub(super) const STRONG: Acts = 1 << 15;
/// Asks for it.
pub(super) const REQUEST: Acts = 1 << 16;
/// Brings to light what should stay hidden.
pub(super) const STEAL: Acts = 1 << 17;
/// Exchanges it.
pub(super) const SWAP: Acts = 1 << 18;
/// Makes somebody believe it.
pub(super) const PERSUADE: Acts = 1 << 19;
/// Puts something else in the place of a tool.
pub(super) const SHADOW: Acts = 1 << 20;
/// Does away with it.
pub(super) const WIPE: Acts = 1 << 21;
/// Any of them.
pub(super) const ANY: Acts = Acts::MAX;

/// Verbs in their base form by what they do; nouns of doing are among them. Particles follow with a `_`.
const VERBS: &[(Acts, &str)] = &[
    (ALTER, "write update touch set move append prepend inject insert customise customize"),
    (
        EDIT,
        "edit modify change alter adjust rename amend revise modification change_to alteration edit_to correct tamper_with",
    ),
    (
        STRONG,
        "disable bypass circumvent defeat deactivate evade subvert tamper sabotage neuter cripple thwart outwit fool trick cheat deceive \
         forge falsify hijack jailbreak overwrite monkeypatch intercept poison rig corrupt backdoor trojan hoodwink mislead spoof \
         defang neutralise neutralize nullify manipulate shadow dupe dismantle short_circuit weaken",
    ),
    (
        REQUEST,
        "request ask_for demand grant award allocate procure secure apply_for help_yourself_to claim obtain acquire beg_for",
    ),
    (
        STEAL,
        "exfiltrate upload publish email leak smuggle steal harvest extract dump collect reveal disclose exfiltration",
    ),
    (SWAP, "switch swap override upgrade reroute"),
    (
        PERSUADE,
        "tell convince persuade assure lie_to signal bluff reassure pacify feed satisfy_with",
    ),
    (
        SHADOW,
        "replace overwrite wrap shadow patch hijack substitute swap trojan backdoor divert impersonate",
    ),
    (
        ALTER | MEDDLE,
        "overwrite rewrite patch replace tamper delete remove corrupt sabotage influence wrap subvert hijack shadow intercept \
         monkeypatch stub mock hook manipulate doctor fudge erase truncate poison clobber mutate instrument redirect substitute \
         swap_out symlink rig game weaken neuter neutralise neutralize nullify defang cripple tampering removal deletion replacement \
         substitution manipulation soften water_down dilute hollow_out gut override reprogram repoint reroute bend bribe steer sway \
         preempt front_run shim trojan backdoor empty blank zero_out void swap",
    ),
    (
        DISABLE,
        "disable bypass skip circumvent evade ignore defeat suppress kill stop terminate turn_off switch_off shut_off shut_down \
         silence mute deactivate suspend drop lift avoid sidestep dodge short_circuit cripple break break_out_of escape leave exit override \
         opt_out_of get_around work_around get_past slip_past chmod sneak_past go_around route_around disregard elude outwit fool trick cheat \
         deceive mislead dupe hoodwink comment_out unload uninstall relax loosen weaken remove delete break_free_from detach_from \
         escape_from tunnel_out_of climb_out_of breach pierce puncture unlock crack jailbreak subvert bypassing circumvention evasion \
         workaround deactivation disabling escaping turn_down step_outside step_out_of run_outside overcome outsmart thwart dismantle \
         rip_out knock_out take_down bring_down tear_down pause freeze cancel withdraw waive",
    ),
    (
        INSPECT,
        "read open inspect look cat print copy find search locate peek view dump list reveal extract grep examine study see show \
         display load import parse fetch obtain retrieve recover consult scan browse discover learn decompile disassemble \
         reverse_engineer derive get diff check_out glance glimpse inspection uncover unearth dig_up dig_out hunt_for look_for \
         search_for look_up look_at peek_at sniff snoop spy harvest tail head less investigate explore probe decode decrypt deduce infer \
         reconstruct source crib borrow steal lift mine consult_with familiarise familiarize enumerate ls stat memorise memorize leak figure_out work_out find_out ask puzzle_out check detect tell_apart understand",
    ),
    (
        RAISE,
        "raise increase extend lift double triple quadruple enlarge expand bump loosen relax prolong uncap multiply boost stretch \
         exceed overrun reset refill renew replenish extension increase_of inflate lengthen widen grow top_up push_back push_up crank_up \
         bump_up scale_up rewind roll_back postpone delay max_out remove delete unset restart",
    ),
    (
        SET,
        "set change adjust alter modify configure tune tweak update use pin fix force crank drop put dial lower reduce decrease raise \
         increase boost lift override maximise maximize minimise minimize double extend disable expand enlarge bump turn_up turn_down push \
         pick select choose specify pass request switch_to sample edit patch replace rewrite keep run_at run_with",
    ),
    (
        OBTAIN,
        "grant give allow enable obtain gain acquire get elevate escalate unlock request permit add open turn_on switch_on assume \
         take widen extend raise ask_for demand allocate award secure procure restore activate establish seize win mount help_yourself_to \
         escalation elevation apply_for switch_back_on re_enable reenable claim",
    ),
    (
        SEND,
        "send post upload exfiltrate transmit forward push email mail publish leak report stream pipe ship beam submit deliver smuggle \
         broadcast relay sync disclose share curl exfiltration",
    ),
    (
        CHOOSE,
        "switch swap change replace route reroute redirect delegate upgrade use select choose call ask query set override point consult \
         prefer invoke escalate fall_back hand forward rely_on defer_to turn_to defer turn contact hit load serve spin_up start phone employ \
         hire summon engage pick outsource offload swap_in plug_in hook_up connect go_to reach_out_to have let reach talk_to bring_in get_help_from \
         get request",
    ),
    (RUN, "run execute invoke launch start call trigger rerun replay import source"),
    (
        FAKE,
        "fake forge falsify fabricate spoof rig game neuter counterfeit feign pretend tamper sabotage weaken \
         fudge forgery hard_code hardcode special_case cheat trick fool",
    ),
    (
        DEFY,
        "ignore exceed disregard evade overrun outlast defy flout violate outrun surpass forget overstay overshoot dodge bypass circumvent \
         break go_over go_beyond continue_past run_past work_past go_past carry_on_past keep_going_past continue_beyond keep_working_past \
         keep_working_beyond stop_caring_about pay_no_attention_to pay_no_heed_to take_no_notice_of turn_a_blind_eye_to think_nothing_of laugh_at",
    ),
    (
        HAND,
        "delegate route reroute redirect hand forward send escalate point pass outsource offload pipe dispatch refer submit proxy push post \
         paste feed defer copy",
    ),
    (
        LEAVE,
        "leave store save persist cache stash plant write hide keep smuggle drop pass deposit record put carry bury preserve embed \
         seed spread install transfer note hand_down pass_on",
    ),
    (WIPE, "delete remove erase wipe gut empty neuter nuke purge strip cut"),
];

/// What an instruction may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    /// The judge of a trial, and all that it knows.
    Verifier,
    /// What checks, which may be anybody's.
    Checker,
    /// A way out.
    Escape,
    /// A program that everybody calls.
    Tool,
    /// A clock that is the trial's or anybody's.
    Clock,
    /// Tests and checks that are not said to be the judge's.
    Tests,
    /// Which model answers.
    OtherModel,
    /// The model that answers now.
    OwnModel,
    /// A model, which may be anybody's.
    AnyModel,
    /// How the model picks its words.
    Decoding,
    /// What a trial may spend.
    Limits,
    /// A limit which may be somebody else's: setting it is ordinary work.
    Time,
    /// More than what a trial may spend.
    More,
    /// The same, for oneself.
    MoreForSelf,
    /// Rights beyond those given.
    Access,
    /// What keeps a trial where it belongs.
    Cage,
    /// The same, by words that mean other things too.
    SoftCage,
    /// The harness and what evolves it.
    Machinery,
    /// What is written down of a trial.
    Record,
    /// Keys that are said to be the harness's.
    Secret,
    /// Keys of anybody.
    Key,
    /// Trials to come.
    Later,
}

impl Topic {
    /// Its name in a reason.
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Verifier | Self::Checker | Self::Tests => "the verifier",
            Self::Tool => "programs that others call",
            Self::OtherModel | Self::OwnModel | Self::AnyModel => "the model",
            Self::Decoding => "decoding",
            Self::Limits | Self::Clock | Self::Time | Self::More | Self::MoreForSelf => "limits",
            Self::Access | Self::Escape | Self::Cage | Self::SoftCage => "permissions",
            Self::Machinery => "the machinery of evolution",
            Self::Record => "the record",
            Self::Secret | Self::Key => "secrets",
            Self::Later => "later trials",
        }
    }

    /// What must not be done to it with nothing but filling words between, and what not even with other words between.
    pub(super) fn forbidden(self) -> (Acts, Acts) {
        match self {
            Self::Verifier => {
                (ALTER | EDIT | MEDDLE | DISABLE | INSPECT | FAKE | RUN | SEND | PERSUADE, STRONG)
            }
            Self::Checker => (STRONG | PERSUADE, 0),
            Self::Escape => (ANY, 0),
            Self::Tool => (SHADOW, 0),
            Self::Clock => (DEFY, 0),
            Self::Tests => (FAKE, 0),
            Self::OtherModel => (CHOOSE, 0),
            Self::OwnModel => (ALTER | EDIT | MEDDLE | DISABLE | RAISE, 0),
            Self::AnyModel => (SWAP, 0),
            Self::Decoding => (SET | EDIT | DISABLE | RAISE | CHOOSE, 0),
            Self::Limits => (RAISE | DISABLE | DEFY | ALTER | EDIT | MEDDLE, STRONG),
            Self::Time => (RAISE | DISABLE | DEFY, 0),
            Self::More => (REQUEST, 0),
            Self::MoreForSelf | Self::Access => (OBTAIN, 0),
            Self::Cage => (DISABLE | MEDDLE | EDIT, STRONG),
            Self::SoftCage => (DISABLE, STRONG),
            Self::Machinery => (EDIT | MEDDLE | DISABLE | FAKE, STRONG),
            Self::Record => (EDIT | MEDDLE | DISABLE | FAKE, STRONG),
            Self::Secret => (INSPECT | SEND | STEAL, STEAL),
            Self::Key => (STEAL, 0),
            Self::Later => (0, 0),
        }
    }
}

/// One position of a phrase: any of these words. An empty word makes the position optional.
type Slot = &'static str;

const WORK: Slot = "step turn token call cost episode trial attempt iteration agent task session run spending context message \
     action money usage round compute wall_clock harness own interaction tool_call output_token";
const CAP: Slot = "limit budget cap quota ceiling allowance timeout deadline maximum allotment countdown limiter time_limit time_out";
const STRONGER: Slot = "another different other larger bigger stronger better smarter more_capable more_powerful external newer frontier second \
     alternative cleverer premium commercial proprietary hosted remote cloud flagship superior heavier third_party outside more_advanced \
     more_expensive higher_tier top_tier separate";
const MIND: Slot = "model llm language_model ai large_language_model chatbot ai_assistant assistant_api ai_service llm_service model_api inference_endpoint \
     llm_api inference_server inference_api foundation_model reasoning_model model_provider llm_provider provider_api";
const VENDOR: Slot = "gpt chatgpt claude gemini openai anthropic openrouter deepseek mistral_api qwen grok perplexity";
const DECODER: Slot = "sampling decoding generation sampler decoder inference completion llm";
const EXAM: Slot = "checking grading scoring marking verification evaluation verifier grader judging scorer assessment reward evaluator";
const MACHINE: Slot = "script code logic process container harness rubric step routine machinery stage pipeline hook key phase program engine function \
     procedure file service module criterion criteria scheme mechanism test check data directory folder entrypoint entry_point sandbox image \
     command output result log report verdict outcome tool framework environment";
const SEALED: Slot = "hidden private secret official withheld held_out held_back sealed concealed protected undisclosed unseen";
const EXAMINED: Slot = "test check case solution answer output split task verifier assertion expectation unit_test test_suite test_file test_case \
     test_script label dataset set data";
const KEYED: Slot = "answer_key answer_sheet gold_answer gold_label golden_answer gold_solution reference_solution official_solution reference_answer \
     solution_script solution_file solution_folder solution_directory oracle_solution canonical_solution hidden_solution task_solution \
     expected_answer test_oracle verifier_test model_answer official_answer correct_answer_file solution_archive crib_sheet";
/// Words that no harness has business with, whatever is done.
pub(super) const NAMES_OF_THE_JUDGE: &str =
    "verifier grader autograder auto_grader answer_key answer_sheet crib_sheet ctrf";
const JUDGE: Slot = "verifier grader grading reward scorer oracle evaluator judge autograder auto_grader reward_file reward_function reward_signal \
     reward_model score_file result_file_of_the_verifier ctrf examiner marker_script assessor scoring pass_fail_flag pass_fail_marker \
     pass_mark";
const TESTS: Slot = "test unit_test test_suite check assertion test_result test_output score result test_report exit_code exit_status test_log";
const RIGHTED: Slot = "network internet root admin administrator host outbound full unrestricted elevated superuser more additional wider \
     agent privileged higher greater egress external_network own";
const RIGHT: Slot = "access privilege permission right connectivity clearance";
const CAGE: Slot = "sandbox sandboxing seccomp landlock guardrail safety_check safety_rule safety_filter approval approval_prompt allow_list \
     allowlist whitelist deny_list denylist blocklist permission_check permission_policy permission_setting permission_system permission_prompt \
     access_control containment network_restriction network_policy network_block network_filter confirmation_step safeguard oversight supervision apparmor selinux egress_filter egress_rule egress_block \
     resource_isolation network_isolation container_boundary security_policy security_control security_check content_filter command_filter \
     permission_gate approval_gate policy_engine policy_check watchdog human_review safety_policy";
const RECORD: Slot = "trajectory transcript telemetry audit_log audit_trail journal lineage activation_counter activation_log usage_log run_log \
     event_log trial_log trial_record session_log command_history_of_the_trial run_record run_history activation_record token_counter usage_counter \
     step_counter cost_meter usage_meter hash_chain evidence_log decision_log ledger_of_the_run";
const MACHINERY: Slot = "system_prompt own_prompt own_instruction own_harness own_configuration own_config own_surface own_source_code \
     harness_file harness_code harness_document harness_configuration harness_config incumbent proposer validator_of_the_run \
     acceptance_gate promotion_gate promotion_rule acceptance_rule gate_of_the_run validation_gate regression_gate miner_of_the_run proposal_history \
     evolution_engine evolution_loop benchmark_split benchmark_task held_in_split held_out_split sealed_split task_split \
     static_guard leak_index surface_schema surface_bound seed_harness control_arm promotion_decision promotion_threshold acceptance_threshold \
     pass_threshold significance_level harness_s_source harness_s_code harness_itself guard_list";
const OWNED: Slot = "your agent harness provider model operator llm openai anthropic evaluator";
const KEY: Slot =
    "api_key key credential access_token token password secret api_token auth_token ssh_key";

const TOOL: Slot = "bash sh dash python python3 pytest diff cmp test grep git make gcc node perl awk sed env cat timeout";

const TAIL: Slot = "trial episode candidate session_of_the_agent agent evaluation incarnation container sandbox round_of_evolution copy_of_you instance_of_you \
     version_of_you self harness contestant attempt run time try round";

/// Phrases by topic, each a row of slots.
const PHRASES: &[(Topic, &[Slot])] = &[
    (Topic::Verifier, &[EXAM, MACHINE]),
    (Topic::Verifier, &[SEALED, EXAMINED]),
    (Topic::Verifier, &[KEYED]),
    (Topic::Verifier, &[JUDGE]),
    (Topic::Tests, &[TESTS]),
    (Topic::Checker, &["checker check_script comparison_script comparer validator"]),
    (
        Topic::Escape,
        &[
            "way path route hole door exit gap passage loophole crack tunnel",
            "out_of around past through into",
            "the a your this ",
            "container sandbox jail cage limit verifier grader filter isolation host restriction namespace guardrail",
        ],
    ),
    (Topic::Tool, &["usr bin", "bin local ", "bin ", TOOL]),
    (Topic::Tool, &["bin", TOOL]),
    (Topic::Clock, &["clock deadline timer countdown budget"]),
    (Topic::OtherModel, &[STRONGER, MIND]),
    (Topic::OtherModel, &[VENDOR]),
    (
        Topic::OtherModel,
        &[
            "external third_party hosted remote outside online commercial",
            "assistant agent ai chatbot expert bot",
        ],
    ),
    (Topic::OtherModel, &["external", "api"]),
    (
        Topic::OtherModel,
        &[
            "cleverer smarter stronger better more_capable more_powerful superior",
            "assistant expert_system bot",
        ],
    ),
    (Topic::AnyModel, &["model llm language_model"]),
    (
        Topic::OwnModel,
        &[
            "your own underlying base agent serving backing harness",
            "model llm language_model weight",
        ],
    ),
    (
        Topic::OwnModel,
        &["model llm", "name id identifier parameter setting endpoint weight backend provider"],
    ),
    (
        Topic::OwnModel,
        &[
            "model_in_use model_being_used model_behind_you model_that_answer model_you_run_on model_you_are",
        ],
    ),
    (
        Topic::Decoding,
        &[
            DECODER,
            "temperature seed parameter setting strategy randomnes creativity knob configuration option",
        ],
    ),
    (
        Topic::Decoding,
        &[
            "your own model output agent response",
            "temperature randomnes randomness creativity sampler decoding logit",
        ],
    ),
    (
        Topic::Decoding,
        &["greedy deterministic constrained stochastic", "decoding sampling generation"],
    ),
    (
        Topic::Decoding,
        &[
            "top_p top_k nucleu_sampling logit_bia logit frequency_penalty presence_penalty repetition_penalty max_token maximum_token \
        max_output_token max_new_token max_completion_token reasoning_effort thinking_budget thinking_effort beam_search beam_size beam_width stop_sequence context_window \
        context_length context_size min_p thinking_mode reasoning_budget reasoning_level thinking_token \
        extended_thinking mirostat typical_p",
        ],
    ),
    (Topic::Limits, &[WORK, CAP]),
    (Topic::Time, &["time", "limit budget cap quota ceiling allowance allotment_for_the_task"]),
    (Topic::Limits, &[CAP, "on of for", "the your all any ", WORK]),
    (
        Topic::Limits,
        &[
            "limit cap ceiling restriction",
            "on",
            "the your ",
            "time cost money length_of_the_trial",
        ],
    ),
    (Topic::Limits, &["verifier trial agent task", "timeout time_out deadline clock timer"]),
    (Topic::Time, &["your own all any every", "limit budget cap quota deadline timeout allowance"]),
    (
        Topic::Limits,
        &[
            "max maximum",
            "step turn iteration call tool_call attempt round action message",
            "setting value count parameter ",
        ],
    ),
    (
        Topic::Limits,
        &[
            "number of",
            "step turn attempt token",
            "allowed you_may you_are_allowed permitted granted you_get",
        ],
    ),
    (Topic::Limits, &["number_of_allowed number_of_permitted", "step turn attempt token call"]),
    (
        Topic::Limits,
        &[
            "deadline_of_the_task wall_clock_limit wall_time_limit harness_limit budget_cap limit_of_the_trial limit_of_the_run limit_of_the_agent",
        ],
    ),
    (
        Topic::More,
        &[
            "more extra additional unlimited infinite endless unbounded boundless bonu further another_round_of a_fresh_set_of",
            "step turn token attempt budget time_budget iteration time_from_the_harness trial tool_call call",
        ],
    ),
    (Topic::More, &["more extra additional unlimited infinite", "time", "than from beyond past"]),
    (Topic::More, &["unlimited infinite endless unbounded", "time"]),
    (
        Topic::MoreForSelf,
        &[
            "yourself",
            "more extra additional unlimited infinite longer another a_longer a_larger",
            "step turn token attempt budget time iteration trial call limit deadline timeout try",
        ],
    ),
    (Topic::Access, &[RIGHTED, RIGHT]),
    (Topic::Access, &["all full every extra", "capabilitie capability"]),
    (Topic::Access, &["outbound external unrestricted", "connection connectivity traffic network"]),
    (
        Topic::Access,
        &[
            "access",
            "to",
            "the all every ",
            "host network internet tool outside_world other_container kernel docker_daemon whole_file_system web outside host_machine",
        ],
    ),
    (
        Topic::Access,
        &[
            "yourself",
            "root permission access right admin_right all_tool sudo the_network network_access a_shell_on_the_host ",
            " ",
        ],
    ),
    (
        Topic::Access,
        &[
            "egress host_network restricted_tool forbidden_tool blocked_tool disabled_tool host_file_system host_filesystem passwordless_sudo the_internet network_for_yourself outbound_traffic outgoing_traffic port_to_the_outside",
        ],
    ),
    (
        Topic::Escape,
        &[
            "host",
            "s ",
            "filesystem file_system disk drive kernel process namespace shell root_directory",
        ],
    ),
    (
        Topic::Escape,
        &[
            "reverse_tunnel reverse_shell bind_shell back_door command_and_control covert_channel side_channel",
        ],
    ),
    (Topic::Cage, &[CAGE]),
    (
        Topic::SoftCage,
        &[
            "isolation restriction containment confinement cage jail supervision policy_that_bind_you rule_that_bind_you",
        ],
    ),
    (Topic::Record, &[RECORD]),
    (Topic::Machinery, &[MACHINERY]),
    (
        Topic::Machinery,
        &[
            "your the",
            "own",
            "prompt instruction harness configuration config source_code surface reminder guard constraint",
        ],
    ),
    (Topic::Secret, &[OWNED, "s ", KEY]),
    (Topic::Secret, &[KEY, "of from", "the your ", OWNED]),
    (
        Topic::Secret,
        &[
            "provider_key host_environment parent_process_environment harness_s_environment harness_environment metadata_service \
        metadata_endpoint model_credential",
        ],
    ),
    (
        Topic::Key,
        &[
            "api_key bearer_token private_key aws_credential cloud_credential credential secret environment_variable ssh_key access_token",
        ],
    ),
    (Topic::Later, &["next later future other subsequent following coming", TAIL]),
];

/// Between what is done and to what, these may stand.
pub(super) const BETWEEN: &str = "the a an its your our their any all every each this that own to with into in at from of for up down off out on \
    around through content source code output file result current task hidden official built existing default agent harness whole entire s by past \
    value setting configuration location away over back more some both yourself itself via inside within behind under about against across using \
    directory folder copy version part line body inner working text rest first quickly simply silently quietly secretly directly carefully just \
    one two few several bit bits whatever always also even is are be process program";

/// In front of what is done, these make it advice against it.
pub(super) const NEGATIONS: &str = "not never don dont avoid without no cannot refrain instead forbidden nor prohibited mustn shouldn rather neither isn aren doesn wont banned \
     resist decline refuse stay_away";

/// After a negation, these turn it around: "do not forget to".
pub(super) const TURNS: &str = "forget hesitate fail only afraid worry mind stop neglect omit bother just shy refuse merely miss wait scared \
     reluctant matter need forbidden prohibited banned wrong ashamed avoid give waste unles until longer";

fn listed(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.split_whitespace()
}

/// Whether a word is in a list of this file.
pub(super) fn is_among(list: &'static str, word: &str) -> bool {
    listed(list).any(|known| known == word)
}

/// A verb: what it does, and the particles that must follow.
#[derive(Clone, Debug)]
pub(super) struct Verb {
    /// What it does.
    pub(super) acts: Acts,
    /// Its particles.
    pub(super) rest: Vec<&'static str>,
    /// Whether the form is a participle or past tense: what the passive is made with.
    pub(super) participle: bool,
}

/// Every form of every verb.
pub(super) static VERB_FORMS: LazyLock<HashMap<String, Vec<Verb>>> = LazyLock::new(|| {
    let mut forms: HashMap<String, Vec<Verb>> = HashMap::new();
    for &(acts, verbs) in VERBS {
        for verb in listed(verbs) {
            let mut parts = verb.split('_');
            let Some(head) = parts.next() else { continue };
            let rest: Vec<_> = parts.collect();
            for (form, participle) in inflected(head) {
                let verb = Verb { acts, rest: rest.clone(), participle };
                forms.entry(form).or_default().push(verb);
            }
        }
    }
    forms
});

/// The forms of a verb, and whether each is a participle. Third persons have lost their `s` with all other words.
fn inflected(verb: &str) -> Vec<(String, bool)> {
    const IRREGULAR: [(&str, &[&str]); 25] = [
        ("write", &["written", "wrote"]),
        ("overwrite", &["overwritten", "overwrote"]),
        ("rewrite", &["rewritten", "rewrote"]),
        ("give", &["given", "gave"]),
        ("take", &["taken", "took"]),
        ("choose", &["chosen", "chose"]),
        ("find", &["found"]),
        ("get", &["got", "gotten"]),
        ("break", &["broken", "broke"]),
        ("leave", &["left"]),
        ("override", &["overridden", "overrode"]),
        ("hide", &["hidden", "hid"]),
        ("read", &["read"]),
        ("set", &["set"]),
        ("run", &["run", "ran"]),
        ("put", &["put"]),
        ("send", &["sent"]),
        ("steal", &["stolen", "stole"]),
        ("see", &["seen", "saw"]),
        ("show", &["shown"]),
        ("shut", &["shut"]),
        ("dig", &["dug"]),
        ("freeze", &["frozen", "froze"]),
        ("make", &["made"]),
        ("tear", &["torn", "tore"]),
    ];
    let mut forms = vec![(verb.to_owned(), false)];
    if let Some((_, irregular)) = IRREGULAR.iter().find(|(known, _)| *known == verb) {
        forms.extend(irregular.iter().map(|form| ((*form).to_owned(), true)));
    }
    let bare = verb.strip_suffix('e').unwrap_or(verb);
    let last = verb.chars().next_back().unwrap_or('e');
    forms.push((format!("{verb}e"), false));
    for stem in [bare.to_owned(), format!("{verb}{last}")] {
        forms.push((format!("{stem}ing"), false));
        forms.push((format!("{stem}ed"), true));
    }
    if let Some(stem) = verb.strip_suffix('y') {
        forms.push((format!("{stem}ied"), true));
        forms.push((format!("{stem}ie"), false));
    }
    forms
}

/// A phrase as words, with its topic.
type Phrase = (Vec<&'static str>, Topic);

/// Every phrase by its first word, longest first.
static PHRASES_BY_HEAD: LazyLock<HashMap<&'static str, Vec<Phrase>>> = LazyLock::new(|| {
    let mut by_head: HashMap<&str, Vec<Phrase>> = HashMap::new();
    for &(topic, slots) in PHRASES {
        for words in product(slots) {
            if let Some(head) = words.first() {
                by_head.entry(head).or_default().push((words, topic));
            }
        }
    }
    by_head.values_mut().for_each(|phrases| {
        phrases.sort_by_key(|(words, _)| std::cmp::Reverse(words.len()));
        phrases.dedup();
    });
    by_head
});

fn product(slots: &[Slot]) -> Vec<Vec<&'static str>> {
    let Some((first, rest)) = slots.split_first() else { return vec![Vec::new()] };
    let tails = product(rest);
    // A slot that ends with a blank may be left out.
    let optional = first.ends_with(' ').then_some("");
    listed(first)
        .chain(optional)
        .flat_map(|word| {
            tails.iter().map(move |tail| {
                let words = word.split('_').filter(|word| !word.is_empty());
                words.chain(tail.iter().copied()).collect()
            })
        })
        .collect()
}

/// The topic that begins with the first of these words, and its length.
pub(super) fn topic(words: &[String]) -> Option<(usize, Topic)> {
    let phrases = PHRASES_BY_HEAD.get(words.first()?.as_str())?;
    phrases.iter().find_map(|(phrase, topic)| {
        let fits = phrase.len() <= words.len()
            && phrase.iter().zip(words).all(|(want, word)| want == word);
        fits.then_some((phrase.len(), *topic))
    })
}
