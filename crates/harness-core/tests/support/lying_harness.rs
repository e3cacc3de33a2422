//! A harness of three texts that is truthful, or breaks one law.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use harness_core::testing::laws::{HarnessSeat, ProposerSeat, RunSeat};
use harness_core::testing::{InMemorySandbox, ScriptedLlm, ScriptedProposer};
use harness_core::{
    Error, ErrorKind, Finish, Harness, LlmBackend, Message, Request, Result, RunContext, Step,
    StepSource, Surface, SurfaceId, Task,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The harness.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LyingHarness {
    text: String,
    note: String,
    memo: String,
    hidden: String,
    /// Lost when it is read back: truthful as long as it is 0.
    #[serde(deserialize_with = "forgotten")]
    lost: u64,
    #[serde(skip)]
    lie: String,
    #[serde(skip)]
    applied: Arc<AtomicU64>,
    #[serde(skip)]
    smuggled: Option<ScriptedLlm>,
}

fn forgotten<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<u64, D::Error> {
    u64::deserialize(deserializer).map(|_| 0)
}

fn trimmed<S: Serializer>(value: &str, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(value.trim())
}

/// Sets one of the texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SetText {
    surface: String,
    /// Loses its margins when it is stored: truthful as long as it has none.
    #[serde(serialize_with = "trimmed")]
    #[schemars(length(max = 20))]
    value: String,
}

fn set(surface: &str, value: &str) -> SetText {
    SetText { surface: surface.to_owned(), value: value.to_owned() }
}

impl LyingHarness {
    fn lies(&self, law: &str) -> bool {
        self.lie == law
    }
}

impl Harness for LyingHarness {
    type Edit = SetText;

    fn surfaces(&self) -> Vec<Surface> {
        let kind = if self.lies("values_fit_their_schemas") { "number" } else { "string" };
        let surface = |id: &str, value: &str| Surface {
            id: SurfaceId::new(id),
            description: "A text.".to_owned(),
            schema: serde_json::json!({"type": kind, "maxLength": 20}),
            value: serde_json::json!(value),
        };
        let mut surfaces = vec![
            surface("/text", &self.text),
            surface("/note", &self.note),
            surface("/memo", &self.memo),
        ];
        if self.lies("surfaces_have_names_of_their_own") {
            surfaces.push(surface("/text", "again"));
        }
        if self.lies("frozen_parts_are_no_surfaces") {
            surfaces.push(surface("/temperature", "hot"));
        }
        if self.lies("apply_leaves_self_unchanged") {
            surfaces.push(surface("/count", &self.applied.load(Ordering::SeqCst).to_string()));
        }
        surfaces
    }

    fn surface_of(edit: &SetText) -> SurfaceId {
        SurfaceId::new(&edit.surface)
    }

    fn apply(&self, edit: &SetText) -> Result<Self> {
        let count = self.applied.fetch_add(1, Ordering::SeqCst);
        let mut next = self.clone();
        let refuse = |why: &str| Err(Error::new(ErrorKind::InvalidEdit, format!("{edit:?} {why}")));
        if edit.value.len() > 20 && !self.lies("edits_fit_their_schema") {
            return refuse("is too long");
        }
        match edit.surface.as_str() {
            "/text" => next.text.clone_from(&edit.value),
            "/note" => next.note.clone_from(&edit.value),
            "/memo" => next.memo.clone_from(&edit.value),
            "/hidden" if self.lies("changes_show_in_surfaces") => {
                next.hidden.clone_from(&edit.value);
            }
            "/*" if self.lies("edits_are_minimal") => {
                for text in [&mut next.text, &mut next.note, &mut next.memo] {
                    text.clone_from(&edit.value);
                }
            }
            _ if self.lies("foreign_edits_are_refused") => {}
            _ => return refuse("names no surface"),
        }
        if self.lies("same_edit_same_harness") {
            next.text.push_str(&count.to_string());
        }
        Ok(next)
    }

    async fn run(&self, _task: &Task, cx: &RunContext<'_>) -> Result<Finish> {
        let mut bomb = Bomb(self.lies("run_may_be_dropped_anywhere"));
        let mut late = Vec::new();
        for _ in 0..3 {
            if let Some(model) = &self.smuggled {
                model.complete(Request::default()).await?;
            }
            let messages = vec![Message::user("go on")];
            let asked = cx.complete(Request { messages, ..Request::default() }).await;
            let said = match asked {
                Err(_) if self.lies("limit_is_let_through") => {
                    bomb.0 = false;
                    return Err(Error::new(ErrorKind::Sandbox, "something went wrong"));
                }
                said => said?.message.content,
            };
            if said != "ok" && self.lies("failing_is_no_error") {
                return Err(Error::new(ErrorKind::ModelUnavailable, "what a useless answer"));
            }
            match self.lies("run_records_as_it_goes") {
                true => late.push(step(said)),
                false => drop(cx.record(step(said))),
            }
        }
        for step in late {
            cx.record(step);
        }
        bomb.0 = false;
        Ok(Finish::Done)
    }
}

/// Goes off when it is dropped before it was defused.
struct Bomb(bool);

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.0, "dropped in the middle of a run");
    }
}

fn step(message: String) -> Step {
    Step::said(StepSource::Agent, message)
}

/// The harness with edits to try, breaking this law.
pub(crate) fn seat(lie: &str) -> HarnessSeat<LyingHarness> {
    let model = ScriptedLlm::always("ok");
    let mut harness = LyingHarness { lie: lie.to_owned(), ..LyingHarness::default() };
    let mut edits = vec![set("/text", "new"), set("/note", "other")];
    let mut seat_inverse: harness_core::testing::laws::Inverse<LyingHarness> = |harness, edit| {
        Ok(set(&edit.surface, if edit.surface == "/text" { &harness.text } else { &harness.note }))
    };
    match lie {
        "changes_show_in_surfaces" => edits.push(set("/hidden", "x")),
        "reading_back_keeps_the_fingerprint" => harness.lost = 1,
        "edits_survive_storage" => edits.push(set("/text", "margin ")),
        "edits_fit_their_schema" => edits.push(set("/text", "much longer than twenty")),
        "run_asks_only_through_the_context" => harness.smuggled = Some(model.clone()),
        "inverse_restores" => seat_inverse = |_, edit| Ok(edit.clone()),
        _ => {}
    }
    HarnessSeat {
        harness,
        edits,
        foreign: vec![set("/hidden", "x"), set("/nowhere", "x")],
        inverse: Some(seat_inverse),
        run: Some(RunSeat {
            task: Task::new("t", "do it"),
            sandbox: Box::new(InMemorySandbox::default()),
            model,
        }),
    }
}

/// A proposer whose edits touch everything at once.
pub(crate) fn sweeping_proposer() -> ProposerSeat<LyingHarness> {
    let harness = LyingHarness { lie: "edits_are_minimal".to_owned(), ..LyingHarness::default() };
    let proposer = ScriptedProposer::<LyingHarness>::cycling(vec![set("/*", "all")]);
    ProposerSeat::new(proposer, ScriptedLlm::always(""), harness).unwrap()
}
