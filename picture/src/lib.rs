//! A small SVG builder: boxes, arrows, lines, dots and words, as a file or as a part of a page.
//!
//! The background is transparent and every colour has a variant for dark mode, chosen by
//! `prefers-color-scheme`. Words use any sans-serif font of the reader, so their width is estimated with a
//! wide one (DejaVu Sans), and [`Picture::flaws`] reports what might not fit.
//!
//! A crate would replace the smaller part of this: `svg` writes elements and knows nothing of what they mean,
//! and `plotters` writes fixed colours into the file, draws no arrows and reports no flaws.

mod tone;

use tone::style;
pub use tone::{Tone, light_style};

/// A point in the picture, in pixels from the top left.
pub type Point = (f64, f64);

/// The alignment of words at their point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The words begin there.
    Start,
    /// Their middle is there.
    Middle,
    /// They end there.
    End,
}

/// A rectangle, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Its left side.
    pub x: f64,
    /// Its top.
    pub y: f64,
    /// From left to right.
    pub width: f64,
    /// From top to bottom.
    pub height: f64,
}

impl Area {
    /// The rectangle with this top left corner and this size.
    pub fn new(x: f64, y: f64, width: f64, height: f64) -> Self {
        Self { x, y, width, height }
    }

    /// The middle of its left side.
    pub fn left(self) -> Point {
        (self.x, self.y + self.height / 2.0)
    }

    /// The middle of its right side.
    pub fn right(self) -> Point {
        (self.x + self.width, self.y + self.height / 2.0)
    }

    fn contains(self, other: Self) -> bool {
        other.x >= self.x
            && other.y >= self.y
            && other.x + other.width <= self.x + self.width
            && other.y + other.height <= self.y + self.height
    }

    fn overlaps(self, other: Self) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }
}

/// A picture under construction. Later things are drawn over earlier ones.
#[derive(Clone, Debug)]
pub struct Picture {
    title: String,
    description: String,
    width: f64,
    height: f64,
    body: String,
    words: Vec<(String, Area)>,
    flaws: Vec<String>,
}

impl Picture {
    /// An empty picture. The title and the description are for readers who cannot see it.
    pub fn new(title: &str, description: &str, width: f64, height: f64) -> Self {
        Self {
            title: title.to_owned(),
            description: description.to_owned(),
            width,
            height,
            body: String::new(),
            words: Vec::new(),
            flaws: Vec::new(),
        }
    }

    /// A box with centred lines of words, the first one bold.
    pub fn block(&mut self, area: Area, tone: Tone, lines: &[&str]) {
        let Area { x, y, width, height } = area;
        let class = tone.name();
        let shape = format!(
            r#"<rect class="{class} box" x="{x}" y="{y}" width="{width}" height="{height}" rx="7"/>"#
        );
        self.push(&shape);
        let middle = (x + width / 2.0, y + height / 2.0 - (lines.len() as f64 - 1.0) * 9.0 + 5.0);
        for (number, line) in lines.iter().enumerate() {
            let size = if number == 0 { 15.0 } else { 13.0 };
            let at = (middle.0, middle.1 + number as f64 * 18.0);
            self.write(at, Anchor::Middle, tone, line, size, number == 0, Some(area));
        }
    }

    /// Words on the background.
    pub fn label(&mut self, at: Point, anchor: Anchor, tone: Tone, text: &str) {
        self.write(at, anchor, tone, text, 13.0, false, None);
    }

    /// Bold words on the background.
    pub fn heading(&mut self, at: Point, anchor: Anchor, tone: Tone, text: &str) {
        self.write(at, anchor, tone, text, 15.0, true, None);
    }

    /// A line through the points, with a head at its end.
    pub fn arrow(&mut self, points: &[Point], tone: Tone) {
        self.path(points, tone, "");
        self.head(points, tone);
    }

    /// A dashed line through the points, with a head at its end.
    pub fn dashed_arrow(&mut self, points: &[Point], tone: Tone) {
        self.path(points, tone, " dashed");
        self.head(points, tone);
    }

