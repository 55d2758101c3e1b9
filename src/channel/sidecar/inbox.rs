//! What the daemon said, kept until the agent takes it.

use std::sync::Arc;

use rmcp::model::{CustomNotification, ServerNotification};
use rmcp::{Peer, RoleServer};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::mentions;
use crate::wire::channel::{Behavior, Inbound, Permission};

/// Frames that may wait, and MiB that they may hold. Nothing waits once the agent is up; before that the daemon sends little.
const WAITING_MAX: usize = 64;

/// Where frames are put.
#[derive(Debug)]
pub(super) struct Inbox {
    room: Arc<Semaphore>,
    notifications: mpsc::Sender<Arrived>,
    /// The highest number that has arrived.
    received: u64,
    ack_due: bool,
}

/// Where they are taken from.
#[derive(Debug)]
pub(super) struct Arrivals(mpsc::Receiver<Arrived>);

#[derive(Debug)]
struct Arrived {
    notification: ServerNotification,
    _place: Option<OwnedSemaphorePermit>,
}

/// Both ends.
pub(super) fn inbox() -> (Inbox, Arrivals) {
    let room = Arc::new(Semaphore::new(WAITING_MAX));
    let (notifications, arrivals) = mpsc::channel(WAITING_MAX);
    (Inbox { room, notifications, received: 0, ack_due: false }, Arrivals(arrivals))
}

impl Inbox {
    /// Whether another frame may be read. One that is read is taken, however big it is.
    pub(super) fn has_room(&self) -> bool {
        self.room.available_permits() > 0
    }

    /// Waits until it may.
    pub(super) async fn room(&self) {
        let _room = self.room.acquire().await;
    }

    /// A message for the agent.
    pub(super) fn message(&mut self, inbound: Inbound<'_>) {
        if self.is_new(inbound.seq) {
            let bytes = inbound.content.len();
            // Not by json!, which would copy the content once more.
            let content = serde_json::Value::String(inbound.content.into_owned());
            let meta = inbound.meta.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned().into()));
            let meta = serde_json::Value::Object(meta.collect());
            let params = [("content".to_owned(), content), ("meta".to_owned(), meta)].into_iter().collect();
            self.put("notifications/claude/channel", serde_json::Value::Object(params), bytes);
        }
    }

    /// The answer to a question of the agent.
    pub(super) fn permission(&mut self, permission: &Permission<'_>) {
        if self.is_new(permission.seq) {
            let behavior = match permission.behavior {
                Behavior::Allow => "allow",
                Behavior::Deny => "deny",
            };
            let params = json!({ "request_id": permission.request_id, "behavior": behavior });
            self.put("notifications/claude/channel/permission", params, 0);
        }
    }

    /// The highest number that has arrived.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// The number to acknowledge, once.
    pub(super) fn take_ack(&mut self) -> Option<u64> {
        std::mem::take(&mut self.ack_due).then_some(self.received)
    }

    /// Whether it is not known yet. What is known is acknowledged again: the daemon would not send it otherwise.
    fn is_new(&mut self, seq: Option<u64>) -> bool {
        let Some(seq) = seq else { return true };
        self.ack_due = true;
        let is_new = seq > self.received;
        self.received = self.received.max(seq);
        is_new
    }

    fn put(&self, method: &'static str, params: serde_json::Value, bytes: usize) {
        let notification = CustomNotification::new(method, Some(params)).into();
        let wanted = bytes.div_ceil(1 << 20).clamp(1, self.room.available_permits().max(1));
        let place = self.room.clone().try_acquire_many_owned(wanted as u32).ok();
        // Nobody reads a frame while there is no room, so there is a place in the queue.
        if self.notifications.try_send(Arrived { notification, _place: place }).is_err() {
            tracing::warn!("a frame of turnmux came while there was no room for it, and is lost");
        }
    }
}

impl Arrivals {
    /// Hands everything to the agent, one after another, from the moment on when it is ready; until it is gone.
    pub(super) async fn hand_over(mut self, ready: oneshot::Receiver<Peer<RoleServer>>, started: fn()) {
        let Ok(agent) = ready.await else { return };
        started();
        let reads_files = agent.peer_info().is_none_or(|agent| mentions::act_in(&agent.client_info.version));
        while let Some(Arrived { mut notification, _place }) = self.0.recv().await {
            if reads_files && let ServerNotification::CustomNotification(custom) = &mut notification {
                custom.params.as_mut().map(Value::as_object_mut).into_iter().flatten().for_each(mentions::defuse);
            }
            // It takes nothing more when it is about to end, of which its stdin tells.
            if agent.send_notification(notification).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(inbox: &mut Inbox, seq: u64, bytes: usize) {
        let content = "x".repeat(bytes).into();
        inbox.message(Inbound { seq: Some(seq), content, meta: std::collections::BTreeMap::default() });
    }

    #[test]
    fn a_known_frame_is_acknowledged_again_and_dropped() {
        let (mut inbox, mut arrivals) = inbox();
        message(&mut inbox, 1, 1);
        message(&mut inbox, 2, 1);
        assert_eq!((inbox.received(), inbox.take_ack(), inbox.take_ack()), (2, Some(2), None));
        message(&mut inbox, 2, 1);
        assert_eq!(inbox.take_ack(), Some(2));
        assert_eq!((arrivals.0.try_recv().is_ok(), arrivals.0.try_recv().is_ok()), (true, true));
        assert!(arrivals.0.try_recv().is_err(), "two have arrived");
    }

    #[test]
    fn there_is_room_for_64_frames_or_64_mebibytes() {
        let (mut inbox, mut arrivals) = inbox();
        for seq in 1..=64 {
            assert!(inbox.has_room(), "before {seq}");
            message(&mut inbox, seq, 1);
        }
        assert!(!inbox.has_room());
        while arrivals.0.try_recv().is_ok() {}
        assert!(inbox.has_room());
        message(&mut inbox, 65, 60 << 20);
        assert!(inbox.has_room());
        message(&mut inbox, 66, 5 << 20);
        assert!(!inbox.has_room());
        assert!(arrivals.0.try_recv().is_ok());
        assert!(inbox.has_room());
    }
}
