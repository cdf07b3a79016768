//! The screen of the demo, from a recording of a real run.
//!
//! `cargo xtask pictures --record` runs the demo in a pseudo-terminal, presses keys and keeps the last screen
//! in `img/demo.ansi`, as a terminal would show it. The picture is drawn from this file, so it shows nothing
//! that the demo did not show.

use std::fmt::Write as _;
use std::num::NonZero;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use picture::escape;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, Command};
use tokio::time::sleep;

/// The size of the terminal.
const ROWS: u16 = 32;
const COLUMNS: u16 = 100;

/// The keys of the recording, each with the time since the key before it.
const KEYS: [(u64, &str); 7] = [
    (20, "2"), // choose backend 2
    (0, "k"),  // kill it
    (9, "k"),  // start it again
    (9, "4"),  // choose backend 4
    (1, "e"),  // let it answer with 503
    (9, "p"),  // change the policy
    (4, "q"),  // quit
];

/// What a terminal program writes when it takes the whole screen, and when it gives it back.
const TAKES_SCREEN: &[u8] = b"\x1b[?1049h";
const GIVES_SCREEN_BACK: &[u8] = b"\x1b[?1049l";

/// The width and the height of a character, and the space around the text, in pixels.
const CELL: (f64, f64) = (8.4, 18.0);
const MARGIN: f64 = 14.0;

const DESCRIPTION: &str = "A terminal. A table has a row for each of four backends: the state of its process, what the \
    balancer says about it, its share of the requests, its good answers, its errors, its latencies and its last minute. \
    Backend 4 is red: it answers with 503. Below it are the last requests with the reasons for their backends, and the \
    keys that were pressed with what followed.";

/// Runs the demo in a terminal, presses the keys, and writes the last screen to a file.
pub(super) async fn record(file: &Path) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let command = format!("stty rows {ROWS} cols {COLUMNS} && exec '{}' demo", program.display());
    let mut recorder = Command::new("script")
        .args(["--quiet", "--flush", "--return", "--command", &command, "/dev/null"])
        .env("LC_ALL", "C.UTF-8")
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot run `script`, which makes pseudo-terminals (Debian: bsdutils)")?;
    let keyboard = recorder.stdin.take().context("`script` has no input")?;
    let mut output = recorder.stdout.take().context("`script` has no output")?;
    let mut written = Vec::new();
    while find(&written, TAKES_SCREEN).is_none() {
        let length = output.read_buf(&mut written).await?;
        ensure!(length > 0, "the demo does not start: {}", String::from_utf8_lossy(&written));
    }
    let (rest, ()) = tokio::join!(output.read_to_end(&mut written), press(keyboard));
    rest?;
    let status = recorder.wait().await?;
    let end = find(&written, GIVES_SCREEN_BACK);
    let Some(end) = end.filter(|_| status.success()) else {
        bail!("the demo failed ({status}): {}", String::from_utf8_lossy(&written));
    };
    let mut screen = terminal();
    screen.process(&written[..end]);
    let rows: Vec<_> = screen.screen().rows_formatted(0, COLUMNS).collect();
    std::fs::write(file, rows.join("\n") + "\n").with_context(|| format!("cannot write {}", file.display()))
}

fn terminal() -> vt100::Parser {
    let size = |length| NonZero::new(length).unwrap_or(NonZero::<u16>::MIN);
    vt100::Parser::new(size(ROWS), size(COLUMNS), 0)
}

