//! The pictures of the page in the README: a screenshot, and an animation of a kill.

use std::fs::File;
use std::io::{BufWriter, Cursor};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::commands::fresh;
use super::driver::Browser;
use super::stage::Stage;
use super::tab::Tab;

/// The time between two frames of the animation, in tenths of a second.
const FRAME: u16 = 4;

/// The frames at which a key is pressed. Backend 2 dies, and starts again.
const KEYS: [(usize, &str); 3] = [(2, "2"), (4, "k"), (11, "k")];

const FRAMES: usize = 18;

/// Whether the pictures are to be written.
pub(super) fn are_wanted() -> bool {
    std::env::var_os("ROUNDABOUT_WRITE_PICTURES").is_some()
}

/// Writes `img/console.png` and `img/console-kill.png`.
///
/// # Errors
/// If the page does not show what belongs on the pictures, or a file cannot be written.
pub(super) async fn pictures(stage: &Stage, browser: &Browser) -> Result<()> {
    let tab = fresh(stage, browser).await?;
    stage.command(json!({"do": "ghost", "policy": "least-connections"})).await?;
    stage
        .command(json!({"do": "fault", "backend": 4, "fault": {"kind": "latency", "fixed": "150ms"}}))
        .await?;
    stage.command(json!({"do": "kill", "backend": 2})).await?;
    let full = "roundabout.view.ghost && roundabout.view.ghost.agreement !== null && roundabout.view.series.points.length > 60";
    tab.until("the ghost and fifteen seconds of plots", full).await?;
    std::fs::write(image("console.png"), browser.web.screenshot().await?)?;
    let tab = fresh(stage, browser).await?;
    tab.size((1280, 720, 0.5)).await?;
    tab.until("some seconds of plots", "roundabout.view.series.points.length > 20").await?;
    animate(&tab, &image("console-kill.png")).await?;
    stage.reset().await
}

fn image(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../img").join(name)
}

/// Writes what the page shows while keys are pressed.
async fn animate(tab: &Tab<'_>, file: &Path) -> Result<()> {
    let mut ticks = interval(Duration::from_millis(u64::from(FRAME) * 100));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut frames = Vec::new();
    for number in 0..FRAMES {
        ticks.tick().await;
        if let Some((_, key)) = KEYS.iter().find(|(at, _)| *at == number) {
            tab.keys(key).await?;
        }
        frames.push(tab.browser.web.screenshot().await?);
    }
    write(&frames, file).with_context(|| format!("cannot write {}", file.display()))
}

/// Writes pictures as one animated PNG.
fn write(frames: &[Vec<u8>], file: &Path) -> Result<()> {
    let mut writer = None;
    for frame in frames {
        let mut decoder = png::Decoder::new(Cursor::new(frame));
        decoder.set_transformations(png::Transformations::STRIP_16);
        let mut reader = decoder.read_info()?;
        let mut pixels = vec![0; reader.output_buffer_size().context("a picture is too large")?];
        let info = reader.next_frame(&mut pixels)?;
        ensure!(info.bit_depth == png::BitDepth::Eight, "a picture has {:?} bits", info.bit_depth);
        if writer.is_none() {
            let mut encoder = png::Encoder::new(BufWriter::new(File::create(file)?), info.width, info.height);
            encoder.set_color(info.color_type);
            encoder.set_depth(info.bit_depth);
            encoder.set_compression(png::Compression::High);
            encoder.set_animated(u32::try_from(frames.len())?, 0)?;
            encoder.set_frame_delay(FRAME, 10)?;
            writer = Some(encoder.write_header()?);
        }
        let writer = writer.as_mut().context("there is no frame")?;
        writer.write_image_data(&pixels[..info.buffer_size()])?;
    }
    writer.context("there is no frame")?.finish()?;
    Ok(())
}
