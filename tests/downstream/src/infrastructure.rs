//! A sandbox that is a desk with papers, a model that is a parrot, a verifier that is a proofreader, a journal that is
//! lines of text.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use harness_core::{
    Captured, Command, Completion, Environment, Error, ErrorKind, ExecOutput, Exit, File,
    Fingerprint, Isolation, IsolationLevel, Journal, LlmBackend, ModelId, Outcome, Record, Request,
    Result, Role, Sandbox, SandboxPath, Session, Task, Usage, Verifier,
};

/// Sessions that are sheets of paper in memory.
#[derive(Debug)]
pub struct Desk(Isolation);

impl Default for Desk {
    fn default() -> Self {
        Self(Isolation {
            backend: "desk".into(),
            level: IsolationLevel::Full,
            residual: vec!["there are no processes to confine".into()],
        })
    }
}

#[async_trait]
impl Sandbox for Desk {
    fn isolation(&self) -> &Isolation {
        &self.0
    }

    async fn open(&self, _environment: &Environment) -> Result<Box<dyn Session>> {
        Ok(Box::new(Papers::default()))
    }
}

#[derive(Debug, Default)]
struct Papers(Mutex<BTreeMap<SandboxPath, Vec<u8>>>);

#[async_trait]
impl Session for Papers {
    fn locate(&self, path: &SandboxPath) -> String {
        path.to_string()
    }

    async fn exec(&self, command: &Command) -> Result<ExecOutput> {
        // A desk runs no programs: every command is one that is not found.
        let stderr = Captured::whole(format!("{}: not found", command.argv.join(" ")));
        let stdout = Captured::default();
        Ok(ExecOutput { exit: Exit::Code(127), stdout, stderr, elapsed: Duration::ZERO })
    }

    async fn read(&self, path: &SandboxPath) -> Result<Vec<u8>> {
        let papers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        papers
            .get(path)
            .cloned()
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no paper '{path}'")))
    }

    async fn write(&self, path: &SandboxPath, file: File<'_>) -> Result<()> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path.clone(), file.bytes.to_vec());
        Ok(())
    }

    async fn stamp(&self) -> Result<Fingerprint> {
        Fingerprint::of(&format!("{:?}", self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// A model that repeats the sentence, translating the words it was told.
#[derive(Debug)]
pub struct Parrot(ModelId);

impl Default for Parrot {
    fn default() -> Self {
        Self(ModelId::new(ModelId::SIMULATED, "parrot"))
    }
}

#[async_trait]
impl LlmBackend for Parrot {
    fn model(&self) -> &ModelId {
        &self.0
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        let said = |role| request.messages.iter().find(|message| message.role == role);
        let known = said(Role::System).map(|message| message.content.clone()).unwrap_or_default();
        let words: HashMap<&str, &str> =
            known.split(',').filter_map(|pair| pair.split_once('=')).collect();
        let sentence = said(Role::User).map(|message| message.content.clone()).unwrap_or_default();
        let translated: Vec<&str> = sentence
            .split_whitespace()
            .map(|word| words.get(word).copied().unwrap_or("?"))
            .collect();
        let usage = Usage { prompt_tokens: 10, completion_tokens: 5, ..Usage::default() };
        Ok(Completion::text(translated.join(" ")).with_usage(usage))
    }
}

/// Knows the right answer of every task.
#[derive(Debug)]
pub struct Proofreader(pub BTreeMap<String, String>);

#[async_trait]
impl Verifier for Proofreader {
    fn fingerprint(&self, task: &Task) -> Result<Fingerprint> {
        Fingerprint::of(&self.0.get(task.name.as_str()))
    }

    async fn verify(&self, task: &Task, session: &dyn Session) -> Result<Outcome> {
        let answer = session.read(&SandboxPath::new("answer.txt")?).await?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let right = self.0.get(task.name.as_str()).is_some_and(|wanted| *wanted == answer);
        let evidence = if right { Vec::new() } else { vec![format!("FAIL wording: {answer}")] };
        Ok(Outcome::Scored { reward: f64::from(u8::from(right)), evidence })
    }
}

/// One JSON text a record, in memory: it proves that records survive a round trip through text.
#[derive(Debug, Default)]
pub struct LineJournal(pub Mutex<Vec<String>>);

#[async_trait]
impl Journal for LineJournal {
    async fn append(&self, record: &Record) -> Result<()> {
        let line = serde_json::to_string(record).map_err(|source| {
            Error::new(ErrorKind::Journal, "a record has no text").with_source(source)
        })?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        Ok(())
    }

    async fn scan(&self) -> Result<BoxStream<'static, Result<Record>>> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let records = lines.into_iter().map(|line| {
            serde_json::from_str(&line).map_err(|source| {
                Error::new(ErrorKind::Journal, "a line is damaged").with_source(source)
            })
        });
        Ok(stream::iter(records.collect::<Vec<_>>()).boxed())
    }
}
