//! The screen of the demo. Pure: data goes in, lines of coloured text come out.

use console::{Glyphs, HELP, Health, Observed, ObservedLane};
use crossterm::style::Color;
use lab::load::Summary;
use lab::topology::Lab;

use lab::spell::time;

/// Below this height, the picture is left out to make space.
const LOW: usize = 22;

/// A line on the screen: pieces of text, some of them with a colour.
pub(super) type Line = Vec<(String, Option<Color>)>;

/// The addresses of all programs, as ports or addresses.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    pub(super) balancer: String,
    pub(super) admin: String,
    /// Data and control address of each backend.
    pub(super) backends: Vec<(String, String)>,
}

impl Addresses {
    pub(super) fn of(lab: &Lab) -> Self {
        let backends = lab.backends().iter();
        Self {
            balancer: lab.balancer().address().to_string(),
            admin: lab.balancer().admin().map_or_else(|_| "none".to_owned(), |port| port.to_string()),
            backends: backends.map(|b| (b.address().to_string(), b.control().to_string())).collect(),
        }
    }
}

/// A small picture of the lab.
pub(super) fn picture(addresses: &Addresses, glyphs: Glyphs) -> Vec<String> {
    let count = addresses.backends.len();
    // The balancer is at the middle of the fan.
    let middle = count.saturating_sub(1) / 2;
    let lines = addresses.backends.iter().enumerate().map(|(index, (data, control))| {
        let left = match index {
            _ if index == middle => format!("  you, demo ─► lb {}", addresses.balancer),
            _ if index == middle + 1 => format!("            admin {}", addresses.admin),
            _ => String::new(),
        };
        let fan = match index {
            _ if count == 1 => "───►",
            0 if index == middle => "─┬─►",
            _ if index == middle => "─┼─►",
            0 => " ┌─►",
            _ if index + 1 == count => " └─►",
            _ => " ├─►",
        };
        glyphs.draw(&format!("{left:<33}{fan} {} {data}  control {control}", index + 1))
    });
    lines.collect()
}

/// The whole screen: at most `width` columns and `height` rows.
pub(super) fn screen(
    model: &Observed,
    own: &Summary,
    addresses: &Addresses,
    glyphs: Glyphs,
    (width, height): (usize, usize),
) -> Vec<Line> {
    let mut lines = vec![plain(title(model)), Line::new()];
    if height >= LOW {
        lines.extend(picture(addresses, glyphs).into_iter().map(plain));
        lines.push(Line::new());
    }
    lines.push(plain(HEADINGS.into()));
    for lane in model.lanes() {
        lines.push(lane_line(&lane, model, glyphs, width));
    }
    lines.extend([Line::new(), plain(own_traffic(own)), Line::new()]);
    // The help is on the last row, after an empty one.
    let rest = height.saturating_sub(lines.len() + 2);
    lines.extend(model.log(rest).map(|line| plain(format!(" {line}"))));
    lines.resize(height.saturating_sub(1), Line::new());
    lines.push(plain(format!(" {HELP}")));
    lines.into_iter().map(|line| cut(line, width)).collect()
}

const HEADINGS: &str = "   process  balancer says      share   rps  in flight    p50    p99  last minute";

/// The column where the timeline begins.
const LANE_WIDTH: usize = 67;

fn lane_line(lane: &ObservedLane, model: &Observed, glyphs: Glyphs, width: usize) -> Line {
    let state = format!("{} {} {}", glyphs.shape(lane.health), lane.health.word(), lane.progress);
    let numbers = format!(
        "{:>4.0} % {:>5.1} {:>10} {:>6} {:>6}  ",
        lane.share * 100.0,
        lane.rate,
        lane.in_flight,
        time(lane.p50),
        time(lane.p99),
    );
    let mut line = vec![
        (format!(" {} {:<8} ", lane.number, lane.process), None),
        (format!("{state:<18} "), Some(color(lane.health))),
        (numbers, None),
    ];
    for moment in model.timeline(lane.number, width.saturating_sub(LANE_WIDTH + 1)) {
        line.push((glyphs.moment(moment).into(), moment.map(color)));
    }
    line
}

/// Nearly all people can distinguish blue and orange.
fn color(health: Health) -> Color {
    match health {
        Health::Up => Color::Cyan,
        Health::Suspect | Health::Ejected => Color::Yellow,
        Health::Down => Color::AnsiValue(208),
    }
}

