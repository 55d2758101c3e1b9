//! What a tenant may use of a daemon that it shares with others.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{BackendId, TenantId, WorkspaceRoot};

/// The bounds of one tenant, from its key's table in the key file. Each is within what holds for the whole daemon; none
/// is a bound of its own, which is the default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TenantLimits {
    /// Requests that may be answered at once, streams to their end included; 1 to 4,096. Those that begin turns, those that
    /// act on them and those that watch are counted apart, each up to this number: who has used up the one can still do
    /// the other.
    pub max_requests: Option<usize>,
    /// Processes of its sessions that may live at once; 1 to 1,000. `sessions.max_live` holds too.
    pub max_live: Option<usize>,
    /// The backends that there are for it; never empty. None is all. Where the daemon's default is not among them, the
    /// first is this tenant's.
    pub backends: Option<Vec<BackendId>>,
    /// Where workspaces that its requests name may lie, in place of `server.workspace_roots`; empty means that no request
    /// may name one.
    pub workspace_roots: Option<Vec<WorkspaceRoot>>,
}

impl TenantLimits {
    /// Whether there is such a backend for it.
    pub fn allows(&self, backend: &BackendId) -> bool {
        self.backends.as_ref().is_none_or(|backends| backends.contains(backend))
    }
}

/// The bounds of all tenants. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tenants {
    limits: Arc<BTreeMap<TenantId, TenantLimits>>,
    none: TenantLimits,
}

impl Tenants {
    /// The bounds of those tenants that have any.
    pub fn new(limits: BTreeMap<TenantId, TenantLimits>) -> Self {
        Self { limits: Arc::new(limits), none: TenantLimits::default() }
    }

    /// A tenant's bounds; those without any where it is not known.
    pub fn of(&self, tenant: &TenantId) -> &TenantLimits {
        self.limits.get(tenant).unwrap_or(&self.none)
    }

    /// Every tenant that has bounds.
    pub fn iter(&self) -> impl Iterator<Item = (&TenantId, &TenantLimits)> {
        self.limits.iter()
    }
}
