//! A run can be followed in any tracing back end: run, round, trial, step and call nest, and what concerns a model has the field
//! names of OpenTelemetry's conventions for generative AI.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use harness_core::testing::{
    ScriptedLlm, ScriptedMiner, ScriptedProposer, ScriptedSandbox, ScriptedVerifier,
};
use harness_core::{
    Arguments, Benchmark, Completion, Engine, EngineConfig, MinimalHarness, SandboxPath, Task,
    ToolCall, Usage,
};
use harness_validator::RegressionValidator;
use tracing::span::{Attributes, Id};
use tracing::{Subscriber, instrument::WithSubscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Every span by its name.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, Kind>>>);

/// Where spans of one name were seen, outermost first, and the fields that they declare.
#[derive(Debug, Default)]
struct Kind {
    paths: BTreeSet<String>,
    fields: BTreeSet<String>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Seen {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let path: Vec<&str> = span.scope().from_root().map(|outer| outer.name()).collect();
        let mut seen = self.0.lock().unwrap();
        let kind = seen.entry(span.name().to_owned()).or_default();
        kind.paths.insert(path.join(" > "));
        kind.fields.extend(attributes.fields().iter().map(|field| field.name().to_owned()));
    }
}

#[tokio::test]
async fn spans_nest_as_the_loop_does() {
    let seen = Seen::default();
    let subscriber = tracing_subscriber::registry().with(seen.clone());
    run().with_subscriber(subscriber).await;

    let seen = seen.0.lock().unwrap();
    let paths = |name: &str| seen[name].paths.iter().cloned().collect::<Vec<_>>();
    assert_eq!(paths("round"), ["run > round"]);
    assert!(paths("trial").contains(&"run > round > trial".to_owned()));
    assert!(
        paths("trial").contains(&"run > trial".to_owned()),
        "the claim's trials are in no round"
    );
    assert!(
        paths("call").contains(&"run > round > trial > step > call".to_owned()),
        "{:?}",
        paths("call")
    );
    assert!(paths("tool").contains(&"run > round > trial > step > tool".to_owned()));
    for field in ["gen_ai.operation.name", "gen_ai.request.model", "gen_ai.usage.input_tokens"] {
        assert!(seen["call"].fields.contains(field), "{field} in {:?}", seen["call"].fields);
    }
}

async fn run() {
    let model = ScriptedLlm::new(|_| {
        let arguments = Arguments::parse(r#"{"summary": "done"}"#);
        let call = ToolCall { id: "1".into(), name: "finish".into(), arguments };
        Ok(Completion::calls("", vec![call]).with_usage(Usage::default()))
    });
    let task = |name: &str| Arc::new(Task::new(name, "Do it."));
    let mut engine = Engine::builder(MinimalHarness::default())
        .model(model)
        .sandbox(ScriptedSandbox::new(|_, _| Ok(ScriptedSandbox::output(0, ""))))
        .verifier(ScriptedVerifier::expecting(SandboxPath::new("answer").unwrap(), "42"))
        .benchmark(Benchmark::new(vec![task("a")], vec![task("b")], vec![task("c")]).unwrap())
        .miner(ScriptedMiner::by_evidence())
        .proposer(ScriptedProposer::cycling(Vec::new()))
        .validator(RegressionValidator::default())
        .config(EngineConfig { rounds: 1, ..EngineConfig::default() })
        .build()
        .await
        .unwrap();
    engine.run().await.unwrap();
}
