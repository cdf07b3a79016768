//! The address that clients connect to: a port of this process, or a socket that outlives this process.
//!
//! A balancer that ends closes its port, and clients that connect before the next balancer opens it are
//! refused. If a supervisor holds the listening socket and passes it to one balancer after the other, no
//! client is refused: in between, clients wait in the queue of the socket. This is systemd's protocol
//! (sd_listen_fds(3), "socket activation"), which other supervisors support too.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

use listenfd::ListenFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::coop::consume_budget;

use crate::config::listen::AddressSource;
use crate::transport::plain;

/// Why the balancer cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program uses the port.
    #[error("port {port} is in use; stop the program that uses it, or choose another port with {flag}")]
    Taken {
        /// The port.
        port: u16,
        /// The flag or the section that chooses it.
        flag: &'static str,
    },
    /// Ports below a number that the system sets need a permission.
    #[error(
        "this process has no permission to use port {port}; choose a port from 1024 on with {flag}, or give the permission: \
         setcap cap_net_bind_service=+ep on the lb program, authbind --deep lb, a systemd .socket unit with \
         ListenStream={port}, or sysctl net.ipv4.ip_unprivileged_port_start={port}"
    )]
    Forbidden {
        /// The port.
        port: u16,
        /// The flag or the section that chooses it.
        flag: &'static str,
    },
    /// No interface has the address.
    #[error(
        "cannot listen on {address}: no network interface of this machine has {}; choose one that `ip address` shows, or all \
         of this machine's with 0.0.0.0 or ::, with {flag}",
        address.ip()
    )]
    Foreign {
        /// The address.
        address: SocketAddr,
        /// The flag or the section that chooses it.
        flag: &'static str,
    },
    /// The address cannot be used for another reason.
    #[error("cannot listen on {address}: {source}; choose another address with {flag}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The flag or the section that chooses it.
        flag: &'static str,
        /// The error of the system.
        source: io::Error,
    },
    /// The passed sockets cannot be used.
    #[error(
        "LISTEN_FDS must name {}, but {problem}; {}pass {}, or unset LISTEN_FDS",
        sockets(*needed, *flags).0,
        flags.map(|flags| format!("leave out {flags}, ")).unwrap_or_default(),
        sockets(*needed, *flags).1
    )]
    Inherited {
        /// The number of listeners of the configuration.
        needed: usize,
        /// The flags that replace the sections for listeners, if there are such flags.
        flags: Option<&'static str>,
        /// What is wrong.
        problem: String,
    },
}

/// The sockets that a supervisor must pass, and how many they are; and the `flags` that are the reason for
/// this number.
fn sockets(needed: usize, flags: Option<&'static str>) -> (String, String) {
    match needed {
        1 => {
            let why = flags.map(|flags| format!(" ({flags} stands in place of all [[listener]] sections)"));
            let one = "exactly one listening TCP socket, descriptor 3";
            (format!("{one}{}", why.unwrap_or_default()), "one socket".to_owned())
        }
        _ => (
            format!("one listening TCP socket for each of the {needed} listeners, from descriptor 3 on"),
            format!("{needed} sockets"),
        ),
    }
}

/// Takes the sockets that a supervisor passes, if there are any: one in place of each of the `needed`
/// listeners, whose addresses are given in this `source`.
///
/// # Errors
/// There are more or fewer sockets, or one of them cannot be used.
pub(super) fn inherited(
    needed: usize,
    source: AddressSource,
) -> Result<Option<Vec<TcpListener>>, StartError> {
    let flags = match source {
        AddressSource::FlagsInsteadOfSections(flags) => Some(flags),
        AddressSource::Listen | AddressSource::Sections => None,
    };
    let wrong = |problem: String| StartError::Inherited { needed, flags, problem };
    let mut handed = ListenFd::from_env();
    match handed.len() {
        0 => return Ok(None),
        passed if passed == needed => {}
        passed => return Err(wrong(format!("there are {passed}"))),
    }
    let take = |index: usize| match handed.take_tcp_listener(index) {
        Ok(Some(listener)) if plain::is_listening(&listener) => {
            plain::prepare(&listener).map_err(|error| wrong(error.to_string()))?;
            Ok(listener)
        }
        Ok(_) if needed == 1 => Err(wrong("it does not listen".to_owned())),
        Ok(_) => Err(wrong(format!("number {} does not listen", index + 1))),
        Err(error) => Err(wrong(error.to_string())),
    };
    (0..needed).map(take).collect::<Result<_, _>>().map(Some)
}