    /// A line through the points.
    pub fn line(&mut self, points: &[Point], tone: Tone) {
        self.path(points, tone, "");
    }

    /// A dashed line through the points.
    pub fn dashed_line(&mut self, points: &[Point], tone: Tone) {
        self.path(points, tone, " dashed");
    }

    /// A cross, on something that does not work.
    pub fn cross(&mut self, (x, y): Point, tone: Tone) {
        self.path(&[(x - 6.0, y - 6.0), (x + 6.0, y + 6.0)], tone, "");
        self.path(&[(x - 6.0, y + 6.0), (x + 6.0, y - 6.0)], tone, "");
    }

    /// A small disc with a number or a letter in it.
    pub fn token(&mut self, (x, y): Point, tone: Tone, text: &str) {
        let class = tone.name();
        self.push(&format!(r#"<circle class="{class} box" cx="{x:.1}" cy="{y:.1}" r="12"/>"#));
        let area = Area::new(x - 12.0, y - 12.0, 24.0, 24.0);
        self.write((x, y + 4.5), Anchor::Middle, tone, text, 13.0, false, Some(area));
    }

    /// A bar of a chart.
    pub fn bar(&mut self, area: Area, tone: Tone) {
        let Area { x, y, width, height } = area;
        let class = tone.name();
        self.push(&format!(
            r#"<rect class="{class} box" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="2"/>"#
        ));
    }

    /// A point of a chart.
    pub fn dot(&mut self, (x, y): Point, tone: Tone) {
        self.push(&format!(r#"<circle class="{} full" cx="{x:.1}" cy="{y:.1}" r="2.5"/>"#, tone.name()));
    }

    /// The parts that may be hard to read: words that leave the picture or their box, or cover others.
    pub fn flaws(&self) -> Vec<String> {
        let mut flaws = self.flaws.clone();
        let frame = Area::new(0.0, 0.0, self.width, self.height);
        for (number, (text, area)) in self.words.iter().enumerate() {
            if !frame.contains(*area) {
                flaws.push(format!("{text:?} leaves the picture"));
            }
            for (other, _) in self.words[..number].iter().filter(|(_, taken)| taken.overlaps(*area)) {
                flaws.push(format!("{text:?} covers {other:?}"));
            }
        }
        flaws
    }

    /// The complete file.
    pub fn finish(self) -> String {
        let style = format!("<style>\n{}</style>\n", style());
        self.element("", &style)
    }

    /// The picture as an element of a page, which has the rules of [`light_style`]. The ids in it begin with
    /// `name`, because ids are unique in a page.
    pub fn part(self, name: &str) -> String {
        self.element(&format!("{name}-"), "")
    }

    fn element(self, prefix: &str, style: &str) -> String {
        let Self { title, description, width, height, body, .. } = self;
        let (title, description) = (escape(&title), escape(&description));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{prefix}title {prefix}desc\">\n\
             <title id=\"{prefix}title\">{title}</title>\n<desc id=\"{prefix}desc\">{description}</desc>\n\
             {style}{body}</svg>\n"
        )
    }

    #[expect(clippy::too_many_arguments, reason = "the one place all words pass; callers use the named ones")]
    fn write(
        &mut self,
        at: Point,
        anchor: Anchor,
        tone: Tone,
        text: &str,
        size: f64,
        bold: bool,
        within: Option<Area>,
    ) {
        let width = width_of(text, size) * if bold { 1.08 } else { 1.0 };
        let (spelt, left) = match anchor {
            Anchor::Start => ("start", at.0),
            Anchor::Middle => ("middle", at.0 - width / 2.0),
            Anchor::End => ("end", at.0 - width),
        };
        let area = Area::new(left, at.1 - size * 0.8, width, size);
        if within.is_some_and(|within| !within.contains(area)) {
            self.flaws.push(format!("{text:?} leaves its box"));
        }
        self.words.push((text.to_owned(), area));
        let weight = if bold { r#" font-weight="600""# } else { "" };
        let (class, text) = (tone.name(), escape(text));
        self.push(&format!(
            r#"<text class="{class} words" x="{:.1}" y="{:.1}" font-size="{size}" text-anchor="{spelt}"{weight}>{text}</text>"#,
            at.0, at.1
        ));
    }

    fn path(&mut self, points: &[Point], tone: Tone, more: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let class = tone.name();
        self.push(&format!(r#"<polyline class="{class} line{more}" points="{}"/>"#, points.join(" ")));
    }

    fn head(&mut self, points: &[Point], tone: Tone) {
        let [.., from, tip] = points else { return };
        let (dx, dy) = (tip.0 - from.0, tip.1 - from.1);
        let length = dx.hypot(dy).max(1.0);
        let (dx, dy) = (dx / length, dy / length);
        let corner = |side: f64| (tip.0 - 9.0 * dx - side * 4.5 * dy, tip.1 - 9.0 * dy + side * 4.5 * dx);
        let (a, b) = (corner(1.0), corner(-1.0));
        self.push(&format!(
            r#"<polygon class="{} full" points="{:.1},{:.1} {:.1},{:.1} {:.1},{:.1}"/>"#,
            tone.name(),
            tip.0,
            tip.1,
            a.0,
            a.1,
            b.0,
            b.1
        ));
    }

    fn push(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }
}

/// Text as it is written between tags.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The width of the words of a label in pixels, in a font that is wider than most.
pub fn width_of_label(text: &str) -> f64 {
    width_of(text, 13.0)
}

/// The same for words of another size.
fn width_of(text: &str, size: f64) -> f64 {
    let units: f64 = text.chars().map(width_of_letter).sum();
    units * size
}

fn width_of_letter(letter: char) -> f64 {
    match letter {
        'i' | 'j' | 'l' | ' ' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.32,
        'f' | 't' | 'r' | '-' | '(' | ')' | '/' => 0.41,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.95,
        'A'..='Z' => 0.7,
        _ => 0.63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank() -> Picture {
        Picture::new("a < b", "what & why", 200.0, 100.0)
    }

    #[test]
    fn a_file_names_itself_and_escapes_its_words() {
        let mut picture = blank();
        picture.label((10.0, 20.0), Anchor::Start, Tone::Plain, "1 < 2 & so on");
        assert!(picture.flaws().is_empty());
        let svg = picture.finish();
        for part in ["<title id=\"title\">a &lt; b</title>", "what &amp; why", "1 &lt; 2 &amp; so on"] {
            assert!(svg.contains(part), "{part} is not in {svg}");
        }
        assert!(svg.contains("prefers-color-scheme: dark"));
    }

    #[test]
    fn a_part_of_a_page_has_ids_of_its_own_and_no_style() {
        let part = blank().part("plot-2");
        for expected in
            ["aria-labelledby=\"plot-2-title plot-2-desc\"", "<desc id=\"plot-2-desc\">what &amp; why</desc>"]
        {
            assert!(part.contains(expected), "{expected} is not in {part}");
        }
        assert!(!part.contains("<style>"));
        assert!(light_style().contains(".good.line{stroke:#116329}") && !light_style().contains("dark"));
    }

    #[test]
    fn words_that_cannot_be_read_are_flaws() {
        let mut picture = blank();
        picture.label((150.0, 20.0), Anchor::Start, Tone::Plain, "beyond the edge");
        picture.label((10.0, 50.0), Anchor::Start, Tone::Plain, "first");
        picture.label((12.0, 52.0), Anchor::Start, Tone::Plain, "second");
        picture.block(Area::new(10.0, 70.0, 30.0, 20.0), Tone::Good, &["too wide"]);
        let flaws = picture.flaws();
        assert_eq!(
            flaws,
            [
                "\"too wide\" leaves its box",
                "\"beyond the edge\" leaves the picture",
                "\"second\" covers \"first\"",
                "\"too wide\" leaves the picture",
            ]
        );
    }

    #[test]
    fn an_arrow_ends_where_it_points() {
        let mut picture = blank();
        picture.arrow(&[(0.0, 10.0), (50.0, 10.0)], Tone::Accent);
        assert!(picture.finish().contains("points=\"50.0,10.0 41.0,14.5 41.0,5.5\""));
    }
}
