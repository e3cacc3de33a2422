//! Our request in genai's words.

use genai::chat::{
    ChatMessage, ChatOptions, ChatRequest, ChatResponseFormat, ContentPart, JsonSpec,
    MessageContent, Tool, ToolCall, ToolResponse,
};
use harness_core::{Arguments, Message, Request, Role};
use serde_json::Value;

pub(crate) fn chat(request: &Request) -> ChatRequest {
    let chat = ChatRequest::new(request.messages.iter().map(message).collect());
    if request.tools.is_empty() {
        return chat;
    }
    chat.with_tools(request.tools.iter().map(|tool| {
        Tool::new(tool.name.clone())
            .with_description(tool.description.clone())
            .with_schema(tool.parameters.clone())
    }))
}

pub(crate) fn options(request: &Request) -> ChatOptions {
    let mut options = ChatOptions::default().with_stop_sequences(request.stop.clone());
    options.max_tokens = request.max_tokens;
    options.temperature = request.temperature;
    options.seed = request.seed.map(|seed| seed & 0x7fff_ffff);
    options.response_format = request.response_schema.as_ref().map(|wanted| {
        ChatResponseFormat::JsonSpec(JsonSpec::new(wanted.name.clone(), wanted.schema.clone()))
    });
    options
}

fn message(message: &Message) -> ChatMessage {
    let text = message.content.as_str();
    match message.role {
        Role::System => ChatMessage::system(text),
        Role::User => ChatMessage::user(text),
        Role::Tool => {
            let id = message.tool_call_id.clone().unwrap_or_default();
            ChatMessage::tool(MessageContent::from_tool_responses(vec![ToolResponse::new(
                id, text,
            )]))
        }
        Role::Assistant => ChatMessage::assistant(said(message)),
    }
}

fn said(message: &Message) -> MessageContent {
    let text = (!message.content.is_empty()).then(|| ContentPart::from(message.content.as_str()));
    let calls = message.tool_calls.iter().map(|call| {
        ContentPart::from(ToolCall {
            call_id: call.id.clone(),
            fn_name: call.name.clone(),
            fn_arguments: match &call.arguments {
                Arguments::Parsed(value) => value.clone(),
                Arguments::Malformed(written) => Value::String(written.clone()),
            },
            thought_signatures: None,
        })
    });
    MessageContent::from_parts(text.into_iter().chain(calls).collect::<Vec<_>>())
}
