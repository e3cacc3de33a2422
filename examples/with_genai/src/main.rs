//! Asks one question: `cargo run -p with-genai -- http://127.0.0.1:8080/v1 some-model "Say hello."`

use harness_core::{Error, ErrorKind, LlmBackend, Message, Request, Result};
use harness_llm::{Breaker, Retried};
use with_genai::GenaiBackend;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, model, question] = arguments.as_slice() else {
        let usage = "usage: with-genai BASE_URL MODEL QUESTION; the key comes from OPENAI_API_KEY";
        return Err(Error::new(ErrorKind::InvalidInput, usage));
    };
    let key = std::env::var("OPENAI_API_KEY").unwrap_or_else(|_| "none".to_owned());
    // Our wrappers fit around any client.
    let model = Retried::new(Breaker::new(GenaiBackend::new(url, model, &key)?));
    let request = Request { messages: vec![Message::user(question)], ..Request::default() };
    let completion = model.complete(request).await?;
    println!("{}", completion.message.content);
    eprintln!("{:?}, {:?}", completion.finish, completion.usage);
    Ok(())
}
