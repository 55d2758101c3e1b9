//! `GET /v1/models` and `/v1/models/{id}`: the backends.

use hyper::{Response, StatusCode};

use crate::api::respond::{ApiError, Body, json};
use crate::api::router::Api;
use crate::dispatch::BackendView;
use crate::protocol::TenantId;
use crate::wire::openai::{List, Model};

/// All that the tenant may use.
pub(in crate::api) fn models(api: &Api, tenant: &TenantId) -> Response<Body> {
    let data = api.dispatch.backends(tenant).into_iter().map(|backend| model_of(api, backend)).collect();
    json(StatusCode::OK, &List { object: "list", data })
}

/// One of them, by its name or an alias.
pub(in crate::api) fn model(api: &Api, tenant: &TenantId, name: &str) -> Result<Response<Body>, ApiError> {
    let id = api.dispatch.resolve(tenant, Some(name), "")?;
    let backend = api.dispatch.backends(tenant).into_iter().find(|backend| backend.id == id);
    let backend =
        backend.ok_or_else(|| ApiError::not_found("model_not_found", format!("there is no model `{name}`")))?;
    Ok(json(StatusCode::OK, &model_of(api, backend)))
}

fn model_of(api: &Api, backend: BackendView) -> Model {
    Model {
        id: backend.id.to_string(),
        object: "model",
        created: api.started,
        owned_by: backend.driver,
        ready: backend.trouble.is_none(),
    }
}
