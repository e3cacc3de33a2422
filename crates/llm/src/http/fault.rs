//! What went wrong on the wire, in the categories that a caller can act on. Pure: from what the server said to an error.

use std::time::{Duration, SystemTime};

use harness_core::{Error, ErrorKind};
use serde_json::Value;

/// How much of a server's own words is shown.
const SHOWN: usize = 300;

/// Words by which servers say that the conversation is too long, in lower case. Collected from OpenAI, Azure, vLLM,
/// llama.cpp, LiteLLM, Ollama, OpenRouter, Mistral and text-generation-inference.
const OVERFLOW: &[&str] = &[
    "context_length_exceeded",
    "exceed_context_size",
    "contextwindowexceeded",
    "maximum context length",
    "context length",
    "context window",
    "context size",
    "prompt is too long",
    "input is too long",
    "too many tokens",
    "reduce the length",
    "inputs tokens + max_new_tokens",
];

/// Who was asked, as messages name it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) address: String,
    pub(crate) model: String,
    /// Where the base URL ends and this begins.
    pub(crate) endpoint: &'static str,
    /// The environment variable that a remedy names.
    pub(crate) key_variable: String,
    pub(crate) has_key: bool,
}

/// What a refused or failed request comes to.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The server's content filter stopped the request: a refusal, not an error.
    Filtered(String),
    Failed(Error),
}

/// A status other than success.
pub(crate) fn of_status(
    asked: &Asked,
    status: u16,
    retry_after: Option<&str>,
    body: &str,
) -> Fault {
    let said = Said::read(body);
    if is_content_filter(&said) {
        return Fault::Filtered(said.text);
    }
    let kind = kind_of(status, &said);
    let Asked { address, model, .. } = asked;
    let mut message = format!("{address} answered {status} for model '{model}'");
    if !said.text.is_empty() {
        message.push_str(&format!(": {}", said.text));
    }
    if let Some(remedy) = remedy(asked, status, kind, &said) {
        message.push_str(&format!("; {remedy}"));
    }
    let mut error = Error::new(kind, message);
    if is_before_work(status) {
        error = error.uncharged();
    }
    let wait = retry_after.and_then(|header| wait_of(header, SystemTime::now()));
    Fault::Failed(match wait {
        Some(wait) if kind == ErrorKind::ModelUnavailable => error.with_retry_after(wait),
        _ => error,
    })
}

/// An answer that arrived and makes no sense.
pub(crate) fn nonsense(asked: &Asked, what: &str, body: &str) -> Error {
    let Asked { address, model, .. } = asked;
    let shown = shorten(body);
    let quoted = if shown.is_empty() { String::new() } else { format!(": {shown}") };
    let message = format!("{address} answered model '{model}' with {what}{quoted}");
    Error::new(ErrorKind::ModelUnavailable, message)
}

/// An `error` object in an answer whose status says success, as routers send it.
pub(crate) fn in_success(asked: &Asked, body: &str) -> Fault {
    let said = Said::read(body);
    // A code that is no status is the server's own trouble.
    let status = said.status.or_else(|| status_of(&said.code)).unwrap_or(502);
    match of_status(asked, status, None, body) {
        // It came with a success, so some work may have been done and charged.
        Fault::Failed(error) if error.is_retryable() => {
            Fault::Failed(Error::new(error.kind(), error.message()))
        }
        fault => fault,
    }
}

/// Statuses by which a server turns a request away before it works on it.
fn is_before_work(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 503 | 529)
}

/// The status that Anthropic and OpenAI send with an error of this type, for errors that come without one.
fn status_of(code: &str) -> Option<u16> {
    Some(match code {
        "invalid_request_error" => 400,
        "authentication_error" | "invalid_api_key" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" | "model_not_found" => 404,
        "request_too_large" | "context_length_exceeded" => 413,
        "rate_limit_error" | "rate_limit_exceeded" => 429,
        "api_error" | "server_error" => 500,
        "overloaded_error" => 529,
        _ => return None,
    })
}

