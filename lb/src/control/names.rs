//! The part of [`Control`] that looks up the names of backends and applies the answers.

use std::net::SocketAddr;
use std::time::Duration;

use balance::Address;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::Control;
use super::plan::{UNCHANGED, remember};

/// Interval of look-ups of backends' names, in addition to those of pings.
const RESOLVE: Duration = Duration::from_secs(2);

impl Control {
    /// Looks up the names of backends repeatedly. Without an answer, the last good answer stays valid. The
    /// names are looked up in parallel, and each answer is applied when it arrives: no name waits for
    /// another.
    pub(crate) async fn keep_resolving(&self) -> ! {
        loop {
            let end_of_round = tokio::time::sleep(RESOLVE);
            tokio::pin!(end_of_round);
            // The next round also waits for a look-up that takes longer than a round.
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
                    Some((name, found)) = looking_up.next() => self.apply_name(name, &found),
                    () = &mut end_of_round => break,
                }
            }
        }
    }

    /// Applies the addresses of a name that stands for a separate backend at each address.
    fn apply_name(&self, name: Address, found: &[SocketAddr]) {
        let found = found.iter().map(SocketAddr::ip).collect();
        remember(&mut self.resolved.borrow_mut(), name, found);
        let changes = self.apply_members();
        if changes != UNCHANGED {
            self.intervened(format!("names have new addresses: {changes}"), None, "names");
        }
    }
}
