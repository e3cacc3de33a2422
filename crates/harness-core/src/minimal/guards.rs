//! The controls: they look at what the model asks for and at what it brought, and step in. Every one counts how often it
//! did, under the name of its surface.

use std::collections::{BTreeMap, BTreeSet};

use super::shell::quoted;
use super::surfaces::{Controls, GuardMode, Reminder, ReminderTrigger, SubAgent};
use super::tools::{Action, Effect};
use crate::context::RunContext;
use crate::error::Result;
use crate::sandbox::Command;
use crate::task::Task;
use crate::trajectory::ObservationStatus;

/// Whether an action may go on.
#[derive(Debug, PartialEq)]
pub(super) enum Interception {
    Allow,
    /// Runs, with a message beside its result.
    Warn(String),
    /// Is answered by the message instead of being run.
    Deny(String),
}

/// Whether a finish is let through.
#[derive(Debug, PartialEq)]
pub(super) enum FinishGuard {
    Accept,
    Refuse(String),
}

/// What the controls remember of one conversation.
pub(super) struct Guards<'a> {
    controls: &'a Controls,
    cx: &'a RunContext<'a>,
    calls: u32,
    unchanged: u32,
    redirected_last: bool,
    repaired_in_a_row: u32,
    /// Calls that failed since the workspace last changed.
    failed: Vec<Action>,
    checked: bool,
    refusals: BTreeMap<&'static str, u32>,
    reminded: BTreeSet<usize>,
    sub_agent_calls: BTreeMap<String, u32>,
}

impl<'a> Guards<'a> {
    pub(super) fn new(controls: &'a Controls, cx: &'a RunContext<'a>) -> Self {
        Self {
            controls,
            cx,
            calls: 0,
            unchanged: 0,
            redirected_last: false,
            repaired_in_a_row: 0,
            failed: Vec::new(),
            checked: false,
            refusals: BTreeMap::new(),
            reminded: BTreeSet::new(),
            sub_agent_calls: BTreeMap::new(),
        }
    }

    /// Before a call that is not a finish.
    pub(super) fn before(&mut self, action: &Action) -> Interception {
        self.calls += 1;
        if let Some(message) = self.over_budget(action).or_else(|| self.unchanged_too_long(action))
        {
            return Interception::Deny(message);
        }
        self.identical(action)
    }

    fn over_budget(&mut self, action: &Action) -> Option<String> {
        let budget = self.controls.tool_call_budget.as_ref()?;
        // Every other call goes through, so that a model that wants to act after the redirect can.
        let redirect = self.calls > budget.max_calls && !action.writes() && !self.redirected_last;
        self.redirected_last = redirect;
        redirect.then(|| {
            self.cx.fired("/controls/tool_call_budget");
            budget.redirect.clone()
        })
    }

    fn unchanged_too_long(&mut self, action: &Action) -> Option<String> {
        let cap = self.controls.unchanged_cap.as_ref()?;
        if self.unchanged < cap.max_calls || action.writes() {
            return None;
        }
        self.unchanged = 0;
        self.cx.fired("/controls/unchanged_cap");
        Some(cap.message.clone())
    }

    fn identical(&self, action: &Action) -> Interception {
        let Some(guard) = &self.controls.identical_call_guard else { return Interception::Allow };
        if !self.failed.contains(action) {
            return Interception::Allow;
        }
        self.cx.fired("/controls/identical_call_guard");
        match guard.mode {
            GuardMode::Deny => Interception::Deny(guard.message.clone()),
            GuardMode::Warn => Interception::Warn(guard.message.clone()),
        }
    }

    /// After a call that was run.
    pub(super) fn after(&mut self, action: &Action, effect: &Effect) {
        if effect.changed == Some(true) {
            self.unchanged = 0;
            self.failed.clear();
            self.checked = false;
        } else {
            self.unchanged += 1;
            // The last check counts: one that fails takes back what an earlier one showed.
            if self.is_check(action) {
                self.checked = effect.status == ObservationStatus::Ok;
            }
        }
        if effect.status == ObservationStatus::Error && !self.failed.contains(action) {
            self.failed.push(action.clone());
        }
    }

    /// A shell command that holds the text that the control asks for.
    fn is_check(&self, action: &Action) -> bool {
        let wanted = self.controls.check_before_finish.as_ref().map_or("", |check| &check.command);
        matches!(action, Action::Shell { command, .. } if command.contains(wanted))
    }

