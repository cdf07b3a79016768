//! The memory of an idle connection: many connections are opened, each makes one request, and all stay open.

use anyhow::Context;

use super::figure::{Figure, Sample};
use super::keep_alive::KeepAlive;
use super::started::Started;
use super::workload::WANTED;

/// Descriptors for everything else; HAProxy needs two for each connection and some more.
const RESERVED: u64 = 1_000;

/// The number of connections that are possible with this number of descriptors per process, if a proxy needs
/// two for each.
pub(super) fn connections(descriptors: u64) -> usize {
    let fit = descriptors.saturating_sub(RESERVED) / 2;
    usize::try_from(fit).unwrap_or(WANTED).min(WANTED)
}

/// Opens the connections, and measures the growth of the proxy's memory.
pub(super) fn sample(proxy: &Started, connections: usize) -> anyhow::Result<Sample> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let before = proxy.memory()?;
        let mut clients = Vec::with_capacity(connections);
        for number in 1..=connections {
            let open = || format!("connection {number} of {connections}");
            let mut client = KeepAlive::connect(proxy.port()).await.with_context(open)?;
            client.ask().await.with_context(open)?;
            clients.push(client);
        }
        let after = proxy.memory()?;
        // A closed connection costs nothing, so each connection sends one more request.
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
