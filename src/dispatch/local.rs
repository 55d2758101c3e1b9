//! Turns are carried out by sessions of this process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{AttachError, BackendView, Counts, Dispatch, Refusal};
use crate::driver::Driver;
use crate::driver::catalog::Catalog;
use crate::protocol::{
    BackendId, BackendSpec, ErrorKind, Logged, Permission, ScreenSize, SessionKey, TenantId, Tenants, ThreadId,
    TurnError, TurnId, TurnRequest,
};
use crate::session::{
    Accepted, Act, Acted, Change, Denial, Interrupted, Job, NotSeated, Observer, Refused, Registry, Restarted,
    SessionView, Submitted, Viewer, WatchError,
};
use crate::store::{Rerun, SessionRecord, StoreError, StoreProgress, TurnQuery, TurnRecord};

/// What [`Local`] goes by.
pub struct LocalConfig {
    /// The configured backends.
    pub backends: BTreeMap<BackendId, Arc<BackendSpec>>,
    /// Names that clients hard-code, and the backends they mean.
    pub aliases: BTreeMap<String, BackendId>,
    /// The backend of requests that name none.
    pub default_backend: BackendId,
    /// What is known of callers' agents.
    pub agents: BTreeMap<String, AgentEntry>,
    /// Where agents run when nothing else says so.
    pub directory: PathBuf,
    /// Who may use which backends.
    pub tenants: Tenants,
}

/// What is known of a caller's agent.
#[derive(Debug, Clone, Default)]
pub struct AgentEntry {
    /// Where its sessions run.
    pub workspace: Option<PathBuf>,
    /// The backend of its requests that name none.
    pub backend: Option<BackendId>,
}

/// Sessions of this process.
pub struct Local {
    config: LocalConfig,
    catalog: Catalog,
    registry: Registry,
}

impl Local {
    /// Puts configuration, drivers and sessions together.
    pub fn new(config: LocalConfig, catalog: Catalog, registry: Registry) -> Self {
        Self { config, catalog, registry }
    }

    /// The sessions, for whoever starts and stops them.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A backend that the tenant may use.
    fn known(&self, tenant: &TenantId, id: &BackendId) -> Option<&Arc<BackendSpec>> {
        self.config.backends.get(id).filter(|_| self.config.tenants.of(tenant).allows(id))
    }

    /// A backend that others may use is as unknown as one that nobody has configured.
    fn unknown(&self, tenant: &TenantId, model: &str) -> Refusal {
        let known = self.config.backends.keys().filter(|id| self.known(tenant, id).is_some());
        Refusal::UnknownModel { model: model.to_owned(), known: known.map(ToString::to_string).collect() }
    }

    /// The tenant's backend where neither the request nor the agent has one.
    fn default_backend(&self, tenant: &TenantId) -> &BackendId {
        let default = &self.config.default_backend;
        let limits = self.config.tenants.of(tenant);
        let first = limits.backends.as_ref().and_then(|backends| backends.first());
        first.filter(|_| !limits.allows(default)).unwrap_or(default)
    }

    fn job(&self, key: &SessionKey, request: TurnRequest) -> Result<Job, Refusal> {
        let tenant = key.tenant();
        let spec = self.known(tenant, &request.backend);
        let spec = spec.ok_or_else(|| self.unknown(tenant, request.backend.as_str()))?;
        // Who knows the id of another's conversation is not to go on with it.
        if let Some(thread) = &request.thread
            && self.registry.is_anothers(tenant, thread)?
        {
            return Err(no_thread(thread).into());
        }
        let driver = self.catalog.get(&spec.driver)?;
        if let Some(why) = no_mcp(spec, &*driver).filter(|_| !request.mcp.is_empty()) {
            return Err(Refusal::NoMcp { model: spec.id.to_string(), why });
        }
        if !request.images.is_empty() && !driver.takes_images() {
            return Err(self.no_images(tenant, spec));
        }
        let directory = self.directory(key, spec, request.workspace.clone(), request.workspace_hint.clone());
        // Said before any promise is made: a caller that streams gets a real status for what can be known now. A process
        // that runs has answered the question, and looking a program up costs a warm turn some system calls per folder.
        if !self.registry.has_process(key) {
            driver.check(spec, &directory)?;
        }
        Ok(Job::new(request, spec.clone(), driver, directory))
    }

    fn no_images(&self, tenant: &TenantId, spec: &BackendSpec) -> Refusal {
        let takes = |other: &&Arc<BackendSpec>| {
            let driver = self.catalog.get(&other.driver);
            driver.is_ok_and(|driver| driver.takes_images()) && self.known(tenant, &other.id).is_some()
        };
        let others: Vec<_> = self.config.backends.values().filter(takes).map(|other| other.id.as_str()).collect();
        let others = (!others.is_empty()).then(|| others.join(", "));
        Refusal::NoImages { backend: spec.id.clone(), driver: spec.driver.clone(), others }
    }

