//! Calls: turns whose session nobody names, for they see nothing of it and leave nothing in it.

use super::{Accepted, Registry};
use crate::protocol::{SessionKey, TenantId};
use crate::session::machine::{Denial, Job};
use crate::session::pool::{Kind, Standing};

impl Registry {
    /// Gives a call to a session that is there for that, and says to which. Like [`Registry::submit`].
    ///
    /// # Errors
    /// When the session does not take it.
    pub async fn call(&self, tenant: &TenantId, mut job: Job) -> Result<(SessionKey, Accepted), Denial> {
        let kind = Kind::of(&job);
        let lease = self.inner.pool.take(tenant, &kind, |key| self.standing(key), |key| self.is_open(key));
        let keeps = job.request.call.as_ref().is_some_and(|call| call.keep);
        job.request.renew = !lease.goes_on;
        job.request.unnamed = lease.is_spare;
        let key = lease.key();
        let accepted = self.submit(&key, job).await?;
        if accepted.is_joined {
            // Another session has it, from when it was asked for first.
            let its = self.turn(tenant, accepted.turn)?.map(|turn| turn.session);
            return Ok((its.unwrap_or(key), accepted));
        }
        lease.given(kind, keeps);
        Ok((key, accepted))
    }

    fn standing(&self, key: &SessionKey) -> Standing {
        let Some(handle) = self.find(key) else { return Standing::Cold };
        let live = handle.live.borrow();
        match live.state {
            _ if live.turn.is_some() || live.queued > 0 => Standing::Busy,
            "idle" => Standing::Idle,
            "clearing" => Standing::Clearing,
            _ => Standing::Busy,
        }
    }

    /// Whether a session without a task takes turns: somebody may have closed it.
    fn is_open(&self, key: &SessionKey) -> bool {
        !self.inner.config.store.session(key).ok().flatten().is_some_and(|record| record.closed)
    }
}
