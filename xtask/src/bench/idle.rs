//! What an idle connection costs in memory: many are opened, each makes one request, and all stay.

use anyhow::Context;

use super::client::Client;
use super::figure::{Figure, Sample};
use super::started::Started;

/// How many connections are opened if the machine lets us.
pub(super) const WANTED: usize = 10_000;

/// Descriptors for everything else; HAProxy claims two for every connection and some besides.
const RESERVED: u64 = 1_000;

/// How many connections fit when every process may have that many descriptors, and a proxy wants two for each.
pub(super) fn connections(descriptors: u64) -> usize {
    let fit = descriptors.saturating_sub(RESERVED) / 2;
    usize::try_from(fit).unwrap_or(WANTED).min(WANTED)
}

/// Opens the connections, and sees by how much the proxy has grown.
pub(super) fn sample(proxy: &Started, connections: usize) -> anyhow::Result<Sample> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let before = proxy.memory()?;
        let mut clients = Vec::with_capacity(connections);
        for number in 1..=connections {
            let open = || format!("connection {number} of {connections}");
            let mut client = Client::connect(proxy.port()).await.with_context(open)?;
            client.ask().await.with_context(open)?;
            clients.push(client);
        }
        let after = proxy.memory()?;
        // What is not held costs nothing: so each is asked once more.
        for client in &mut clients {
            client.ask().await.context("an idle connection was not kept")?;
        }
        let grown = after.saturating_sub(before) as f64;
        let each = grown / connections as f64;
        Ok(Sample::of(&[(Figure::MemoryPerConnection, each), (Figure::Memory, after as f64)]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_connections_than_descriptors() {
        for (descriptors, expected) in
            [(u64::MAX, 10_000), (1_000_000, 10_000), (20_000, 9_500), (1024, 12), (256, 0)]
        {
            assert_eq!(connections(descriptors), expected, "{descriptors}");
        }
    }
}
