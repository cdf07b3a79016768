//! What a page must have for readers of all kinds: contrast, room for its words, names for its controls.

use anyhow::{Result, ensure};
use serde_json::json;

use super::tab::Tab;

/// The contrast of all visible words with what is behind them. Words of controls that cannot be used are
/// left out.
const CONTRAST: &str = r"
const parse = (text) => { const n = text.match(/[\d.]+/g).map(Number); return { rgb: n.slice(0, 3), a: n[3] ?? 1 }; };
const over = (top, under) => top.rgb.map((c, i) => c * top.a + under[i] * (1 - top.a));
const light = (rgb) => { const [r, g, b] = rgb.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = (node) => {
  const layers = [];
  for (let at = node; at; at = at.parentElement) {
    const layer = parse(getComputedStyle(at).backgroundColor);
    if (layer.a > 0) layers.push(layer);
    if (layer.a === 1) break;
  }
  return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
};
const opacity = (node) => { let all = 1; for (let at = node; at; at = at.parentElement) all *= Number(getComputedStyle(at).opacity); return all; };
const bad = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let seen = 0;
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  const text = walker.currentNode.textContent.trim();
  if (!text || node.closest('script, style, template, title, desc') || !node.checkVisibility({ visibilityProperty: true })) continue;
  if (node.closest(':disabled, option')) continue;
  const style = getComputedStyle(node);
  const ink = parse(node.closest('svg') ? style.fill : style.color);
  ink.a *= opacity(node);
  const back = behind(node);
  const [a, b] = [light(over(ink, back)), light(back)].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  seen += 1;
  if (ratio < 4.5) bad.push(`${ratio.toFixed(2)} ${text.slice(0, 40)} (${node.tagName.toLowerCase()}.${node.className.baseVal ?? node.className})`);
}
return [seen, [...new Set(bad)]];";

/// Elements whose words do not fit.
const OVERFLOW: &str = r"
const bad = [];
const wide = document.documentElement.scrollWidth;
if (wide > innerWidth + 1) bad.push(`the page is ${wide} wide in a window of ${innerWidth}`);
const scrolls = (node) => { for (let at = node; at && at !== document.body; at = at.parentElement) if (/auto|scroll/.test(getComputedStyle(at).overflowX)) return true; return false; };
for (const node of document.body.querySelectorAll('*')) {
  if (node.closest('svg, canvas, template, script, style, .sr, option') || !node.checkVisibility({ visibilityProperty: true })) continue;
  const words = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
  if (!words) continue;
  const box = node.getBoundingClientRect();
  if (!box.width || scrolls(node)) continue;
  const text = node.textContent.trim().slice(0, 40);
  const style = getComputedStyle(node);
  // Words that are cut with dots on purpose have their whole text as a title.
  const cut = style.textOverflow === 'ellipsis';
  if (node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 0 && style.display !== 'inline' && !cut) bad.push(`cut: ${text}`);
  if (box.right > innerWidth + 1 || box.left < -1) bad.push(`outside: ${text} (${Math.round(box.left)} to ${Math.round(box.right)})`);
  const below = node.closest('.head')?.parentElement.querySelector('.nums').getBoundingClientRect().top;
  if (box.bottom > below + 1) bad.push(`over the numbers of its lane: ${text}`);
}
return [...new Set(bad)];";

/// All words have a contrast of at least 4.5.
///
/// # Errors
/// Names the words that have less.
pub(super) async fn has_contrast(tab: &Tab<'_>, least: usize) -> Result<()> {
    let (seen, bad): (usize, Vec<String>) = tab.js(CONTRAST).await?;
    ensure!(seen >= least, "only {seen} words were looked at");
    ensure!(bad.is_empty(), "the contrast is below 4.5:\n{}", bad.join("\n"));
    Ok(())
}

/// No words are cut, outside the window, or over the numbers of their lane.
///
/// # Errors
/// Names them.
pub(super) async fn has_room(tab: &Tab<'_>) -> Result<()> {
    let bad: Vec<String> = tab.js(OVERFLOW).await?;
    ensure!(bad.is_empty(), "words do not fit:\n{}", bad.join("\n"));
    Ok(())
}

/// Each control has a name for readers who cannot see it, as the browser itself calculates it.
///
/// # Errors
/// Names the controls that have none.
pub(super) async fn has_names(tab: &Tab<'_>, least: usize) -> Result<()> {
    const CONTROLS: [&str; 9] = [
        "button",
        "combobox",
        "PopUpButton",
        "menuListPopup",
        "slider",
        "link",
        "checkbox",
        "textbox",
        "DisclosureTriangle",
    ];
    let tree = tab.browser.cdp("Accessibility.getFullAXTree", json!({})).await?;
    let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
    let is_control = |role: &str| role != "menuListPopup" && CONTROLS.contains(&role);
    let controls: Vec<_> = nodes
        .iter()
        .filter(|node| {
            node["ignored"] != true && is_control(node["role"]["value"].as_str().unwrap_or_default())
        })
        .collect();
    ensure!(controls.len() >= least, "only {} controls were found", controls.len());
    let nameless: Vec<String> = controls
        .iter()
        .filter(|node| node["name"]["value"].as_str().unwrap_or_default().trim().is_empty())
        .map(|node| node.to_string())
        .collect();
    ensure!(nameless.is_empty(), "controls without a name:\n{}", nameless.join("\n"));
    Ok(())
}
