//! The line that ends a turn, and the lines that an upstream error brings.

use std::{io, time::Instant};

use serde_json::{Value, json};

use super::output::{Output, quoted};

/// What one model call costs: all counts differ, so that a test notices when two are mixed up.
const INPUT_TOKENS: u32 = 11;
const CACHE_CREATION_TOKENS: u32 = 100;
const CACHE_READ_TOKENS: u32 = 50;
const OUTPUT_TOKENS: u32 = 20;
const COST_USD: f64 = 0.001_205;

/// What a process has spent, for `total_cost_usd`.
#[derive(Debug, Default)]
pub(super) struct Spent {
    calls: u32,
    results: u32,
}

/// A turn's ending.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    /// How it ended.
    pub(super) kind: Kind,
    /// The answer, or what the error says.
    pub(super) text: String,
    /// The last message's stop reason.
    pub(super) stop_reason: Option<String>,
    /// How many model calls it took.
    pub(super) calls: u32,
    /// Tool calls that were denied.
    pub(super) denials: Vec<Value>,
    /// `"stamps":…` with a comma before it, or nothing.
    pub(super) stamps: String,
}

/// The ways a turn ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// With an answer.
    Completed,
    /// By an interrupt, while the model spoke or while a tool ran.
    Interrupted { in_tool: bool },
    /// With the API's error.
    Failed { code: u16 },
    /// By `/clear` or `/cost`, without the model.
    Command,
}

/// Writes the `result`, `times` times.
pub(super) fn write(
    ending: &Ending,
    model: &str,
    began: Instant,
    times: u32,
    spent: &mut Spent,
    output: &mut Output,
) -> io::Result<()> {
    spent.calls += ending.calls;
    let is_error = matches!(ending.kind, Kind::Interrupted { .. } | Kind::Failed { .. });
    let interrupted = matches!(ending.kind, Kind::Interrupted { .. });
    let reason = ending.stop_reason.as_deref().map_or_else(|| "null".to_owned(), quoted);
    let subtype = if interrupted { "error_during_execution" } else { "success" };
    let said = match ending.kind {
        Kind::Completed | Kind::Command => format!("\"api_error_status\":null,\"result\":{}", quoted(&ending.text)),
        Kind::Failed { code } => format!("\"api_error_status\":{code},\"result\":{}", quoted(&ending.text)),
        Kind::Interrupted { .. } => {
            let error = format!(
                "[ede_diagnostic] result_type=user last_content_type=n/a stop_reason={}",
                reason.trim_matches('"')
            );
            format!("\"errors\":[{}]", quoted(&error))
        }
    };
    let terminal = match ending.kind {
        Kind::Completed | Kind::Command => "completed",
        Kind::Failed { .. } => "api_error",
        Kind::Interrupted { in_tool: false } => "aborted_streaming",
        Kind::Interrupted { in_tool: true } => "aborted_tools",
    };
    // An interrupted or failed turn counts nothing, as with claude.
    let usage = usage(if is_error { 0 } else { ending.calls });
    let turns = if ending.kind == Kind::Command { 0 } else { ending.calls.max(1) };
    let elapsed_ms = began.elapsed().as_millis();
    let cost = f64::from(spent.calls) * COST_USD;
    for _ in 0..times {
        output.line(format_args!(
            "\"type\":\"result\",\"subtype\":\"{subtype}\",\"is_error\":{is_error},{said},\"duration_ms\":{elapsed_ms},\
             \"duration_api_ms\":{elapsed_ms},\"num_turns\":{turns},\"stop_reason\":{reason},\"total_cost_usd\":{cost},\
             \"usage\":{usage},\"modelUsage\":{{{model}:{model_usage}}},\"permission_denials\":{denials},\
             \"terminal_reason\":\"{terminal}\",\"result_index\":{index}{stamps}",
            model = quoted(model),
            model_usage = model_usage(spent.calls, cost),
            denials = Value::from(ending.denials.clone()),
            index = spent.results,
            stamps = ending.stamps,
        ))?;
        spent.results += 1;
    }
    output.flush()
}

