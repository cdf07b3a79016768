//! TCP sockets, as far as the standard library and the runtime do not cover them.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use socket2::{SockRef, Socket, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// The time between two probes of the kernel on a connection whose other side sends nothing more. A closed
/// socket answers with a reset after a minute at most (Linux: `tcp_fin_timeout`), and a machine that is gone
/// does not answer.
const PROBE: Duration = Duration::from_secs(15);

/// The number of probes without an answer that show that the other side is gone.
const PROBES: u32 = 3;

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

/// Makes the kernel check, while a connection is silent, whether the other side is still there (RFC 9293,
/// section 3.8.4). So the balancer notices a peer that disappeared without a message after two minutes, also
/// in a tunnel; and network devices that drop silent connections keep this one. Accepted connections inherit
/// this setting from their listener.
///
/// # Errors
/// The kernel refuses the setting.
pub(crate) fn keep_alive(socket: &Socket) -> io::Result<()> {
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
