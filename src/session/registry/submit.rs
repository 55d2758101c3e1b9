//! Turns that are wanted, and what else is wanted of a session: given to its task, or joined where they are there already.

use tokio::sync::{mpsc, oneshot};

use super::{Accepted, MOVES_MAX, Registry, Submitted, first_record};
use crate::protocol::{EventKind, Retry, SessionKey, TenantId, TurnId, TurnRequest};
use crate::session::actor::Message;
use crate::session::delivery::EventReader;
use crate::session::journal::WatchError;
use crate::session::machine::{Act, Acted, Denial, Job, Refused};
use crate::session::names::Claim;
use crate::session::submission::{Reply, Submitter};
use crate::store::{SessionRecord, StoreError, TurnStatus};

impl Registry {
    /// Gives a turn to a session. The answer is the session's own: no turn waits anywhere else. A request that has a name
    /// runs once: when it comes again it joins its turn.
    ///
    /// # Errors
    /// When the session does not take it, or another request has its name.
    pub async fn submit(&self, key: &SessionKey, job: Job) -> Result<Accepted, Denial> {
        if let Some(retry) = job.request.retry
            && let Some(turn) = self.repeated(key, retry, &job.request)?
            && let Some(accepted) = self.join(key.tenant(), turn).await?
        {
            return Ok(accepted);
        }
        let Some(name) = job.request.idempotency.clone() else { return self.submit_new(key, job).await };
        for _ in 0..MOVES_MAX {
            let claim = match self.inner.names.claim(key.tenant(), &name, job.turn) {
                Claim::Mine(claim) => claim,
                Claim::Taken => return Err(Denial::OtherRequest { key: name.key }),
                Claim::Theirs(mut theirs) => {
                    if let Some(turn) = theirs.accepted().await
                        && let Some(accepted) = self.join(key.tenant(), turn).await?
                    {
                        return Ok(accepted);
                    }
                    // It was not accepted, or nothing is kept of it any more.
                    self.inner.names.release(key.tenant(), &name, theirs.turn);
                    continue;
                }
            };
            // It may have been given before a restart.
            match self.inner.config.store.named(key.tenant(), &name.key)? {
                Some((_, digest)) if digest != name.digest => {
                    drop(claim);
                    self.inner.names.release(key.tenant(), &name, job.turn);
                    return Err(Denial::OtherRequest { key: name.key });
                }
                Some((turn, _)) => {
                    if let Some(accepted) = self.join(key.tenant(), turn).await? {
                        claim.settle(false);
                        self.inner.names.release(key.tenant(), &name, job.turn);
                        return Ok(accepted);
                    }
                }
                None => {}
            }
            let submitted = self.submit_new(key, job).await;
            claim.settle(submitted.is_ok());
            return submitted;
        }
        Err(Denial::Closing)
    }

    /// The turn that a retry means: the session's newest, if it is not over, or nobody has read its answer.
    fn repeated(&self, key: &SessionKey, retry: Retry, request: &TurnRequest) -> Result<Option<TurnId>, StoreError> {
        let Some((view, said)) = self.inner.journal.last_turn(key)? else { return Ok(None) };
        let is_same = said.is_some_and(|said| matches!(&said.kind, EventKind::UserText(said) if request.says(said)));
        let is_meant = match view.status {
            TurnStatus::Queued | TurnStatus::InProgress => is_same || retry == Retry::GoOn,
            TurnStatus::Completed => retry == Retry::GoOn || (is_same && view.is_unread),
            TurnStatus::Interrupted | TurnStatus::Failed => false,
        };
        Ok(is_meant.then_some(view.id))
    }

    /// Reads a turn that was accepted before, from its beginning; none when nothing is known of it.
    async fn join(&self, tenant: &TenantId, turn: TurnId) -> Result<Option<Accepted>, StoreError> {
        let Some(view) = self.inner.journal.turn(tenant, turn)? else { return Ok(None) };
        let observer = match self.inner.journal.watch_turn(tenant, turn, None) {
            Ok(observer) => observer,
            Err(WatchError::Store(error)) => return Err(error),
            Err(WatchError::Unknown | WatchError::Future { .. }) => return Ok(None),
        };
        let (reader, left) = EventReader::joined(turn, observer);
        if let Some(handle) = self.find(&view.session) {
            // Without a task the turn has ended, and all of it is in the journal.
            let _ = handle.inbox.send(Message::Join { turn, left }).await;
        }
        // What has begun says so at once.
        let is_provisional = view.status != TurnStatus::Queued;
        Ok(Some(Accepted { turn, thread: view.thread, reader, is_provisional, is_joined: true }))
    }

    async fn submit_new(&self, key: &SessionKey, job: Job) -> Result<Accepted, Denial> {
        self.give(key, job, Submitter::Reads).await
    }

    /// Gives a turn to a session that runs whether or not anybody reads it. Like [`Registry::submit`].
    ///
    /// # Errors
    /// When the session does not take it.
    pub async fn start(&self, key: &SessionKey, job: Job) -> Result<Submitted, Denial> {
        self.give(key, job, Submitter::Leaves).await
    }

    /// Gives a job to the session's task, or to the next one while it ends.
    pub(super) async fn give<T>(
        &self,
        key: &SessionKey,
        job: Job,
        submitter: impl Fn(oneshot::Sender<Reply<T>>) -> Submitter,
    ) -> Result<T, Denial> {
        let mut job = Box::new(job);
        for _ in 0..MOVES_MAX {
            let handle = self.handle(key, || first_record(key, &job))?;
            let (reply, answer) = oneshot::channel();
            let message = Message::Submit { job, submitter: submitter(reply) };
            if let Err(mpsc::error::SendError(message)) = handle.inbox.send(message).await {
                // The task is gone. Had it ended in order it would be off the list; one that panicked is taken off here.
                self.inner.unlist(key, handle.generation);
                let Message::Submit { job: back, .. } = message else { return Err(Denial::Closing) };
                job = back;
                continue;
            }
            match answer.await {
                Ok(Reply::Taken(taken)) => return Ok(taken),
                Ok(Reply::Denied(denial)) => return Err(denial),
                Ok(Reply::Moved(back)) => job = back,
                // The task broke with the turn in its hands: whether an agent has it is unknown, so it is not given again.
                Err(_) => return Err(Denial::Closing),
            }
        }
        Err(Denial::Closing)
    }

    /// Has a session do something that is no turn. `first` is its record if there is none yet; without one, such a session is
    /// none.
    ///
    /// # Errors
    /// When the session does not do it.
    pub async fn act(&self, key: &SessionKey, act: Act, first: Option<SessionRecord>) -> Result<Acted, Refused> {
        let known = self.inner.config.store.session(key).map_err(Denial::from)?;
        let Some(record) = known.or(first) else { return Err(Refused::NoSession) };
        let (mut act, mut record) = (act, record);
        for _ in 0..MOVES_MAX {
            let handle = self.handle(key, || record.clone())?;
            let (reply, answer) = oneshot::channel();
            let kept = act.clone();
            if handle.inbox.send(Message::Act { act, reply }).await.is_err() {
                self.inner.unlist(key, handle.generation);
            } else if let Ok(result) = answer.await {
                return result;
            }
            act = kept;
            record = self.inner.config.store.session(key).map_err(Denial::from)?.unwrap_or(record);
        }
        Err(Denial::Closing.into())
    }
}
