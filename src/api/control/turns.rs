//! `GET /v1/turns`, `GET /v1/sessions/{key}/turns` and `GET /v1/turns/{id}`: what was said and done.

use std::sync::Arc;

use hyper::{Response, StatusCode};
use serde::Serialize;

use super::pages::blocking;
use super::sessions::{key, no_session};
use super::transcript::{self, Budget};
use super::turn_out::TurnOut;
use crate::api::query::Query;
use crate::api::respond::{ApiError, Body, json};
use crate::api::router::Api;
use crate::api::tags;
use crate::dispatch::{Dispatch, StoreError, TurnQuery, TurnRecord};
use crate::protocol::{TenantId, TurnId};

/// Turns in one answer at most, of a search where nothing is said, and of a session.
const LIMIT_MAX: usize = 100;
const SEARCH_LIMIT: usize = 20;
const SESSION_LIMIT: usize = 100;

/// Text in one answer, in bytes: as much as a client takes in one piece without noticing.
const ANSWER_BYTES: usize = 4 << 20;

/// A page of turns.
#[derive(Serialize)]
struct Page {
    object: &'static str,
    data: Vec<TurnOut>,
    /// There are earlier ones.
    has_more: bool,
}

/// The tenant's turns, newest first.
pub(in crate::api) async fn search(
    api: &Api,
    tenant: TenantId,
    query: Option<&str>,
) -> Result<Response<Body>, ApiError> {
    const KNOWN: &str = "`session`, `tag`, `metadata[…]`, `limit`, `before` and `expand`";
    let known = ["session", "tag", "limit", "before", "expand"];
    let query = Query::read(query, |name| known.contains(&name) || metadata(name).is_some(), KNOWN)?;
    let tags = wanted_tags(&query)?;
    let text = query.one("session")?.map(str::to_owned);
    let session = text.as_deref().map(|text| key(tenant.clone(), text)).transpose()?;
    let wanted = Wanted::read(&query, SEARCH_LIMIT)?;
    let dispatch = api.dispatch.clone();
    blocking(move || {
        if let (Some(session), Some(text)) = (&session, &text) {
            dispatch.session(session)?.ok_or_else(|| no_session(text))?;
        }
        page(&dispatch, TurnQuery { tenant, session, tags, before: wanted.before, limit: 0 }, &wanted, false)
    })
    .await
}

/// The turns of a session: its newest, or those before the one that is named, oldest first.
pub(in crate::api) async fn of_session(
    api: &Api,
    tenant: TenantId,
    query: Option<&str>,
    text: &str,
) -> Result<Response<Body>, ApiError> {
    let key = key(tenant.clone(), text)?;
    let known = ["limit", "before", "expand"];
    let query = Query::read(query, |name| known.contains(&name), "`limit`, `before` and `expand`")?;
    let wanted = Wanted::read(&query, SESSION_LIMIT)?;
    let (dispatch, text) = (api.dispatch.clone(), text.to_owned());
    blocking(move || {
        dispatch.session(&key)?.ok_or_else(|| no_session(&text))?;
        let query = TurnQuery { tenant, session: Some(key), tags: Vec::new(), before: wanted.before, limit: 0 };
        page(&dispatch, query, &wanted, true)
    })
    .await
}

/// One turn, in full.
pub(in crate::api) async fn one(
    api: &Api,
    tenant: TenantId,
    query: Option<&str>,
    text: &str,
) -> Result<Response<Body>, ApiError> {
    let turn = turn_id(text)?;
    Query::read(query, |name| name == "expand", "none but `expand`, which changes nothing here")?;
    let (dispatch, text) = (api.dispatch.clone(), text.to_owned());
    blocking(move || {
        let turn = dispatch.turn(&tenant, turn)?.ok_or_else(|| no_turn(&text))?;
        Ok(json(StatusCode::OK, &out(&dispatch, &turn, true, &mut Budget::new(ANSWER_BYTES))?))
    })
    .await
}

/// A turn's id that a caller names.
pub(super) fn turn_id(text: &str) -> Result<TurnId, ApiError> {
    named_turn("turn", text)
}

/// There is no such turn, or it is another tenant's: nobody is told which.
pub(super) fn no_turn(text: &str) -> ApiError {
    let message =
        format!("there is no turn `{text}`, or nothing is kept of it any more (`store.keep`, `store.max_bytes`)");
    ApiError::not_found("turn_not_found", message)
}

