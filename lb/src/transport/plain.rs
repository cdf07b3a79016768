//! TCP sockets and listeners, as far as the standard library and the runtime do not cover them.

use std::io;
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{SendFlags, SocketFlags, acceptfrom_with, send};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// The time between two probes of the kernel on a connection whose other side sends nothing more. A closed
/// socket answers with a reset after a minute at most (Linux: `tcp_fin_timeout`), and a machine that is gone
/// does not answer.
const PROBE: Duration = Duration::from_secs(15);

/// The number of probes without an answer that show that the other side is gone.
const PROBES: u32 = 3;

/// Limit of connections that wait to be accepted.
const BACKLOG: i32 = 4096;

/// Connects to an address, with the options that every connection of the balancer has.
///
/// # Errors
/// The system cannot make the connection.
pub(super) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // The balancer writes complete messages; waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let _ = keep_alive(&SockRef::from(&stream));
    Ok(stream)
}

/// Opens a listener at an address.
///
/// # Errors
/// The address cannot be used.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of an earlier run in TIME_WAIT must not prevent the start.
    socket.set_reuse_address(true)?;
    set_options(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether a socket that another process has passed is a listener.
pub(crate) fn is_listening(socket: &TcpListener) -> bool {
    SockRef::from(socket).is_listener().unwrap_or(false)
}

/// Sets the options that [`listen`] sets, on a listener that another process has passed.
///
/// # Errors
/// The kernel refuses an option.
pub(crate) fn prepare(listener: &TcpListener) -> io::Result<()> {
    set_options(&SockRef::from(listener))
}

/// Sets the options of a listener and its connections. Messages are written completely, so Nagle's algorithm
/// would only delay them; and clients that vanish must be detected. Connections inherit the options from the
/// listener, so none of them needs a system call for that.
fn set_options(listener: &Socket) -> io::Result<()> {
    listener.set_tcp_nodelay(true)?;
    keep_alive(listener)?;
    listener.set_nonblocking(true)
}

/// Whether a connection waits to be accepted.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn a_client_waits(listener: &TcpListener) -> io::Result<bool> {
    let mut asked = [PollFd::new(listener, PollFlags::IN)];
    Ok(retry_on_intr(|| poll(&mut asked, Some(&Timespec::default())))? > 0)
}

/// Accepts a connection, which will not block, and returns it with the address of the client. This is one
/// system call; the standard library needs two.
///
/// # Errors
/// No connection waits, or it cannot be accepted.
pub(crate) fn accept(listener: &TcpListener) -> io::Result<(std::net::TcpStream, SocketAddr)> {
    let (socket, address) = acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    let address = address.and_then(|address| SocketAddr::try_from(address).ok());
    // A passed socket may be of a kind whose clients have no such address.
    Ok((socket.into(), address.ok_or(io::ErrorKind::AddrNotAvailable)?))
}

/// Makes the kernel check, while a connection is silent, whether the other side is still there (RFC 9293,
/// section 3.8.4). So the balancer notices a peer that disappeared without a message after two minutes, also
/// in a tunnel; and network devices that drop silent connections keep this one. Accepted connections inherit
/// this setting from their listener.
///
/// # Errors
/// The kernel refuses the setting.
fn keep_alive(socket: &Socket) -> io::Result<()> {
    let every = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    socket.set_tcp_keepalive(&every.with_retries(4))
}

/// The same, but sooner: for a connection whose other side sends nothing more. If the kernel refuses this,
/// the balancer notices when it writes that the other side has left.
pub(super) fn probe(stream: &TcpStream) {
    let probes = TcpKeepalive::new().with_time(PROBE).with_interval(PROBE).with_retries(PROBES);
    let _ = SockRef::from(stream).set_tcp_keepalive(&probes);
}

/// Whether nothing has come, neither bytes nor an end, as far as the runtime knows.
pub(super) fn is_quiet(read: &mut OwnedReadHalf) -> bool {
    let mut byte = [0];
    let cx = &mut Context::from_waker(Waker::noop());
    Pin::new(read).poll_read(cx, &mut ReadBuf::new(&mut byte)).is_pending()
}

/// Whether nothing has come, neither bytes nor an end, as far as the kernel knows.
pub(super) fn is_quiet_by_now(stream: &TcpStream) -> bool {
    let seen = SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]);
    seen.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Whether the kernel knows that nothing can be sent any more.
pub(super) fn is_reset(stream: &TcpStream) -> bool {
    let mut asked = [PollFd::new(stream, PollFlags::empty())];
    let answered = poll(&mut asked, Some(&Timespec::default()));
    answered.is_ok() && asked[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Makes the end of the connection a reset.
pub(super) fn end_with_reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Writes the last bytes. The kernel holds them back for the end (send(2), MSG_MORE) if it has memory.
pub(super) fn poll_write_last(
    write: &mut OwnedWriteHalf,
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    match send(write.as_ref(), bytes, SendFlags::MORE | SendFlags::NOSIGNAL) {
        Err(Errno::AGAIN) => Pin::new(write).poll_write(cx, bytes),
        wrote => Poll::Ready(wrote.map_err(Into::into)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_inherit_what_is_settled_for_their_listener() {
        // Not a listener from `listen`: a passed socket has been listening before.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        prepare(&listener).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        // The handshake over the loopback is complete when the client has been told.
        let (stream, _) = accept(&listener).unwrap();
        assert!(stream.nodelay().unwrap());
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
    }
}
