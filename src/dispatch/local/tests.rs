//! What is said no to before a session is asked.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::driver::scripted::Scripted;
use crate::driver::{Attachment, Driver, OpenRequest, Plan, SteerMode};
use crate::protocol::{Image, Limits, LostThread, TurnOptions};
use crate::session::{Capacity, Policy, RegistryConfig};
use crate::store::MemoryStore;

/// A driver whose agents take text alone.
struct Blind;

impl Driver for Blind {
    fn name(&self) -> &'static str {
        "blind"
    }

    fn steer_mode(&self) -> SteerMode {
        SteerMode::InterruptOnly
    }

    fn check(&self, _: &BackendSpec, _: &Path) -> Result<(), TurnError> {
        Ok(())
    }

    fn plan(&self, _: &TurnOptions, _: &TurnOptions) -> Plan {
        Plan::Live
    }

    fn open(&self, _: OpenRequest) -> Attachment {
        unreachable!("no turn is given to it")
    }
}

fn local(backends: &[(&str, &str)]) -> Local {
    let policy = Policy {
        limits: Limits::default(),
        idle_timeout: Duration::MAX,
        unnamed_idle_timeout: Duration::MAX,
        queue_max: 1,
        disconnect_grace: Duration::ZERO,
        linger: Duration::ZERO,
        lost_thread: LostThread::Continue,
        lasting: false,
    };
    let store = Arc::new(MemoryStore::new(1, 1 << 20));
    let registry = Registry::new(RegistryConfig { policy, capacity: Capacity::new(1, Tenants::default()), store });
    let spec = |(id, driver): &(&str, &str)| {
        let id = BackendId::new(id);
        (id.clone(), Arc::new(BackendSpec::new(id, driver, "")))
    };
    let config = LocalConfig {
        backends: backends.iter().map(spec).collect(),
        aliases: BTreeMap::new(),
        default_backend: BackendId::new(backends[0].0),
        agents: BTreeMap::new(),
        directory: "/".into(),
        tenants: Tenants::default(),
    };
    Local::new(config, Catalog::default().with(Arc::new(Blind)).with(Arc::new(Scripted::default())), registry)
}

fn refused(local: &Local, backend: &str, images: usize) -> Option<String> {
    let key = SessionKey::fresh(TenantId::local());
    let images = vec![Image::encode(b"GIF89a").unwrap(); images];
    let request = TurnRequest { images, ..TurnRequest::new(BackendId::new(backend), "look") };
    local.job(&key, request).err().map(|refusal| refusal.to_string())
}

#[tokio::test]
async fn an_agent_that_takes_no_images_is_given_none() {
    let one = local(&[("text", "blind")]);
    assert_eq!(refused(&one, "text", 0), None);
    let refusal = refused(&one, "text", 1).unwrap();
    assert!(refusal.contains("model `text` takes text only") && refusal.contains("`claude-stream`"), "{refusal}");

    let more = local(&[("text", "blind"), ("seeing", "scripted"), ("too", "scripted")]);
    let refusal = refused(&more, "text", 1).unwrap();
    assert!(refusal.ends_with("these take them: seeing, too"), "{refusal}");
    assert_eq!(refused(&more, "seeing", 1), None);
}
