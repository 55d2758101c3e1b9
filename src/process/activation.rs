//! What a service manager hands over and is told: a socket that it listens on for us, and how far we are.
//!
//! systemd passes descriptors from 3 on and says so in `LISTEN_FDS`; `LISTEN_PID` says whom it means, for the variables
//! outlive the process that they are for. It is told by datagrams to `NOTIFY_SOCKET`.

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use nix::libc;
use socket2::{SockRef, Type};

/// The first descriptor that is handed over.
const FIRST: i32 = 3;

/// Why a socket that was handed over cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// There are several, or the number is none.
    #[error("LISTEN_FDS is {0:?}, and turnmux takes exactly one socket; give its socket unit one ListenStream=")]
    Count(OsString),
    /// The descriptor is not there.
    #[error("LISTEN_FDS promises a socket as descriptor 3, which is not open: {0}")]
    Closed(#[source] io::Error),
    /// It is something else.
    #[error(
        "descriptor 3 is no TCP socket that listens; write ListenStream= with an address and a port, and no Accept=yes"
    )]
    NoListener,
    /// The system refuses to use it.
    #[error("the socket that was handed over cannot be used: {0}")]
    System(#[from] io::Error),
}

/// How far the daemon is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Requests are answered.
    Ready,
    /// It ends; what takes long now is in order.
    Stopping,
}

/// The socket that a service manager listens on for this process; none if there is no such thing. To be called once, before
/// anything opens a descriptor. The socket does not block and is not inherited.
///
/// # Errors
/// When something was handed over that is not one listening TCP socket.
pub fn inherited_listener() -> Result<Option<TcpListener>, ActivationError> {
    let of_us = std::env::var("LISTEN_PID").is_ok_and(|pid| pid.parse() == Ok(std::process::id()));
    let count = std::env::var_os("LISTEN_FDS").filter(|_| of_us);
    let Some(count) = count else { return Ok(None) };
    if count != "1" {
        return Err(ActivationError::Count(count));
    }
    let socket = take(FIRST).map_err(ActivationError::Closed)?;
    if !is_tcp_listener(&socket) {
        return Err(ActivationError::NoListener);
    }
    let listener = TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    Ok(Some(listener))
}

/// Tells the service manager, where one wants to hear it. That it cannot be told stops nobody.
pub fn notify(stage: Stage) {
    let Some(to) = std::env::var_os("NOTIFY_SOCKET").filter(|to| !to.is_empty()) else { return };
    let said = match stage {
        Stage::Ready => "READY=1",
        Stage::Stopping => "STOPPING=1",
    };
    let told =
        address(to.as_bytes()).and_then(|address| UnixDatagram::unbound()?.send_to_addr(said.as_bytes(), &address));
    if let Err(error) = told {
        tracing::warn!(%error, "the service manager cannot be told: {said}");
    }
}

/// A path, or with an `@` in front a name that only the kernel knows.
fn address(name: &[u8]) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let [b'@', name @ ..] = name {
        return <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name);
    }
    SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))
}

/// Makes a descriptor that somebody left open ours, and keeps it from our children.
fn take(number: i32) -> io::Result<OwnedFd> {
    #[expect(unsafe_code, reason = "a descriptor is known by its number alone")]
    // SAFETY: fcntl takes integers, and says so when the descriptor is not open. What `LISTEN_PID` promises to this very
    // process nobody else in it has: this is called once, before anything is opened.
    unsafe {
        if libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(number))
    }
}

fn is_tcp_listener(socket: &OwnedFd) -> bool {
    let socket = SockRef::from(socket);
    let is_ip = socket.local_addr().is_ok_and(|address| address.as_socket().is_some());
    is_ip && socket.r#type().is_ok_and(|kind| kind == Type::STREAM) && socket.is_listener().unwrap_or(false)
}