    /// Takes up what a daemon before this one left: see [`Registry::restart`].
    ///
    /// # Errors
    /// When the store does not have or keep it.
    pub async fn restart(&self) -> Result<Restarted, StoreError> {
        let job = |key: &SessionKey, turn: TurnId, rerun: Rerun| {
            let Rerun { request, directory } = rerun;
            let job = self.job(key, request).map_err(|refusal| match refusal {
                Refusal::Unable(error) => error,
                refusal => TurnError::new(ErrorKind::Conflict, refusal.to_string()),
            })?;
            Ok(Job { turn, directory, detached: true, ..job })
        };
        self.registry.restart(job).await
    }

    fn view(&self, spec: &BackendSpec) -> BackendView {
        let directory = spec.workspace.as_ref().unwrap_or(&self.config.directory);
        let driver = self.catalog.get(&spec.driver);
        let note = driver.as_ref().ok().and_then(|driver| driver.note(&spec.id));
        let trouble = driver.and_then(|driver| driver.check(spec, directory)).err().map(|error| error.message);
        BackendView { id: spec.id.clone(), driver: spec.driver.clone(), note, trouble }
    }

    fn directory(
        &self,
        key: &SessionKey,
        spec: &BackendSpec,
        wanted: Option<PathBuf>,
        hint: Option<PathBuf>,
    ) -> PathBuf {
        let agent = self.config.agents.get(key.agent());
        wanted
            .or_else(|| agent.and_then(|agent| agent.workspace.clone()))
            .or(hint)
            .or_else(|| spec.workspace.clone())
            .unwrap_or_else(|| self.config.directory.clone())
    }

    /// Whether the backend's configuration lets a session do so.
    fn may(&self, key: &SessionKey, act: &Act) -> Result<(), Refused> {
        let Act::Configure { permission: Change::Set(wanted), .. } = act else { return Ok(()) };
        let view = self.registry.get(key).map_err(Denial::from)?.ok_or(Refused::NoSession)?;
        let Some(spec) = self.config.backends.get(&view.record.backend) else { return Ok(()) };
        if wanted.is_laxer_than(spec.permission) {
            let (wanted, most, backend) = (*wanted, spec.permission, spec.id.clone());
            return Err(Refused::PermissionNotAllowed { wanted, most, backend });
        }
        Ok(())
    }
}

impl Dispatch for Local {
    fn submit<'a>(&'a self, key: &'a SessionKey, request: TurnRequest) -> BoxFuture<'a, Result<Accepted, Refusal>> {
        Box::pin(async move {
            let job = self.job(key, request)?;
            Ok(self.registry.submit(key, job).await?)
        })
    }

