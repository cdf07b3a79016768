//! What every mark and every key means. Pure.

use ratatui::text::Line;

use super::text::{explained, plain};
use super::tone;
use crate::glyphs::Glyphs;
use crate::health::Health;
use crate::model::Cell;

/// The width of the marks and keys.
const MARKS: usize = 10;

/// The explanations, each with its mark or key.
fn all(glyphs: Glyphs) -> Vec<(String, &'static str)> {
    let shape = |health| format!("{} {}", glyphs.shape(health), Health::word(health));
    let up = glyphs.cell(Some(Cell { state: Health::Up, errors: 0 }));
    let full = glyphs.level(1.0);
    vec![
        ("1-4".into(), "choose a backend; also up, down"),
        ("k s".into(), "kill it (SIGKILL) or start it; stop it (SIGSTOP) or continue it"),
        ("l e".into(), "slow: each answer takes 400 ms more; errors: each answer is a 503"),
        ("d h".into(), "drain it, or make it ready; heal it: no faults, running, ready"),
        ("0".into(), "reset: heal all, the first policy, the first load, no ghost"),
        ("p P".into(), "the next policy, the one before"),
        ("g enter".into(), "the ghost of the next policy, after the last none; make it real"),
        ("+ - o".into(), "more load, less load; open or closed loop"),
        ("space r q".into(), "hold the screen, or go on; write the report; quit"),
        (shape(Health::Up), "the backend gets requests"),
        (shape(Health::Suspect), "it accepts connections and is silent; it gets no requests"),
        (shape(Health::Ejected), "it gave too many errors; it gets no requests for some time"),
        (shape(Health::Down), "it gets no requests; below it is the reason"),
        (format!("{} drain", glyphs.drained()), "an operator wants no new requests there"),
        ("!!!".into(), "at least half of its tries end badly: it does harm"),
        ("!!".into(), "it gets no requests, or its process does not run"),
        ("!".into(), "it has an active fault, or some errors"),
        (">".into(), "the chosen backend; a row that pulses has changed its state"),
        ("way".into(), "its way to another state: 1/2 is one ping of two"),
        ("process".into(), "what the backend says: its process is running, stopped or dead"),
        ("share".into(), "its part of all picks"),
        ("good".into(), "the part of its tries that ended with an answer other than 5xx"),
        ("rps".into(), "its answers a second"),
        (format!("fly {full}"), "its requests in flight, now; full: it cannot serve more at a time"),
        ("wait".into(), "requests that wait for it, in the balancer and in its queue, now"),
        ("err".into(), "its answers of the class 5xx and its failed tries a second"),
        ("retry".into(), "tries at it after a failed one, a second"),
        ("p50, p99".into(), "time from sending a request to the head of its answer; - without one"),
        ("would be".into(), "in flight and p99 with the ghost's policy; would: the share"),
        ("load".into(), "requests in flight, of those that it can serve at a time: a gauge"),
        ("busy".into(), "requests in service, of those that it can serve at a time, now"),
        ("queue".into(), "requests in its own queue, of those that fit, now"),
        ("weight".into(), "its share compared to the others; % while it warms up"),
        ("last ping".into(), "the duration of the last ping, or what was wrong"),
        ("5 s".into(), "the period of all rates, shares and times; grey: no answer in it"),
        ("(12)".into(), "a number in parentheses counts since the start"),
        ("max/avg".into(), "the picks of the backend with the most, compared to the average"),
        ("tries x".into(), "tries for each request; more than 1 are retries"),
        ("agreement".into(), "how near the ghost of the policy in force is to the real mean"),
        ("#7 B1 > B2".into(), "request 7 went to backend 1, and then to backend 2"),
        ("~".into(), "the rest of a text does not fit"),
        (format!("{up} !"), "the last minute, a mark a second, the newest right; ! means errors"),
    ]
}

/// The number of pages at this size.
pub(super) fn pages(glyphs: Glyphs, (width, height): (usize, usize)) -> usize {
    lines(glyphs, width).len().div_ceil(rows(height)).max(1)
}

/// One page, from 0, at most `height` rows.
pub(super) fn page(page: usize, glyphs: Glyphs, (width, height): (usize, usize)) -> Vec<Line<'static>> {
    let pages = pages(glyphs, (width, height));
    let page = page % pages;
    let mut shown: Vec<_> =
        lines(glyphs, width).into_iter().skip(page * rows(height)).take(rows(height)).collect();
    shown.resize(rows(height), plain(""));
    shown.push(Line::styled(format!(" legend, page {} of {pages}; ? goes on", page + 1), tone::DIM));
    shown
}

/// The rows of a page above its last line.
fn rows(height: usize) -> usize {
    height.saturating_sub(1).max(1)
}

fn lines(glyphs: Glyphs, width: usize) -> Vec<Line<'static>> {
    let text = |(mark, meaning): (String, &str)| explained(&mark, meaning, MARKS, width);
    all(glyphs).into_iter().flat_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_have_all_lines_once() {
        let glyphs = Glyphs::for_locale(Some("C.UTF-8"));
        for size @ (width, height) in [(80, 24), (130, 40), (40, 12)] {
            let mut told = Vec::new();
            for number in 0..pages(glyphs, size) {
                let page = page(number, glyphs, size);
                assert_eq!(page.len(), height);
                told.extend(page.into_iter().take(height - 1));
            }
            assert!(told.iter().all(|line| line.width() <= width), "{told:#?}");
            told.retain(|line| line.width() > 0);
            assert_eq!(told, lines(glyphs, width));
        }
        assert_eq!(pages(glyphs, (80, 24)), 2);
    }

    #[test]
    fn every_key_of_the_help_is_explained() {
        let keys: Vec<String> = all(Glyphs::ascii()).into_iter().map(|(key, _)| key).collect();
        let keys = keys.join(" ");
        for key in ["1-4", "k s", "l e", "d h", "p P", "g enter", "+ - o", "0", "space", "r q"] {
            assert!(keys.contains(key), "{key} is missing in {keys}");
        }
    }
}
