//! The client of a request, and the interim answers to it.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;

use bytes::{BufMut, BytesMut};
use http::{HeaderValue, StatusCode, Version};

use crate::proxy::message::head::ResponseHead;

/// An address as forwarding headers contain it.
pub(crate) fn spelled(ip: IpAddr) -> HeaderValue {
    let text = match ip {
        // The standard library needs about a thousand instructions for this, and each connection needs it.
        IpAddr::V4(ip) => {
            let mut text = BytesMut::with_capacity("255.255.255.255.".len());
            for octet in ip.octets() {
                text.put_slice(itoa::Buffer::new().format(octet).as_bytes());
                text.put_u8(b'.');
            }
            text.truncate(text.len() - 1);
            text.freeze()
        }
        IpAddr::V6(ip) => ip.to_string().into(),
    };
    HeaderValue::from_maybe_shared(text).expect("an address has no control characters")
}

/// The client of a request, and the interim answers to it.
#[derive(Debug)]
pub(crate) struct ClientContext {
    /// The IP address of the client, as forwarding headers contain it.
    pub(crate) address: HeaderValue,
    /// The client is a proxy whose forwarding headers are trusted.
    pub(crate) trusted: bool,
    /// Interim answers that are not written yet.
    interim: RefCell<Vec<ResponseHead>>,
    takes_interim: Cell<bool>,
    /// The client waits for 100 Continue before it sends its body, and has not got it yet.
    awaits_continue: Cell<bool>,
}

impl ClientContext {
    pub(crate) fn new(address: HeaderValue, trusted: bool) -> Self {
        Self {
            address,
            trusted,
            interim: RefCell::default(),
            takes_interim: Cell::new(false),
            awaits_continue: Cell::new(false),
        }
    }

    /// Forwards an interim answer, if the client can use it: HTTP/1.0 has none (RFC 9110, section 15.2), and
    /// the client gets 100 Continue only once, even if several backends send it.
    pub(crate) fn inform(&self, interim: ResponseHead) {
        let wanted = match interim.status {
            StatusCode::CONTINUE => self.awaits_continue.replace(false),
            _ => true,
        };
        if wanted && self.takes_interim.get() {
            self.interim.borrow_mut().push(interim);
        }
    }

    /// Sends the client 100 Continue, if the client waits for that.
    pub(crate) fn send_continue(&self) {
        self.inform(ResponseHead::new(StatusCode::CONTINUE));
    }

    /// Whether there are interim answers that are not written yet. Most requests have none.
    #[inline]
    pub(crate) fn has_interim(&self) -> bool {
        !self.interim.borrow().is_empty()
    }

    /// Passes the interim answers that are not written yet to `write`, in order.
    pub(crate) fn take_interim(&self, write: impl FnMut(ResponseHead)) {
        self.interim.borrow_mut().drain(..).for_each(write);
    }

    /// Whether the client waits for 100 Continue.
    pub(crate) fn awaits_continue(&self) -> bool {
        self.awaits_continue.get()
    }

    /// The next request of this client has come, in this version. With `expects`, the client waits for 100
    /// Continue.
    pub(crate) fn begin(&self, version: Version, expects: bool) {
        self.takes_interim.set(version != Version::HTTP_10);
        // Any other expectation is refused before a backend gets the request.
        self.awaits_continue.set(expects && version != Version::HTTP_10);
        self.interim.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_their_usual_spelling() {
        for text in ["0.0.0.0", "192.0.2.7", "255.255.255.255", "::1", "2001:db8::7"] {
            assert_eq!(spelled(text.parse().unwrap()), text);
        }
    }
}