fn named_turn(what: &str, text: &str) -> Result<TurnId, ApiError> {
    TurnId::parse(text).ok_or_else(|| {
        let message = format!("`{what}`: `{text}` is no turn id; the header x-turnmux-turn has it");
        ApiError::field(what, "invalid_turn", message)
    })
}

/// How much of a list is wanted.
struct Wanted {
    limit: usize,
    before: Option<TurnId>,
    messages: bool,
}

impl Wanted {
    fn read(query: &Query, limit: usize) -> Result<Self, ApiError> {
        let limit = match query.one("limit")? {
            None => limit,
            Some(text) => {
                let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                limit.filter(|_| text.bytes().all(|byte| byte.is_ascii_digit())).ok_or_else(|| {
                    let message = format!("`limit`: expected a number from 1 to {LIMIT_MAX}");
                    ApiError::field("limit", "invalid_parameter", message)
                })?
            }
        };
        let before = query.one("before")?.map(|text| named_turn("before", text)).transpose()?;
        let messages = match query.one("expand")? {
            None => false,
            Some("messages") => true,
            Some(_) => {
                let message = "`expand`: expected `messages`, or leave it out";
                return Err(ApiError::field("expand", "invalid_parameter", message));
            }
        };
        Ok(Self { limit, before, messages })
    }
}

/// The tags that all turns are to have.
fn wanted_tags(query: &Query) -> Result<Vec<(String, String)>, ApiError> {
    let mut tags = Vec::new();
    for tag in query.all("tag") {
        let (name, value) = tag.split_once('=').ok_or_else(|| {
            let message = format!("`tag`: `{tag}` is no `name=value`, such as `ticket=42`");
            ApiError::field("tag", "invalid_parameter", message)
        })?;
        tags.push((name.to_owned(), value.to_owned()));
    }
    tags::check_all(&tags, "tag")?;
    let named = query.iter().filter_map(|(name, value)| Some((metadata(name)?.to_owned(), value.to_owned())));
    tags.extend(named);
    tags::check_all(&tags, "metadata")?;
    Ok(tags)
}

/// The name in `metadata[name]`.
fn metadata(parameter: &str) -> Option<&str> {
    parameter.strip_prefix("metadata[")?.strip_suffix(']')
}

/// A page of what the query means.
fn page(
    dispatch: &Arc<dyn Dispatch>,
    query: TurnQuery,
    wanted: &Wanted,
    oldest_first: bool,
) -> Result<Response<Body>, ApiError> {
    if let Some(before) = query.before {
        // What a turn that is not there comes before nobody knows: were it left out, whoever pages would begin anew.
        let turn = dispatch.turn(&query.tenant, before)?;
        turn.ok_or_else(|| no_turn(&before.to_string()))?;
    }
    let mut turns = dispatch.turns(&TurnQuery { limit: wanted.limit + 1, ..query })?;
    let has_more = turns.len() > wanted.limit;
    turns.truncate(wanted.limit);
    if oldest_first {
        turns.reverse();
    }
    let mut budget = Budget::new(ANSWER_BYTES);
    let data = turns.iter().map(|turn| out(dispatch, turn, wanted.messages, &mut budget));
    let data = data.collect::<Result<_, StoreError>>()?;
    Ok(json(StatusCode::OK, &Page { object: "list", data, has_more }))
}

fn out(
    dispatch: &Arc<dyn Dispatch>,
    turn: &TurnRecord,
    messages: bool,
    budget: &mut Budget,
) -> Result<TurnOut, StoreError> {
    let out = TurnOut::of(turn, budget);
    Ok(if messages { out.with(transcript::read(dispatch, turn, budget)?) } else { out })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_named_in_either_way() {
        let query = |text| Query::read(Some(text), |_| true, "").unwrap();
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let both = [("a", "b=c"), ("d e", "")].map(pair);
        assert_eq!(wanted_tags(&query("tag=a=b=c&metadata[d+e]=")).unwrap(), both);
        assert_eq!(wanted_tags(&query("tag=a%3Db%3Dc&metadata%5Bd%20e%5D=")).unwrap(), both);
    }
}