/// The request never got an answer, or only a part of one.
pub(crate) fn of_transport(asked: &Asked, error: reqwest::Error, connect: Duration) -> Error {
    let Asked { address, model, .. } = asked;
    let what = if error.is_timeout() && error.is_connect() {
        format!("{address} did not accept a connection within {} s", connect.as_secs_f64())
    } else if error.is_connect() {
        format!("{address} cannot be reached; is the server running, and is this its base URL?")
    } else {
        format!("{address} broke off its answer for model '{model}'")
    };
    let never_sent = error.is_connect();
    // The error's own text would repeat the address, with the query that may hold a key.
    let error = Error::new(ErrorKind::ModelUnavailable, what).with_source(error.without_url());
    if never_sent { error.uncharged() } else { error }
}

/// The server is silent for longer than it may be.
pub(crate) fn too_slow(asked: &Asked, what: &str, limit: Duration) -> Error {
    let Asked { address, model, .. } = asked;
    let limit = limit.as_secs_f64();
    let message = format!("{address} {what} model '{model}' within {limit} s");
    Error::new(ErrorKind::ModelUnavailable, message)
}

/// Whether a request was refused because of the schema that its reply was to have.
pub(crate) fn is_about_schema(status: u16, body: &str) -> bool {
    let said = Said::read(body);
    let named = ["response_format", "json_schema", "output_config", "output_format", "schema"]
        .iter()
        .any(|word| said.all.contains(word));
    // One server answers 500 to a body that it cannot validate, and names the field.
    let refused = matches!(status, 400 | 422 | 501)
        || (status == 500
            && said.all.contains("validation error")
            && said.all.contains("response_format"));
    refused && named && !said.is_overflow()
}

/// Whether a request was refused because it asked for usage at the end of a stream.
pub(crate) fn is_about_stream_options(status: u16, body: &str) -> bool {
    matches!(status, 400 | 422) && body.contains("stream_options")
}

fn kind_of(status: u16, said: &Said) -> ErrorKind {
    match status {
        _ if said.code == "insufficient_quota" => ErrorKind::ModelRejected,
        413 => ErrorKind::ContextOverflow,
        408 | 425 | 429 | 500..=599 if !(status == 500 && said.is_overflow()) => {
            ErrorKind::ModelUnavailable
        }
        400 | 422 | 500 if said.is_overflow() => ErrorKind::ContextOverflow,
        _ => ErrorKind::ModelRejected,
    }
}

fn remedy(asked: &Asked, status: u16, kind: ErrorKind, said: &Said) -> Option<String> {
    let variable = &asked.key_variable;
    match (status, kind) {
        (_, ErrorKind::ModelUnavailable | ErrorKind::ContextOverflow) => None,
        _ if said.code == "insufficient_quota" => Some("the account has no credit left".to_owned()),
        (401 | 403, _) if asked.has_key => {
            Some(format!("check that the key in {variable} is valid for this server and model"))
        }
        (401 | 403, _) => Some(format!("no key was sent: set {variable}")),
        (404, _) => Some(format!(
            "check the model's name, and that the base URL ends where /{} begins",
            asked.endpoint
        )),
        (300..=399, _) => Some("the server redirects: use the address it redirects to".to_owned()),
        _ => Some("the server does not accept this request".to_owned()),
    }
}

fn is_content_filter(said: &Said) -> bool {
    matches!(said.code.as_str(), "content_filter" | "content_policy_violation")
}

/// How long a `Retry-After` header asks to wait, seen from `now`: seconds, or a date.
pub(crate) fn wait_of(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(header).ok()?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}

/// What an error body says.
#[derive(Debug, Default)]
struct Said {
    text: String,
    code: String,
    status: Option<u16>,
    /// Everything, in lower case.
    all: String,
}

impl Said {
    fn read(body: &str) -> Self {
        let all = body.to_lowercase();
        let Ok(value) = serde_json::from_str::<Value>(body) else {
            return Self { text: shorten(body), all, ..Self::default() };
        };
        let error = value.get("error").unwrap_or(&value);
        let text =
            ["/message", "/detail", "/msg"].iter().find_map(|at| error.pointer(at)?.as_str());
        let text = text.or_else(|| error.as_str()).map_or_else(|| shorten(body), shorten);
        let code = error.get("code").filter(|code| !code.is_null());
        let code = code.or_else(|| error.get("type"));
        let status =
            error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        Self {
            text,
            code: code.and_then(Value::as_str).unwrap_or_default().to_owned(),
            status: status.filter(|status| (400..600).contains(status)),
            all,
        }
    }

