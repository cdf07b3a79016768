//! The present addresses of a backend's name, and whether a connection still leads to one of them.
//!
//! A name can move to other addresses while the old ones still answer. So each object that belongs to an
//! address, such as a kept connection, stores the generation of the addresses at its creation. As long as
//! this is the present generation, no addresses need to be compared.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

/// A backend's addresses.
#[derive(Debug)]
pub(crate) struct Resolved {
    addresses: ArcSwap<Vec<SocketAddr>>,
    generation: AtomicU64,
}

/// The generation of addresses: a new number at each change, and different for each backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation(u64);

impl Generation {
    /// A number that no backend has. Two backends with the same name, one after the other, must have
    /// different numbers.
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl Resolved {
    /// The one address of a backend that needs no look-up, or no address yet.
    pub(crate) fn new(literal: Option<SocketAddr>) -> Self {
        Self {
            addresses: ArcSwap::from_pointee(literal.into_iter().collect()),
            generation: AtomicU64::new(Generation::next().0),
        }
    }

    /// The addresses, in the order in which they are tried; empty until the name was looked up, and then
    /// always the last good answer.
    pub(crate) fn addresses(&self) -> Arc<Vec<SocketAddr>> {
        self.addresses.load_full()
    }

    /// Whether the name was never looked up with success.
    pub(crate) fn is_empty(&self) -> bool {
        self.addresses.load().is_empty()
    }

    /// Stores the present addresses of the name.
    pub(crate) fn set(&self, addresses: Vec<SocketAddr>) {
        if **self.addresses.load() != addresses {
            self.addresses.store(Arc::new(addresses));
            // After the addresses: so a reader of the new number sees the new addresses.
            self.generation.store(Generation::next().0, Ordering::Release);
        }
    }

    /// The present generation. Read it before the addresses: then a new object seems too old at worst, and
    /// never too new.
    pub(crate) fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Acquire))
    }

    /// Whether this is one of the addresses.
    pub(crate) fn has(&self, peer: SocketAddr) -> bool {
        let at = |address: &SocketAddr| (address.ip().to_canonical(), address.port());
        self.addresses.load().iter().any(|address| at(address) == at(&peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn other_addresses_are_another_generation() {
        let resolved = Resolved::new(None);
        assert!(resolved.is_empty());
        let mut last = resolved.generation();
        let mut changes = |addresses: &[&str]| {
            resolved.set(list(addresses));
            let before = std::mem::replace(&mut last, resolved.generation());
            last != before
        };
        assert!(changes(&["10.0.0.1:80"]));
        assert!(!changes(&["10.0.0.1:80"]));
        assert!(changes(&["10.0.0.2:80", "10.0.0.1:80"]));
        assert!(changes(&["10.0.0.2:80"]));
    }

    #[test]
    fn two_backends_never_have_the_same_generation() {
        assert_ne!(Resolved::new(None).generation(), Resolved::new(None).generation());
    }

    #[test]
    fn an_address_is_known_in_every_form() {
        let resolved = Resolved::new(None);
        resolved.set(list(&["10.0.0.1:80", "[::1]:80"]));
        let table = [
            ("10.0.0.1:80", true),
            ("[::ffff:10.0.0.1]:80", true),
            ("[::1]:80", true),
            ("10.0.0.1:81", false),
            ("10.0.0.2:80", false),
        ];
        for (peer, expected) in table {
            assert_eq!(resolved.has(peer.parse().unwrap()), expected, "{peer}");
        }
    }
}
