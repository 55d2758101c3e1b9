//! The address of a daemon, as people write it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hyper::Uri;

use super::UrlProblem;
use crate::wire::loopback::{ip, is_loopback};

/// The port of addresses that name none, as of every `http://`.
const HTTP_PORT: u16 = 80;

/// The addresses to try, in this order, and what stands in `Host`. Loopback alone: nothing is encrypted here.
pub(super) fn read(url: &str) -> Result<(Vec<SocketAddr>, String), UrlProblem> {
    let uri: Uri = url.trim().parse().map_err(|_| UrlProblem::NoUrl)?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => return Err(UrlProblem::Tls),
        _ => return Err(UrlProblem::NoUrl),
    }
    let authority = uri.authority().ok_or(UrlProblem::NoUrl)?;
    if authority.as_str().contains('@') {
        return Err(UrlProblem::Secret);
    }
    // What OpenAI's clients are given ends in /v1.
    if !matches!(uri.path(), "" | "/" | "/v1" | "/v1/") || uri.query().is_some() {
        return Err(UrlProblem::Path);
    }
    // `port()` is none for a number that is too large, too.
    let port = match authority.as_str().rsplit_once(authority.host()) {
        Some((_, "")) => HTTP_PORT,
        Some((_, port)) => port.trim_start_matches(':').parse().map_err(|_| UrlProblem::NoUrl)?,
        None => return Err(UrlProblem::NoUrl),
    };
    if port == 0 {
        return Err(UrlProblem::NoPort);
    }
    let ips = ips(authority.host()).ok_or_else(|| UrlProblem::Far(authority.host().to_owned()))?;
    let addresses = ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
    Ok((addresses, format!("{}:{port}", authority.host())))
}

/// Where a daemon is reached that was told to listen there: on this machine, whichever of its addresses it has.
///
/// # Errors
/// [`UrlProblem::NoPort`] for port 0, and nothing else.
pub fn reached(listen: SocketAddr) -> Result<SocketAddr, UrlProblem> {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    if listen.port() == 0 { Err(UrlProblem::NoPort) } else { Ok(SocketAddr::new(ip, listen.port())) }
}

/// The addresses of a host of loopback; none for any other.
fn ips(host: &str) -> Option<Vec<IpAddr>> {
    let both = || vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    is_loopback(host).then(|| ip(host).map_or_else(both, |ip| vec![ip]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_many_names() {
        let first = |url| read(url).map(|(addresses, host)| (addresses[0].to_string(), host));
        let both = |address: &str, host: &str| Ok((address.to_owned(), host.to_owned()));
        assert_eq!(first("http://127.0.0.1:7433"), both("127.0.0.1:7433", "127.0.0.1:7433"));
        assert_eq!(first(" http://127.0.0.2:1/v1/ "), both("127.0.0.2:1", "127.0.0.2:1"));
        assert_eq!(first("http://LocalHost:7433/"), both("127.0.0.1:7433", "LocalHost:7433"));
        assert_eq!(first("http://mux.localhost"), both("127.0.0.1:80", "mux.localhost:80"));
        assert_eq!(first("http://[::1]:7433"), both("[::1]:7433", "[::1]:7433"));
        assert_eq!(read("http://localhost:1").unwrap().0.len(), 2, "a daemon may listen on either");
    }

    #[test]
    fn others_are_refused_with_the_reason() {
        for (url, problem) in [
            ("", UrlProblem::NoUrl),
            ("127.0.0.1:7433", UrlProblem::NoUrl),
            ("ftp://127.0.0.1", UrlProblem::NoUrl),
            ("http://127.0.0.1:99999", UrlProblem::NoUrl),
            ("http://127.0.0.1:0", UrlProblem::NoPort),
            ("https://127.0.0.1:7433", UrlProblem::Tls),
            ("http://me:secret@127.0.0.1:7433", UrlProblem::Secret),
            ("http://127.0.0.1:7433/v1/turns", UrlProblem::Path),
            ("http://127.0.0.1:7433/?key=secret", UrlProblem::Path),
            ("http://192.168.1.2:7433", UrlProblem::Far("192.168.1.2".to_owned())),
            ("http://localhost.example.org:7433", UrlProblem::Far("localhost.example.org".to_owned())),
        ] {
            assert_eq!(read(url), Err(problem), "{url}");
        }
    }

    #[test]
    fn a_daemon_that_listens_everywhere_is_reached_on_loopback() {
        let reached = |listen: &str| reached(listen.parse().unwrap()).map(|address| address.to_string());
        assert_eq!(reached("0.0.0.0:1"), Ok("127.0.0.1:1".to_owned()));
        assert_eq!(reached("[::]:1"), Ok("[::1]:1".to_owned()));
        assert_eq!(reached("192.168.1.2:1"), Ok("192.168.1.2:1".to_owned()));
        assert_eq!(reached("127.0.0.1:0"), Err(UrlProblem::NoPort));
    }
}
