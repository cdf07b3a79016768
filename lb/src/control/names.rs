//! What do the names of backends stand for? The part of [`Control`] that looks names up and applies the answers.

use std::net::SocketAddr;
use std::time::Duration;

use balance::Address;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::Control;
use super::words::{UNCHANGED, remember};

/// How often the names of backends are looked up, besides with each ping.
const RESOLVE: Duration = Duration::from_secs(2);

impl Control {
    /// Looks up the names of backends again and again. When there is no answer, the last good one holds. Names are
    /// looked up side by side, and each answer is taken up when it comes: none waits for another name.
    pub(crate) async fn keep_resolving(&self) -> ! {
        loop {
            let end_of_round = tokio::time::sleep(RESOLVE);
            tokio::pin!(end_of_round);
            // A look-up that takes longer than a round is waited for in the next one again.
            let mut looking_up = FuturesUnordered::new();
            for member in self.settings.load().backends.iter().filter(|member| member.every_address) {
                let address = member.address.clone();
                looking_up.push(async {
                    let found = self.resolver.look_up(&address.host).await;
                    (address, found.unwrap_or_default())
                });
            }
            self.pool.backends().iter().for_each(|backend| self.resolver.refresh(backend));
            loop {
                tokio::select! {
                    Some((name, found)) = looking_up.next() => self.take_up_name(name, &found),
                    () = &mut end_of_round => break,
                }
            }
        }
    }

    /// A name that stands for a backend at each of its addresses has these.
    fn take_up_name(&self, name: Address, found: &[SocketAddr]) {
        let found = found.iter().map(SocketAddr::ip).collect();
        remember(&mut self.resolved.borrow_mut(), name, found);
        let changes = self.take_up();
        if changes != UNCHANGED {
            self.observer.intervened(format!("names have new addresses: {changes}"), "names");
        }
    }
}
