//! `cargo xtask console`: the terminal console of a lab that runs elsewhere.

use std::io::{IsTerminal, stdout};
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use console::Glyphs;
use console::terminal::{Look, Start, attach, live, of_the_locale, plain, say, snapshot, wants_colours};
use tokio::sync::mpsc;

use crate::demo::until_a_signal;

/// Attach to a running lab (port 4000), or to a balancer alone (its admin port, such as 4030)
#[derive(Args)]
pub(crate) struct AttachConsole {
    /// The address, such as http://localhost:4000
    url: String,

    /// Write a line a second instead of a screen, as without a terminal
    #[arg(long, conflicts_with = "snapshot")]
    plain: bool,

    /// Write one screen as text, and end
    #[arg(long)]
    snapshot: bool,

    /// The size of this screen: columns and rows
    #[arg(long, value_name = "WxH", default_value = "80x24", requires = "snapshot", value_parser = size)]
    size: (u16, u16),

    /// Use only ASCII on the screen, whatever the locale says
    #[arg(long)]
    ascii: bool,
}

impl AttachConsole {
    pub(crate) fn run(self) -> Result<()> {
        until_a_signal(self.show(), "; the lab goes on")
    }

    async fn show(&self) -> Result<()> {
        let attached = attach(&self.url, PathBuf::from(".")).await?;
        if self.snapshot {
            let glyphs = if self.ascii { Glyphs::ascii() } else { of_the_locale() };
            for line in snapshot(attached, &Look::new(glyphs, wants_colours()), self.size).await? {
                if !say(&line)? {
                    break;
                }
            }
            return Ok(());
        }
        if self.plain || !stdout().is_terminal() {
            return plain(attached, None).await;
        }
        let (sender, presses) = mpsc::unbounded_channel();
        let send_commands = attached.send_commands(presses);
        let start = Start { ascii: self.ascii, key_presses: Some(sender), ..Start::default() };
        tokio::select! {
            ended = live(attached, start) => ended,
            () = send_commands => Ok(()),
        }
    }
}

/// Reads a size such as `80x24`.
fn size(text: &str) -> Result<(u16, u16)> {
    let size =
        text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    let (width, height) = size.unwrap_or_default();
    ensure!(
        (20..=500).contains(&width) && (5..=200).contains(&height),
        "write columns x rows, from 20x5 to 500x200, such as 80x24"
    );
    Ok((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_or_refused() {
        assert_eq!(size("130x40").unwrap(), (130, 40));
        for text in ["", "80", "80x", "x24", "19x24", "80x4", "501x24", "80x24x3", "-80x24"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
