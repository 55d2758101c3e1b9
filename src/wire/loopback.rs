//! Hosts that are this machine, as they stand in URLs, `Host` and `Origin`: the addresses of loopback, and the names of RFC 6761,
//! section 6.3. Nothing is asked of a resolver: that takes a while, and an answer from outside.

use std::net::IpAddr;

/// Whether a host, without its port, is this machine: an address of loopback, `localhost` or a name below it, in any case.
pub fn is_loopback(host: &str) -> bool {
    match ip(host) {
        Some(ip) => ip.is_loopback(),
        None => bare(host).rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost")),
    }
}

/// The address that a host is, with IPv6's brackets or without; none for a name.
pub fn ip(host: &str) -> Option<IpAddr> {
    bare(host).parse().ok()
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_many_names() {
        for ours in ["127.0.0.1", "127.9.9.9", "[::1]", "::1", "localhost", "LOCALHOST", "a.localhost", "a.b.LocalHost"]
        {
            assert!(is_loopback(ours), "{ours}");
        }
    }

    #[test]
    fn others_are_not_taken_for_it() {
        for foreign in [
            "",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
            "[::ffff:10.0.0.1]",
            "2130706433",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "localhost.",
            "127.0.0.1:80",
            "localhost:80",
            "x@localhost:80",
        ] {
            assert!(!is_loopback(foreign), "{foreign}");
        }
    }

    #[test]
    fn an_address_is_no_name() {
        assert_eq!(ip("10.0.0.1"), Some([10, 0, 0, 1].into()));
        assert_eq!(ip("[::1]"), ip("::1"));
        assert!(ip("::1").is_some());
        assert_eq!(ip("localhost"), None);
    }
}