    fn is_overflow(&self) -> bool {
        OVERFLOW.iter().any(|words| self.all.contains(words))
    }
}

/// One line, of bounded length, without markup's white space and control characters.
fn shorten(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = clean.split_whitespace().collect();
    harness_core::visible(&words.join(" "), SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked {
            address: "http://h/v1".to_owned(),
            model: "m".to_owned(),
            endpoint: "chat/completions",
            key_variable: "A_KEY".to_owned(),
            has_key: false,
        }
    }

    fn failed(status: u16, body: &str) -> Error {
        match of_status(&asked(), status, Some("7"), body) {
            Fault::Failed(error) => error,
            Fault::Filtered(said) => unreachable!("filtered: {said}"),
        }
    }

    #[test]
    fn statuses_fall_into_the_categories() {
        for status in [408, 425, 429, 500, 502, 503, 504, 529] {
            let error = failed(status, "{\"error\":{\"message\":\"busy\"}}");
            assert_eq!(error.kind(), ErrorKind::ModelUnavailable, "{status}");
            assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        }
        for status in [301, 400, 401, 403, 404, 405, 422] {
            let error = failed(status, "{\"error\":\"no\"}");
            assert_eq!(error.kind(), ErrorKind::ModelRejected, "{status}");
            assert_eq!(error.retry_after(), None);
        }
        assert_eq!(failed(413, "<html></html>").kind(), ErrorKind::ContextOverflow);
        let empty_account =
            failed(429, r#"{"error":{"code":"insufficient_quota","message":"pay"}}"#);
        assert_eq!(empty_account.kind(), ErrorKind::ModelRejected);
    }

    #[test]
    fn only_what_was_turned_away_is_certainly_free() {
        for (status, free) in [
            (408, true),
            (429, true),
            (503, true),
            (529, true),
            (500, false),
            (502, false),
            (504, false),
        ] {
            assert_eq!(failed(status, "{}").is_uncharged(), free, "{status}");
        }
        let Fault::Failed(late) = in_success(&asked(), r#"{"error":{"type":"overloaded_error"}}"#)
        else {
            unreachable!("it is no refusal")
        };
        assert!(
            late.is_retryable() && !late.is_uncharged(),
            "some of the answer may have been paid for"
        );
    }

    #[test]
    fn the_words_of_many_servers_mean_overflow() {
        for body in [
            r#"{"error":{"code":"context_length_exceeded","message":"too long"}}"#,
            r#"{"error":{"message":"This model's maximum context length is 8192 tokens."}}"#,
            r#"{"error":{"type":"exceed_context_size_error","message":"the request exceeds the available context size"}}"#,
            r#"{"object":"error","message":"prompt is too long: 9 tokens > 8 maximum"}"#,
        ] {
            assert_eq!(failed(400, body).kind(), ErrorKind::ContextOverflow, "{body}");
        }
    }

    #[test]
    fn messages_name_the_address_the_model_and_the_remedy() {
        let error = failed(401, "{}");
        for word in ["http://h/v1", "'m'", "401", "A_KEY"] {
            assert!(error.message().contains(word), "{} lacks {word}", error.message());
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Fri, 20 Nov 2026 10:00:00 GMT").unwrap();
        let wait = |header| wait_of(header, now);
        assert_eq!(wait(" 3 "), Some(Duration::from_secs(3)));
        assert_eq!(wait("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(wait("Fri, 20 Nov 2026 10:01:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(wait("Fri, 20 Nov 2026 09:00:00 GMT"), Some(Duration::ZERO));
        for bad in ["soon", "-1", "NaN", "inf", ""] {
            assert_eq!(wait(bad), None, "{bad}");
        }
    }
}