    fn call<'a>(
        &'a self,
        tenant: &'a TenantId,
        request: TurnRequest,
    ) -> BoxFuture<'a, Result<(SessionKey, Accepted), Refusal>> {
        Box::pin(async move {
            // Which of them it is does not matter for what is known of their agent.
            let job = self.job(&SessionKey::for_calls(tenant.clone()), request)?;
            Ok(self.registry.call(tenant, job).await?)
        })
    }

    fn start<'a>(&'a self, key: &'a SessionKey, request: TurnRequest) -> BoxFuture<'a, Result<Submitted, Refusal>> {
        Box::pin(async move {
            let job = Job { steers: true, detached: true, ..self.job(key, request)? };
            Ok(self.registry.start(key, job).await?)
        })
    }

    fn act<'a>(&'a self, key: &'a SessionKey, act: Act) -> BoxFuture<'a, Result<Acted, Refused>> {
        Box::pin(async move {
            self.may(key, &act)?;
            self.registry.act(key, act, None).await
        })
    }

    fn adopt<'a>(
        &'a self,
        key: &'a SessionKey,
        backend: &'a BackendId,
        thread: ThreadId,
        workspace: Option<PathBuf>,
    ) -> BoxFuture<'a, Result<Acted, Refusal>> {
        Box::pin(async move {
            let tenant = key.tenant();
            let spec = self.known(tenant, backend).ok_or_else(|| self.unknown(tenant, backend.as_str()))?;
            if self.registry.is_anothers(tenant, &thread)? {
                return Err(no_thread(&thread).into());
            }
            let driver = self.catalog.get(&spec.driver)?;
            let directory = self.directory(key, spec, workspace, None);
            let first = SessionRecord::first(key, spec.id.clone(), driver.name(), directory.clone());
            let (backend, driver) = (spec.id.clone(), driver.name().to_owned());
            let act = Act::Adopt { thread, backend, driver, directory };
            Ok(self.registry.act(key, act, Some(first)).await?)
        })
    }

    fn seal<'a>(&'a self, key: &'a SessionKey) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.registry.seal(key))
    }

    fn session(&self, key: &SessionKey) -> Result<Option<SessionView>, StoreError> {
        self.registry.get(key)
    }

    fn interrupt<'a>(
        &'a self,
        key: &'a SessionKey,
        turn: Option<TurnId>,
        wait: Duration,
    ) -> BoxFuture<'a, Interrupted> {
        Box::pin(self.registry.interrupt(key, turn, wait))
    }

    fn interrupt_turn<'a>(&'a self, tenant: &'a TenantId, turn: TurnId, wait: Duration) -> BoxFuture<'a, Interrupted> {
        Box::pin(self.registry.interrupt_turn(tenant, turn, wait))
    }

    fn reset<'a>(&'a self, key: &'a SessionKey) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.registry.reset(key))
    }

    fn close<'a>(&'a self, key: &'a SessionKey) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.registry.close(key))
    }

    fn watch(&self, key: &SessionKey, after: Option<u64>) -> Result<Observer, WatchError> {
        self.registry.watch(key, after)
    }

    fn attach<'a>(
        &'a self,
        key: &'a SessionKey,
        size: Option<ScreenSize>,
        keyboard: bool,
    ) -> BoxFuture<'a, Result<Viewer, AttachError>> {
        Box::pin(async move {
            let SessionRecord { driver, backend, .. } = self.registry.get(key)?.ok_or(AttachError::Unknown)?.record;
            if !self.catalog.get(&driver).is_ok_and(|known| known.has_terminal(&backend)) {
                return Err(AttachError::NoTerminal { driver });
            }
            let denies = |spec: &Arc<BackendSpec>| spec.permission == Permission::Deny;
            if keyboard && self.config.backends.get(&backend).is_none_or(denies) {
                return Err(AttachError::NoKeyboard { backend });
            }
            self.registry.attach(key, size, keyboard).await.map_err(|why| match why {
                NotSeated::Empty => AttachError::NotRunning,
                NotSeated::Full => AttachError::Full,
            })
        })
    }

    fn watch_turn(&self, tenant: &TenantId, turn: TurnId, after: Option<u64>) -> Result<Observer, WatchError> {
        self.registry.watch_turn(tenant, turn, after)
    }

    fn turn(&self, tenant: &TenantId, turn: TurnId) -> Result<Option<TurnRecord>, StoreError> {
        self.registry.turn(tenant, turn)
    }

    fn turns(&self, query: &TurnQuery) -> Result<Vec<TurnRecord>, StoreError> {
        self.registry.turns(query)
    }

    fn history(&self, key: &SessionKey, after: u64, max: usize) -> Result<Vec<Arc<Logged>>, StoreError> {
        self.registry.history(key, after, max)
    }

    fn sessions(&self, tenant: &TenantId) -> Result<Vec<SessionView>, StoreError> {
        self.registry.list(tenant)
    }

    fn resolve(&self, tenant: &TenantId, model: Option<&str>, agent: &str) -> Result<BackendId, Refusal> {
        let Some(model) = model else {
            let agents = self.config.agents.get(agent).and_then(|agent| agent.backend.as_ref());
            let agents = agents.filter(|id| self.known(tenant, id).is_some());
            return Ok(agents.unwrap_or_else(|| self.default_backend(tenant)).clone());
        };
        let id = self.config.aliases.get(model).cloned().unwrap_or_else(|| BackendId::new(model));
        if self.known(tenant, &id).is_some() { Ok(id) } else { Err(self.unknown(tenant, model)) }
    }

    fn backends(&self, tenant: &TenantId) -> Vec<BackendView> {
        let known = self.config.backends.values().filter(|spec| self.known(tenant, &spec.id).is_some());
        known.map(|spec| self.view(spec)).collect()
    }

    fn all_backends(&self) -> (BackendId, Vec<BackendView>) {
        let all = self.config.backends.values().map(|spec| self.view(spec));
        (self.config.default_backend.clone(), all.collect())
    }

    fn counts(&self) -> Counts {
        let (sessions, queued, processes) = self.registry.counts();
        let StoreProgress { commits, trouble, .. } = self.registry.store_progress();
        Counts { processes, sessions, queued, commits, trouble }
    }
}

/// Why a backend's agents take no servers of tools with a turn, if they do not.
fn no_mcp(spec: &BackendSpec, driver: &dyn Driver) -> Option<&'static str> {
    if !driver.takes_mcp() {
        return Some(
            "its agents are not spoken with over stdio; set `driver = \"claude-stream\"` for it, or name another model",
        );
    }
    let is_denied = spec.permission == Permission::Deny;
    is_denied.then_some("its `permission` is `deny`, so none of their tools could run")
}

/// As though it were not there.
fn no_thread(thread: &ThreadId) -> TurnError {
    TurnError::new(ErrorKind::ThreadNotFound, format!("there is no thread {thread} that this session could go on with"))
}

#[cfg(test)]
mod tests;