/// Opens a port; `flag` is the flag that sets the address.
pub(super) fn listen(address: SocketAddr, flag: &'static str) -> Result<TcpListener, StartError> {
    plain::listen(address).map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::Taken { port: address.port(), flag },
        io::ErrorKind::PermissionDenied => StartError::Forbidden { port: address.port(), flag },
        io::ErrorKind::AddrNotAvailable => StartError::Foreign { address, flag },
        _ => StartError::Bind { address, flag, source },
    })
}

/// Lets the runtime of this thread watch a listener, but not the accepted connections, which may go to other
/// threads.
#[expect(
    deprecated,
    reason = "its successor is unsafe, because a descriptor might change; a listener's does not"
)]
pub(super) fn watch(listener: TcpListener) -> io::Result<AsyncFd<TcpListener>> {
    AsyncFd::with_interest(listener, Interest::READABLE)
}

/// Waits for a connection and accepts it.
///
/// Before a call of `accept`, this asks the kernel whether a connection waits. If no connection waits,
/// `accept` makes a socket and a file and destroys them, which costs much more than the question. Without the
/// question, there would be such a call after each group of connections: the runtime reports new connections
/// once, and expects the program to accept until no connection is left.
pub(super) async fn next(listener: &AsyncFd<TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    loop {
        // Clients may arrive faster than they are accepted: accepted clients must be served in between.
        consume_budget().await;
        let mut ready = listener.readable().await?;
        if !plain::a_client_waits(listener.get_ref())? {
            // If a client has arrived since the question, the runtime reports it after this. So no client is
            // lost.
            ready.clear_ready();
            continue;
        }
        match plain::accept(listener.get_ref()) {
            // Another process that accepts from this socket was faster.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            accepted => return accepted,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::task::{Context, Wake};

    use super::*;

    /// Whether the task was woken.
    #[derive(Default)]
    struct Bell(AtomicBool);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Relaxed);
        }
    }

    #[tokio::test]
    async fn a_wait_for_the_next_client_wakes_no_task_before_it_comes() {
        let listener = watch(listen("127.0.0.1:0".parse().unwrap(), "--port").unwrap()).unwrap();
        let _client = TcpStream::connect(listener.get_ref().local_addr().unwrap()).unwrap();
        next(&listener).await.unwrap();
        // The runtime still reports that a client waits.
        let bell = Arc::new(Bell::default());
        let next = pin!(next(&listener));
        assert!(next.poll(&mut Context::from_waker(&Arc::clone(&bell).into())).is_pending());
        // A task that must let others run is woken after that.
        tokio::task::yield_now().await;
        assert!(!bell.0.load(Relaxed), "no client has come");
    }

    #[tokio::test]
    async fn others_have_their_turn_while_many_are_accepted() {
        let listener = watch(listen("127.0.0.1:0".parse().unwrap(), "--port").unwrap()).unwrap();
        let address = listener.get_ref().local_addr().unwrap();
        let clients: Vec<_> = (0..400).map(|_| TcpStream::connect(address).unwrap()).collect();
        let (accepted, seen) = (Cell::new(0), Cell::new(0));
        let accepting = async {
            while accepted.get() < clients.len() {
                next(&listener).await.unwrap();
                accepted.set(accepted.get() + 1);
            }
        };
        let watching = async {
            loop {
                seen.set(accepted.get());
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = accepting => {}
            () = watching => {}
        }
        assert!((1..clients.len()).contains(&seen.get()), "{} were accepted in one go", clients.len());
    }
}
