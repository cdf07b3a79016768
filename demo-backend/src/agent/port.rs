//! How does the backend keep its port while no process listens on it?
//!
//! A bound socket that never listens holds the port: connections to it are refused, as they must be while
//! there is no worker. The table shows which other programs can bind to the port:
//!
//! | program | port is | because |
//! |---|---|---|
//! | our worker | free | it asks for `SO_REUSEPORT`, and the reservation grants it |
//! | a second agent, another server | taken | the reservation does not grant `SO_REUSEADDR`, and they do not
//! ask for `SO_REUSEPORT` |
//! | the next agent after us | free | it asks for `SO_REUSEADDR`, and connections in TIME_WAIT grant it |
//!
//! The options at the time of `bind` are those that a socket asks for. The options at the time of another
//! socket's `bind` are those that it grants. So some options are set before `bind` and others after it.

use std::io::ErrorKind;
use std::net::SocketAddr;

use anyhow::{Result, anyhow};
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;

/// A data port that belongs to this process until this value is dropped.
pub(super) struct Reservation {
    address: SocketAddr,
    _socket: Socket,
}

impl Reservation {
    /// The address, with the actual port if any free port was allowed.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Takes the data port without listening on it.
pub(super) fn reserve(address: SocketAddr) -> Result<Reservation> {
    let take = || -> std::io::Result<Reservation> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.set_reuse_address(false)?;
        socket.set_reuse_port(true)?;
        let address = socket.local_addr()?.as_socket().unwrap_or(address);
        Ok(Reservation { address, _socket: socket })
    };
    take().map_err(|error| explain(error, address, "data", "--port"))
}

/// Opens the control port.
pub(super) fn listen_control(address: SocketAddr) -> Result<TcpListener> {
    let listen = || {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    listen().map_err(|error| explain(error, address, "control", "--control-port"))
}

fn explain(error: std::io::Error, address: SocketAddr, which: &str, flag: &str) -> anyhow::Error {
    let bind_flag = if which == "data" { "--bind" } else { "--control-bind" };
    match error.kind() {
        ErrorKind::AddrInUse => anyhow!(
            "{which} port {address} is taken: end the program that holds it, or give another port with {flag} \
             (0 picks a free one)"
        ),
        ErrorKind::AddrNotAvailable => {
            anyhow!("{} is no address of this machine: give another one with {bind_flag}", address.ip())
        }
        ErrorKind::PermissionDenied => {
            anyhow!("{which} port {address} needs privileges: give one above 1023 with {flag}")
        }
        _ => anyhow!(error).context(format!("cannot open {which} port {address}")),
    }
}