    /// Before a finish.
    pub(super) async fn before_finish(&mut self, task: &Task) -> Result<FinishGuard> {
        if let Some(guard) = &self.controls.artifact_guard {
            let missing = missing_outputs(task, self.cx).await?;
            if !missing.is_empty()
                && self.may_refuse("/controls/artifact_guard", guard.max_refusals)
            {
                let message =
                    format!("{}\nMissing or empty: {}", guard.message, missing.join(", "));
                return Ok(FinishGuard::Refuse(message));
            }
        }
        if let Some(check) = &self.controls.check_before_finish
            && !self.checked
            && self.may_refuse("/controls/check_before_finish", check.max_refusals)
        {
            return Ok(FinishGuard::Refuse(check.message.clone()));
        }
        Ok(FinishGuard::Accept)
    }

    fn may_refuse(&mut self, control: &'static str, most: u32) -> bool {
        let refusals = self.refusals.entry(control).or_default();
        if *refusals >= most {
            return false;
        }
        *refusals += 1;
        self.cx.fired(control);
        true
    }

    /// Whether another malformed call may be repaired.
    pub(super) fn may_repair(&self) -> bool {
        self.controls
            .repair_tool_calls
            .is_some_and(|repair| self.repaired_in_a_row < repair.max_in_a_row)
    }

    pub(super) fn note_repair(&mut self) {
        self.repaired_in_a_row += 1;
        self.cx.fired("/controls/repair_tool_calls");
    }

    pub(super) fn note_valid(&mut self) {
        self.repaired_in_a_row = 0;
    }

    /// Counts a call of a sub-agent, unless its policy is used up.
    pub(super) fn admit_sub_agent(&mut self, sub_agent: &SubAgent) -> bool {
        let calls = self.sub_agent_calls.entry(sub_agent.name.clone()).or_default();
        if *calls >= sub_agent.call_policy.max_calls {
            return false;
        }
        *calls += 1;
        self.cx.fired("/sub_agents");
        true
    }

    /// Reminders that are due after so many calls.
    pub(super) fn due_reminders(&mut self) -> Vec<String> {
        let calls = self.calls;
        self.pick(|reminder, _| matches!(reminder.when, ReminderTrigger::EveryCalls(n) if calls > 0 && calls.is_multiple_of(n)))
    }

    /// Reminders that are due because the end is near; each once.
    pub(super) fn deadline_reminders(&mut self) -> Vec<String> {
        let left = percent_left(self.cx);
        let reminded = self.reminded.clone();
        let near = |reminder: &Reminder, index: usize| {
            matches!(reminder.when, ReminderTrigger::NearDeadline(percent) if left < f64::from(percent))
                && !reminded.contains(&index)
        };
        let due: Vec<usize> = self
            .controls
            .reminders
            .iter()
            .enumerate()
            .filter(|(i, r)| near(r, *i))
            .map(|(i, _)| i)
            .collect();
        self.reminded.extend(due);
        self.pick(near)
    }

    fn pick(&self, due: impl Fn(&Reminder, usize) -> bool) -> Vec<String> {
        let reminders = self.controls.reminders.iter().enumerate();
        let due = reminders.filter(|(index, reminder)| due(reminder, *index));
        due.map(|(_, reminder)| {
            self.cx.fired("/controls/reminders");
            reminder.text.clone()
        })
        .collect()
    }
}

/// What is left of the steps or of the time, whichever is less, in percent.
fn percent_left(cx: &RunContext<'_>) -> f64 {
    let limits = cx.limits();
    let steps = f64::from(cx.steps_left()) / f64::from(limits.steps.max(1));
    let time = cx.remaining().as_secs_f64() / limits.time.as_secs_f64().max(f64::MIN_POSITIVE);
    steps.min(time) * 100.0
}

/// Outputs that the task declares and the workspace lacks, as the task names them.
async fn missing_outputs(task: &Task, cx: &RunContext<'_>) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for output in &task.outputs {
        let place = quoted(&cx.session().locate(output));
        let test = Command::shell(format!("[ -s {place} ]"));
        if !cx.session().exec(&test).await?.exit.is_success() {
            missing.push(output.relative_to(&task.environment.workdir).to_owned());
        }
    }
    Ok(missing)
}
