//! `cargo xtask record`: the demo without a screen, for a recording.

use std::path::PathBuf;

use clap::Args;

use crate::demo::Demo;

/// Run the demo without a screen, and write all its events into a file.
#[derive(Args)]
pub(crate) struct Record {
    /// The file; it is replaced if it exists.
    file: PathBuf,

    /// End after this number of seconds; otherwise, Ctrl-C is the normal end.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,

    /// The seed of the balancer's and the backends' random numbers.
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
}

impl Record {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        Demo::recorded(self.file, self.seconds, self.seed).run()
    }
}
