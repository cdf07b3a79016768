//! How the screen is shown at the moment, besides its data.

use lab::topology::Lab;

use super::legend;
use crate::glyphs::Glyphs;
use crate::keys::Action;
use crate::model::View;

/// The addresses of all programs of a lab, for the picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Where clients connect.
    pub balancer: String,
    /// The admin port of the balancer.
    pub admin: String,
    /// Data and control address of each backend.
    pub backends: Vec<(String, String)>,
}

impl Addresses {
    /// The addresses of a running lab.
    pub fn of(lab: &Lab) -> Self {
        let backends = lab.backends().iter();
        Self {
            balancer: lab.balancer().address().to_string(),
            admin: lab.balancer().admin().map_or_else(|_| "none".to_owned(), |port| port.to_string()),
            backends: backends.map(|b| (b.address().to_string(), b.control().to_string())).collect(),
        }
    }

    /// A small picture of the lab, line by line.
    pub fn picture(&self, glyphs: Glyphs) -> Vec<String> {
        let count = self.backends.len();
        // The balancer is at the middle of the fan.
        let middle = count.saturating_sub(1) / 2;
        let lines = self.backends.iter().enumerate().map(|(index, (data, control))| {
            let left = match index {
                _ if index == middle => format!("  you, demo ─► lb {}", self.balancer),
                _ if index == middle + 1 => format!("            admin {}", self.admin),
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
            glyphs.draw(&format!("{left:<33}{fan} B{} {data}  control {control}", index + 1))
        });
        lines.collect()
    }
}

/// How the screen is shown.
#[derive(Clone, Debug)]
pub struct Look {
    /// The characters of the terminal.
    pub glyphs: Glyphs,
    /// Whether the terminal gets colours.
    pub coloured: bool,
    /// The number of the chosen backend.
    pub chosen: usize,
    /// Whether the screen is held.
    pub paused: bool,
    /// Whether the stream has ended.
    pub has_ended: bool,
    /// What is to say about the stream, such as a lost connection.
    pub note: Option<String>,
    /// The page of the legend, from 0, if it is shown.
    pub legend: Option<usize>,
    /// The addresses of a running lab.
    pub addresses: Option<Addresses>,
}

impl Look {
    /// The first backend is chosen, and nothing is unusual.
    pub fn new(glyphs: Glyphs, coloured: bool) -> Self {
        Self {
            glyphs,
            coloured,
            chosen: 1,
            paused: false,
            has_ended: false,
            note: None,
            legend: None,
            addresses: None,
        }
    }

    /// What is unusual about the screen.
    pub(super) fn unusual(&self) -> Option<String> {
        match (self.paused, self.has_ended) {
            (true, _) => Some("PAUSED: space goes on".to_owned()),
            (false, true) => Some("END: q quits".to_owned()),
            (false, false) => self.note.clone(),
        }
    }

    /// Does an action that concerns the screen. Returns false for an action that concerns the lab.
    pub(super) fn apply(&mut self, action: Action, view: &View, (width, height): (usize, usize)) -> bool {
        match action {
            Action::Legend => {
                let next = self.legend.map_or(0, |page| page + 1);
                self.legend = Some(next).filter(|page| *page < legend::pages(self.glyphs, (width, height)));
            }
            Action::Pause => self.paused = !self.paused,
            Action::Select { next } => self.chosen = neighbour(view, self.chosen, next),
            Action::Choose(number) => {
                if view.lanes.iter().any(|lane| lane.number == number) {
                    self.chosen = number;
                }
            }
            _ => return false,
        }
        true
    }
}

/// The number of the backend after this one, or before it; after the last one comes the first.
fn neighbour(view: &View, chosen: usize, next: bool) -> usize {
    let numbers: Vec<usize> = view.lanes.iter().map(|lane| lane.number).collect();
    let Some(at) = numbers.iter().position(|number| *number == chosen) else {
        return numbers.first().copied().unwrap_or(chosen);
    };
    let step = if next { 1 } else { numbers.len() - 1 };
    numbers[(at + step) % numbers.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Lane, Model};

    fn view(numbers: &[usize]) -> View {
        let lane = |number: &usize| Lane { number: *number, ..Lane::default() };
        View { lanes: numbers.iter().map(lane).collect(), ..Model::default().view() }
    }

    #[test]
    fn the_choice_goes_round() {
        assert_eq!(neighbour(&view(&[]), 1, true), 1, "there is no backend");
        let view = view(&[1, 2, 5]);
        for (chosen, next, expected) in
            [(1, true, 2), (2, true, 5), (5, true, 1), (1, false, 5), (5, false, 2), (9, true, 1)]
        {
            assert_eq!(neighbour(&view, chosen, next), expected, "{chosen} {next}");
        }
    }

    #[test]
    fn a_digit_chooses_a_backend_that_exists_and_does_nothing_else() {
        let mut look = Look::new(Glyphs::ascii(), false);
        let view = view(&[1, 2, 5]);
        for (number, chosen) in [(2, 2), (4, 2), (1, 1)] {
            assert!(look.apply(Action::Choose(number), &view, (80, 24)), "it is not passed on");
            assert_eq!(look.chosen, chosen, "after {number}");
        }
        assert!(!look.apply(Action::KillOrStart, &view, (80, 24)), "it is passed on");
    }

    #[test]
    fn the_legend_is_turned_page_by_page() {
        let mut look = Look::new(Glyphs::ascii(), false);
        let mut pages = Vec::new();
        for _ in 0..4 {
            look.apply(Action::Legend, &view(&[]), (80, 24));
            pages.push(look.legend);
        }
        assert_eq!(pages, [Some(0), Some(1), None, Some(0)]);
    }

    #[test]
    fn the_fan_has_as_many_ends_as_there_are_backends() {
        for count in 1..6 {
            let at = |port: usize| format!("127.0.0.1:{port}");
            let backends = (1..=count).map(|n| (at(3030 + n), at(4030 + n))).collect();
            let addresses = Addresses { balancer: at(3030), admin: at(4030), backends };
            let picture = addresses.picture(Glyphs::for_locale(Some("C.UTF-8")));
            assert_eq!(picture.len(), count);
            assert!(picture.iter().all(|line| line.contains("control 127.0.0.1:40")), "{picture:#?}");
            assert_eq!(picture.iter().filter(|line| line.contains("lb 127.0.0.1:3030")).count(), 1);
        }
    }
}
