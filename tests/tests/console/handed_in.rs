//! The report as a file: it opens from the disk, and needs nothing else.

use anyhow::{Context, Result, ensure};
use console::report::{Kept, Replays, Run, report};

use super::driver::Browser;
use super::look::{has_contrast, has_room};
use super::tab::{Size, Tab};

/// A laptop, a telephone, and a window that is as high as the report.
const SIZES: [(Size, &str); 3] =
    [((1280, 720, 1.0), "report"), ((375, 812, 1.0), "report-narrow"), ((1280, 4000, 1.0), "report-whole")];

/// Opens a report from its file, and looks at it.
///
/// # Errors
/// If it complains, asks for something else, or cannot be read.
pub(super) async fn looks_good(browser: &Browser, file: &std::path::Path, name: &str) -> Result<()> {
    let tab = Tab::open(browser, &format!("file://{}", file.display())).await?;
    tab.is_quiet(&[]).await?;
    let requests: usize =
        tab.js("return performance.getEntriesByType('resource').filter((one) => !one.name.startsWith('data:')).length").await?;
    ensure!(requests == 0, "the report made {requests} requests");
    for (size, suffix) in SIZES {
        tab.size(size).await?;
        has_room(&tab).await.with_context(|| format!("{size:?}"))?;
        tab.picture(&format!("{name}{suffix}")).await?;
    }
    has_contrast(&tab, 100).await?;
    let [plots, tables, captions, heads]: [usize; 4] = tab
        .js("return [$$('figure svg[role=img]').length, $$('.plot table').length, $$('table > caption').length, $$('th:not([scope])').length]")
        .await?;
    ensure!(plots == 4 && tables == 4, "{plots} plots have {tables} tables");
    ensure!(captions >= tables && heads == 0, "{captions} captions, {heads} heads without a scope");
    let levels: Vec<String> = tab.js("return $$('h1, h2, h3, h4').map((one) => one.tagName)").await?;
    ensure!(levels.first().is_some_and(|first| first == "H1"), "{levels:?}");
    ensure!(levels[1..].iter().all(|level| level == "H2"), "{levels:?}");
    let language: String = tab.js("return document.documentElement.lang").await?;
    ensure!(language == "en", "the language is {language:?}");
    Ok(())
}

/// The report of a recording.
///
/// # Errors
/// As [`looks_good`].
pub(super) async fn a_report_opens_from_its_file(browser: &Browser) -> Result<()> {
    let recording =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../console/tests/golden/run.jsonl");
    let text = std::fs::read_to_string(&recording)?;
    let mut kept = Kept::default();
    for line in text.lines() {
        kept.apply(&serde_json::from_str(line)?);
    }
    let file = browser.folder().join("report.html");
    let ghosts =
        Replays::read("{\"policy\":\"live\",\"mean_ms\":20}\n{\"policy\":\"random\",\"mean_ms\":21}");
    std::fs::write(&file, report(&Run { kept, ghosts }))?;
    looks_good(browser, &file, "recorded-").await
}
