//! The session affinity: `id:n`.

/// Which session a client says that a request belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::api) struct Affinity {
    /// The header or field that says so.
    pub(in crate::api) source: &'static str,
    /// The session.
    pub(in crate::api) id: String,
    /// How often its conversation was begun anew or compacted, where that is counted.
    pub(in crate::api) boundary: Option<u64>,
}

impl Affinity {
    /// Reads `id:n` of OpenClaw's. Other clients' values have no such form: `customer:7` and `customer:8` are two chats. So
    /// the count is split off where the request is OpenClaw's, and where the rest is a UUID, as its session ids are.
    pub(in crate::api) fn read(source: &'static str, value: String, is_openclaw: bool) -> Self {
        let count = value.rsplit_once(':').and_then(|(id, count)| {
            let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
            let ours = !id.is_empty() && (is_openclaw || uuid::Uuid::try_parse(id).is_ok());
            // More than a u64 holds is no count of conversations.
            (digits && ours).then(|| count.parse().ok().map(|count: u64| (id.to_owned(), count)))?
        });
        match count {
            Some((id, boundary)) => Self { source, id, boundary: Some(boundary) },
            None => Self { source, id: value, boundary: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str, is_openclaw: bool) -> (String, Option<u64>) {
        let affinity = Affinity::read("session_id", value.to_owned(), is_openclaw);
        (affinity.id, affinity.boundary)
    }

    #[test]
    fn the_count_is_what_stands_behind_the_last_colon() {
        let id = "20935dbb-568f-496f-8eeb-1223d1a298c2";
        assert_eq!(read(&format!("{id}:0"), false), (id.into(), Some(0)));
        assert_eq!(read(&format!("{id}:17"), true), (id.into(), Some(17)));
        assert_eq!(read("my:session:3", true), ("my:session".into(), Some(3)));
    }

    #[test]
    fn what_is_no_count_belongs_to_the_name() {
        for value in ["session", "session:", ":3", "session:+3", "session:3a", "s:99999999999999999999"] {
            assert_eq!(read(value, true), (value.into(), None));
        }
        assert_eq!(read("customer:7", false), ("customer:7".into(), None), "another client's name");
    }
}
