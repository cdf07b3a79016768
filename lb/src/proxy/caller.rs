//! Who sent a request, and what is it told before its answer?

use std::cell::{Cell, RefCell};
use std::net::IpAddr;

use bytes::{BufMut, BytesMut};
use http::{HeaderValue, StatusCode, Version};

use super::head::ResponseHead;
use super::http1::request::Head;
use super::http1::response::write_interim;
use super::wire::Writer;

/// An address as forwarding headers name it.
pub(crate) fn spelled(ip: IpAddr) -> HeaderValue {
    let text = match ip {
        // The standard library takes about a thousand instructions for it, and this is done for every connection.
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

/// Who sent a request, and what it is told before its answer.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Its IP address, as forwarding headers name it.
    pub(crate) address: HeaderValue,
    /// It is a proxy that may speak for others.
    pub(crate) trusted: bool,
    /// Interim answers that are still to be written.
    interim: RefCell<Vec<u8>>,
    takes_interim: Cell<bool>,
    /// It waits to be told to send its body, and was not told so yet.
    awaits_continue: Cell<bool>,
}

impl Caller {
    pub(crate) fn new(address: HeaderValue, trusted: bool) -> Self {
        Self {
            address,
            trusted,
            interim: RefCell::default(),
            takes_interim: Cell::new(false),
            awaits_continue: Cell::new(false),
        }
    }

    /// Passes an interim answer on, if the client can make anything of it: HTTP/1.0 knows none (RFC 9110,
    /// section 15.2), and however many backends say so, it must continue only once.
    pub(crate) fn tell(&self, interim: &ResponseHead) {
        let wanted = match interim.status {
            StatusCode::CONTINUE => self.awaits_continue.replace(false),
            _ => true,
        };
        if wanted && self.takes_interim.get() {
            write_interim(&mut self.interim.borrow_mut(), interim);
        }
    }

    /// Tells it to send its body, if it waits for that.
    pub(crate) fn go_on(&self) {
        self.tell(&ResponseHead::new(StatusCode::CONTINUE));
    }

    /// Hands over what is still to be written.
    pub(crate) fn flush<B>(&self, outgoing: &mut Writer<B>) {
        let mut interim = self.interim.borrow_mut();
        if !interim.is_empty() {
            outgoing.put(|out| out.append(&mut interim));
        }
    }

    /// Whether it waits to be told to send its body.
    pub(crate) fn awaits_continue(&self) -> bool {
        self.awaits_continue.get()
    }

    /// Another request of his has come.
    pub(crate) fn begin(&self, head: &Head) {
        self.takes_interim.set(head.request.version == Version::HTTP_11);
        // Whatever else it may expect is refused before any backend could say something.
        self.awaits_continue.set(head.expects);
        self.interim.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_spelled_as_everywhere() {
        for text in ["0.0.0.0", "192.0.2.7", "255.255.255.255", "::1", "2001:db8::7"] {
            assert_eq!(spelled(text.parse().unwrap()), text);
        }
    }
}
