//! What every mark and every key means. Pure.

use console::{Cell, Glyphs, Health};

use super::line::{Line, plain, wrap};

/// The width of the marks and keys.
const MARKS: usize = 10;

/// The explanations, each with its mark or key.
fn all(glyphs: Glyphs) -> Vec<(String, &'static str)> {
    let shape = |health| format!("{} {}", glyphs.shape(health), Health::word(health));
    let up = glyphs.cell(Some(Cell { state: Health::Up, errors: 0 }));
    vec![
        (shape(Health::Up), "the backend gets requests"),
        (shape(Health::Suspect), "it accepts connections and is silent; it gets no requests"),
        (shape(Health::Ejected), "it gave too many errors; it gets no requests for some time"),
        (shape(Health::Down), "it gets no requests; below it is the reason"),
        (format!("{} drain", glyphs.drained()), "an operator wants no new requests there"),
        ("!!!".into(), "at least half of its tries end badly: it does harm"),
        ("!!".into(), "it gets no requests, or its process does not run"),
        ("!".into(), "it has an active fault, or some errors"),
        (">".into(), "the selected backend"),
        ("process".into(), "what the backend says: its process is running, stopped or dead"),
        ("share".into(), "its part of all picks"),
        ("good".into(), "the part of its tries that ended with an answer other than 5xx"),
        ("rps, /s".into(), "its answers a second"),
        ("fly".into(), "its requests in flight, now"),
        ("wait".into(), "requests that wait for it, in the balancer and in its queue, now"),
        ("err/s".into(), "its answers of the class 5xx and its failed tries a second"),
        ("retry".into(), "tries at it after a failed one, a second"),
        ("p50, p99".into(), "time from sending a request to the head of its answer; - without an answer"),
        ("busy".into(), "requests in service at it, of those that it can serve at a time, now"),
        ("queue".into(), "requests in its own queue, of those that fit, now"),
        ("weight".into(), "its share compared to the others; % while it warms up"),
        ("last ping".into(), "the duration of the last ping, or what was wrong"),
        ("5 s".into(), "the period of all rates, shares and times; grey: no answer in this period"),
        ("(12)".into(), "a number in parentheses counts since the start"),
        ("max/avg".into(), "the picks of the backend with the most, compared to the average"),
        ("tries x".into(), "tries for each request; more than 1 are retries"),
        ("#7 B1 > B2".into(), "request 7 went to backend 1, and then to backend 2"),
        ("~".into(), "the rest of a text does not fit"),
        (format!("{up} !"), "timeline: one mark a second, the newest at the right; ! means errors"),
        ("1-4".into(), "kill a backend (SIGKILL), or start it"),
        ("shift+1-4".into(), "stop a backend (SIGSTOP), or continue it; also F1-F4"),
        ("up, down".into(), "select the backend that k s l e d h act on"),
        ("k s".into(), "kill or start it, stop or continue it"),
        ("l e".into(), "slow: each answer takes 400 ms more; errors: each answer is a 503; again: no longer"),
        ("d h".into(), "drain it, or make it ready; heal it: no faults, a running process, ready"),
        ("p P".into(), "the next policy, the one before"),
        ("+ - o".into(), "more load, less load; open or closed loop"),
        ("0".into(), "heal all backends, and back to the first policy"),
        ("space q".into(), "hold the screen, or go on; quit"),
    ]
}

/// The number of pages at this size.
pub(super) fn pages(glyphs: Glyphs, (width, height): (usize, usize)) -> usize {
    lines(glyphs, width).len().div_ceil(rows(height)).max(1)
}

/// One page, from 0, at most `height` rows.
pub(super) fn page(page: usize, glyphs: Glyphs, (width, height): (usize, usize)) -> Vec<Line> {
    let pages = pages(glyphs, (width, height));
    let page = page % pages;
    let mut shown: Vec<Line> =
        lines(glyphs, width).into_iter().skip(page * rows(height)).take(rows(height)).map(plain).collect();
    shown.resize(rows(height), Line::new());
    shown.push(plain(format!(" legend, page {} of {pages}; ? goes on", page + 1)));
    shown
}

/// The rows of a page above its last line.
fn rows(height: usize) -> usize {
    height.saturating_sub(1).max(1)
}

fn lines(glyphs: Glyphs, width: usize) -> Vec<String> {
    let text = |(mark, meaning): (String, &str)| {
        let mut lines = wrap(meaning, width.saturating_sub(MARKS + 2), 0).into_iter();
        let first = format!(" {mark:<MARKS$} {}", lines.next().unwrap_or_default());
        let rest: Vec<String> = lines.map(|line| format!(" {:MARKS$} {line}", "")).collect();
        [vec![first], rest].concat()
    };
    all(glyphs).into_iter().flat_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_have_all_lines_once() {
        let glyphs = Glyphs::for_locale(Some("C.UTF-8"));
        for (width, height) in [(80, 24), (130, 40), (40, 12)] {
            let size = (width, height);
            let mut told = Vec::new();
            for number in 0..pages(glyphs, size) {
                let page = page(number, glyphs, size);
                assert_eq!(page.len(), height);
                told.extend(page.into_iter().take(height - 1).flatten().map(|(text, _)| text));
            }
            assert!(told.iter().all(|line| line.chars().count() <= width), "{told:#?}");
            told.retain(|line| !line.is_empty());
            assert_eq!(told, lines(glyphs, width));
        }
    }

    #[test]
    fn every_key_of_the_help_is_explained() {
        let keys =
            all(Glyphs::for_locale(None)).into_iter().map(|(key, _)| key).collect::<Vec<_>>().join(" ");
        for key in ["1-4", "shift+1-4", "k s", "l e", "d h", "p P", "+ - o", "0", "space", "q"] {
            assert!(keys.contains(key), "{key} is missing in {keys}");
        }
    }
}