/// The result that an unknown thread gets, and nothing else with it.
pub(super) fn write_no_thread(id: &str, error: &str, output: &mut Output) -> io::Result<()> {
    output.set_session(id);
    output.line(format_args!(
        "\"type\":\"result\",\"subtype\":\"error_during_execution\",\"duration_ms\":0,\"duration_api_ms\":0,\"is_error\":true,\
         \"num_turns\":0,\"stop_reason\":null,\"total_cost_usd\":0,\"usage\":{},\"modelUsage\":{{}},\"permission_denials\":[],\
         \"errors\":[{}],\"result_index\":0",
        usage(0),
        quoted(error)
    ))?;
    output.flush()
}

/// An `api_retry` event.
pub(super) fn write_retry(code: u16, retry_after_s: Option<u32>, output: &mut Output) -> io::Result<()> {
    let delay_ms = retry_after_s.map_or(500, |seconds| seconds * 1000);
    let error = match code {
        401 | 403 => "authentication_failed",
        429 => "rate_limit",
        529 => "overloaded",
        _ => "server_error",
    };
    output.line(format_args!(
        "\"type\":\"system\",\"subtype\":\"api_retry\",\"attempt\":1,\"max_retries\":1,\"retry_delay_ms\":{delay_ms},\
         \"error_status\":{code},\"error\":\"{error}\""
    ))?;
    Ok(())
}

/// The message that claude itself puts in place of an answer.
pub(super) fn write_synthetic(text: &str, code: Option<u16>, output: &mut Output) -> io::Result<()> {
    let message = json!({"id": "synthetic", "model": "<synthetic>", "role": "assistant", "type": "message",
        "stop_reason": "stop_sequence", "stop_sequence": "", "usage": {"input_tokens": 0, "output_tokens": 0},
        "content": [{"type": "text", "text": text}], "context_management": null});
    let error = code.map_or_else(String::new, |code| {
        format!(",\"error\":\"server_error\",\"is_api_error_message\":true,\"api_error_status\":{code}")
    });
    output.line(format_args!("\"type\":\"assistant\",\"message\":{message},\"parent_tool_use_id\":null{error}"))?;
    Ok(())
}

/// What claude says for the API's error.
pub(super) fn error_text(code: u16) -> String {
    match code {
        401 => "Invalid API key · Fix external API key".to_owned(),
        429 => "API Error: Request rejected (429) · This request would exceed your rate limit.".to_owned(),
        529 => "API Error: 529 Overloaded. This is a server-side issue, usually temporary — try again in a moment."
            .to_owned(),
        _ => format!("API Error: {code} Internal server error"),
    }
}

/// The usage of so many model calls.
pub(super) fn usage(calls: u32) -> String {
    format!(
        "{{\"input_tokens\":{},\"cache_creation_input_tokens\":{},\"cache_read_input_tokens\":{},\"output_tokens\":{},\
         \"service_tier\":\"standard\"}}",
        INPUT_TOKENS * calls,
        CACHE_CREATION_TOKENS * calls,
        CACHE_READ_TOKENS * calls,
        OUTPUT_TOKENS * calls
    )
}

fn model_usage(calls: u32, cost: f64) -> String {
    format!(
        "{{\"inputTokens\":{},\"outputTokens\":{},\"cacheReadInputTokens\":{},\"cacheCreationInputTokens\":{},\
         \"webSearchRequests\":0,\"costUSD\":{cost},\"contextWindow\":200000,\"maxOutputTokens\":32000}}",
        INPUT_TOKENS * calls,
        OUTPUT_TOKENS * calls,
        CACHE_READ_TOKENS * calls,
        CACHE_CREATION_TOKENS * calls
    )
}