/// Presses the keys, each at its time.
async fn press(mut keyboard: ChildStdin) {
    for (seconds, key) in KEYS {
        sleep(Duration::from_secs(seconds)).await;
        // If the demo has ended already, its output says why.
        let _ = keyboard.write_all(key.as_bytes()).await;
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Draws a recorded screen.
pub(super) fn draw(recorded: &[u8]) -> anyhow::Result<String> {
    let mut parser = terminal();
    for (row, line) in recorded.split(|byte| *byte == b'\n').take(usize::from(ROWS)).enumerate() {
        parser.process(format!("\x1b[{};1H\x1b[m", row + 1).as_bytes());
        parser.process(line);
    }
    let screen = parser.screen();
    ensure!(!screen.contents().trim().is_empty(), "the recorded screen is empty");
    let mut text = String::new();
    for row in 0..ROWS {
        for run in runs(screen, row)? {
            let x = MARGIN + f64::from(run.column) * CELL.0;
            let y = MARGIN + f64::from(row) * CELL.1 + 13.0;
            let length = run.text.chars().count() as f64 * CELL.0;
            let _ = writeln!(
                text,
                r#"<text class="{}" x="{x:.1}" y="{y:.1}" textLength="{length:.1}" xml:space="preserve">{}</text>"#,
                run.class,
                escape(&run.text)
            );
        }
    }
    let (width, height) =
        (2.0 * MARGIN + f64::from(COLUMNS) * CELL.0, 2.0 * MARGIN + f64::from(ROWS) * CELL.1);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-labelledby=\"title desc\">\n\
         <title id=\"title\">The screen of cargo xtask demo</title>\n<desc id=\"desc\">{DESCRIPTION}</desc>\n\
         <style>\ntext{{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;\
         font-size:14px}}\n.plain{{fill:#e6edf3}}\n.up{{fill:#56d4dd}}\n.doubt{{fill:#e3b341}}\n.down{{fill:#ff8700}}\n\
         .harm{{fill:#ff7b72}}\n.dim{{fill:#8b949e}}\n\
         </style>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#0d1117\"/>\n{text}</svg>\n"
    ))
}

/// Characters of one colour in a row.
#[derive(Debug, PartialEq, Eq)]
struct Stretch {
    column: u16,
    class: &'static str,
    text: String,
}

/// The characters of a row, without the spaces at both ends of each run.
fn runs(screen: &vt100::Screen, row: u16) -> anyhow::Result<Vec<Stretch>> {
    let mut runs: Vec<Stretch> = Vec::new();
    for column in 0..COLUMNS {
        let Some(cell) = screen.cell(row, column) else { continue };
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let class = class(cell.fgcolor())?;
        match runs.last_mut() {
            Some(run) if run.class == class => run.text.push_str(text),
            _ => runs.push(Stretch { column, class, text: text.to_owned() }),
        }
    }
    for run in &mut runs {
        let indent = run.text.chars().take_while(|character| *character == ' ').count();
        run.column += u16::try_from(indent)?;
        run.text = run.text.trim().to_owned();
    }
    runs.retain(|run| !run.text.is_empty());
    Ok(runs)
}

/// The class of a colour of the demo. A colour that has none would look like ordinary text.
fn class(colour: vt100::Color) -> anyhow::Result<&'static str> {
    match colour {
        vt100::Color::Default => Ok("plain"),
        vt100::Color::Idx(6 | 14) => Ok("up"),
        vt100::Color::Idx(3 | 11) => Ok("doubt"),
        vt100::Color::Idx(208) => Ok("down"),
        vt100::Color::Idx(1 | 9) => Ok("harm"),
        vt100::Color::Idx(8) => Ok("dim"),
        other => bail!("the picture of the demo has no class for {other:?}: add one to pictures/demo.rs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_drawn_run_by_run_at_its_columns() {
        let mut parser = terminal();
        parser.process(b" 2 dead  \x1b[38;5;208mdown 0/2\x1b[m   25 %");
        let run = |column, class, text: &str| Stretch { column, class, text: text.into() };
        let expected = [run(1, "plain", "2 dead"), run(9, "down", "down 0/2"), run(20, "plain", "25 %")];
        assert_eq!(runs(parser.screen(), 0).unwrap(), expected);
    }

    #[test]
    fn a_recording_is_drawn_with_its_words_escaped() {
        let drawn = draw(b"up -> down\n\x1b[38;5;14mup\x1b[m").unwrap();
        for part in ["up -&gt; down</text>", "class=\"up\" x=\"14.0\" y=\"45.0\" textLength=\"16.8\""] {
            assert!(drawn.contains(part), "{part} is not in {drawn}");
        }
        assert!(draw(b" \n").is_err(), "an empty screen");
        assert!(draw(b"\x1b[32mgreen").unwrap_err().to_string().contains("no class for Idx(2)"));
    }
}