fn title(model: &Observed) -> String {
    match model.state() {
        None => " Roundabout: the balancer does not answer".into(),
        Some(state) => format!(
            " Roundabout: {} over {} backends, {} workers, {} requests in {} s",
            state.policy,
            state.backends.len(),
            state.workers,
            state.totals.requests,
            state.uptime_ms / 1000
        ),
    }
}

fn own_traffic(own: &Summary) -> String {
    format!(
        " traffic, last 10 s: {:.0} rps, {} errors, p50 {}, p99 {}, slowest {}",
        own.rate(),
        own.errors,
        time(Some(own.p50)),
        time(Some(own.p99)),
        time(Some(own.max))
    )
}

fn plain(text: String) -> Line {
    vec![(text, None)]
}

/// Cuts a line to a width. Every character here needs one column.
fn cut(line: Line, width: usize) -> Line {
    let mut left = width;
    let mut short = Line::new();
    for (text, colour) in line {
        let text: String = text.chars().take(left).collect();
        left -= text.chars().count();
        short.push((text, colour));
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use console::Input;
    use serde_json::json;
    use std::time::Duration;

    /// A state in which backend 1 is up and backend 2 is `second`, with these numbers of answers.
    fn state(second: &str, answers: [u64; 2]) -> Input {
        let backend = |number: usize, state: &str| {
            let progress = (state == "down").then(|| json!({"towards": "up", "count": 1, "of": 2}));
            let answers = answers[number - 1];
            json!({"number": number, "state": state, "progress": progress, "answers": answers})
        };
        let state = json!({
            "version": "0.1.0", "listen": "127.0.0.1:3030", "policy": "round-robin", "workers": 2,
            "draining": false, "uptime_ms": 1000, "connections": 8, "totals": {},
            "backends": [backend(1, "up"), backend(2, second)]
        });
        Input::State(Box::new(serde_json::from_value(state).unwrap()))
    }

    fn addresses(count: usize) -> Addresses {
        let at = |port: usize| format!("127.0.0.1:{port}");
        Addresses {
            balancer: at(3030),
            admin: at(4030),
            backends: (1..=count).map(|n| (at(3030 + n), at(4030 + n))).collect(),
        }
    }

    fn shown(size: (usize, usize)) -> Vec<String> {
        let mut model = Observed::default();
        model.update(Duration::from_secs(1), state("up", [0, 0]));
        model.update(Duration::from_secs(5), state("down", [30, 10]));
        for line in 0..50 {
            let note = format!("line {line} {}", "and so on ".repeat(20));
            model.update(Duration::from_secs(5), Input::Note(note));
        }
        let own = lab::load::summarise([], Duration::ZERO, Duration::from_secs(1));
        let lines = screen(&model, &own, &addresses(2), Glyphs::for_locale(Some("C.UTF-8")), size);
        lines.into_iter().map(|line| line.into_iter().map(|(text, _)| text).collect()).collect()
    }

    #[test]
    fn an_ordinary_terminal_cuts_no_picture_and_no_heading() {
        let lines = shown((80, 24));
        for whole in ["control 127.0.0.1:4032", "last minute", "q quit"] {
            assert!(lines.iter().any(|line| line.ends_with(whole)), "{whole:?} is cut in {lines:#?}");
        }
    }

    #[test]
    fn the_screen_fits_the_terminal() {
        for size in [(80, 24), (200, 60), (80, 12), (20, 5), (1, 1), (80, 22)] {
            let lines = shown(size);
            assert!(lines.len() <= size.1.max(12), "{} lines for {size:?}", lines.len());
            assert!(lines.iter().all(|line| line.chars().count() <= size.0), "too wide for {size:?}");
        }
    }

    #[test]
    fn a_lane_tells_state_by_word_and_numbers() {
        let lines = shown((80, 24));
        let lane = lines.iter().find(|line| line.starts_with(" 2 ")).unwrap();
        for part in ["down 1/2 up", " 25 %", "2.5"] {
            assert!(lane.contains(part), "{lane:?} lacks {part:?}");
        }
        assert!(lines.last().unwrap().contains("q quit"));
    }

    #[test]
    fn the_fan_has_as_many_ends_as_there_are_backends() {
        let glyphs = Glyphs::for_locale(Some("C.UTF-8"));
        for count in 1..6 {
            let picture = picture(&addresses(count), glyphs);
            assert_eq!(picture.len(), count);
            assert!(picture.iter().all(|line| line.contains("control 127.0.0.1:40")), "{picture:#?}");
            assert_eq!(picture.iter().filter(|line| line.contains("lb 127.0.0.1:3030")).count(), 1);
        }
    }
}
