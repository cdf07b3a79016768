//! `cargo xtask console`: the terminal console of a lab that runs elsewhere.

use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
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

    /// The file with the token of a balancer that needs one for changes; by default, the variable
    /// LB_ADMIN_TOKEN has it. All users of the machine can read command lines, so there is no flag for the
    /// token itself
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Use only ASCII on the screen, whatever the locale says
    #[arg(long)]
    ascii: bool,
}

impl AttachConsole {
    pub(crate) fn run(self) -> Result<()> {
        until_a_signal(self.show(), "; the lab goes on")
    }

    async fn show(&self) -> Result<()> {
        let token = token(self.token_file.as_deref(), std::env::var("LB_ADMIN_TOKEN").ok())?;
        let attached = attach(&self.url, PathBuf::from("."), token).await?;
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

/// The token in the file; without a file, that of the variable. Both may end with a line feed.
fn token(file: Option<&Path>, variable: Option<String>) -> Result<Option<String>> {
    let Some(file) = file else {
        return Ok(variable.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()));
    };
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| {
        format!("--token-file: cannot read {name}; write the path of a file with the token")
    })?;
    let token = text.trim();
    ensure!(!token.is_empty(), "--token-file: {name} is empty; write the token of the balancer into it");
    ensure!(
        !token.contains(char::is_whitespace),
        "--token-file: {name} has several words; it must have the token alone"
    );
    Ok(Some(token.to_owned()))
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
    fn a_token_comes_from_a_file_or_from_the_variable() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let with = |text: &str| {
            std::fs::write(&file, text).unwrap();
            token(Some(&file), Some("of the variable".to_owned()))
        };
        assert_eq!(with("0123456789abcdef\n").unwrap().as_deref(), Some("0123456789abcdef"));
        assert!(with(" \n").unwrap_err().to_string().contains("is empty; write the token"));
        assert!(with("one two").unwrap_err().to_string().contains("has several words"));
        assert_eq!(token(None, Some("0123\n".to_owned())).unwrap().as_deref(), Some("0123"));
        assert_eq!((token(None, Some(" ".to_owned())).unwrap(), token(None, None).unwrap()), (None, None));
        let missing = token(Some(&folder.path().join("none")), None).unwrap_err().to_string();
        assert!(missing.contains("cannot read") && missing.contains("write the path"), "{missing}");
    }

    #[test]
    fn a_size_is_read_or_refused() {
        assert_eq!(size("130x40").unwrap(), (130, 40));
        for text in ["", "80", "80x", "x24", "19x24", "80x4", "501x24", "80x24x3", "-80x24"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
