//! Errors of a long file in which most lines are wrong: its beginning is enough to show them.
//!
//! To parse a file of several MiB with an error in each line takes seconds and hundreds of MiB, because the
//! TOML parser keeps a record of every error. So the beginning of a long file is read first. If it has more
//! problems than are ever shown, the rest is not read.

use super::problems::{ProblemList, Problems, Source, without_secrets};
use super::{Flags, dialect, rules, understood};

/// Lengths of beginnings, in bytes: each is cheap compared with the next one, and with the longest file.
const LENGTHS: [usize; 2] = [256 << 10, 2 << 20];

/// The problems of the beginning of a file, if there are so many that the rest does not matter.
pub(super) fn problems(name: &str, text: &str, flags: &Flags) -> Option<Problems> {
    LENGTHS.into_iter().filter_map(|length| beginning(text, length)).find_map(|part| {
        let source = Source { name: name.to_owned(), text: without_secrets(part) };
        let mut found = ProblemList::default();
        match understood(&source, Some(part), flags, &mut found) {
            Some((config, raw)) => rules::check_duplicates(&config, &raw, &mut found),
            // The beginning of a JSON list can look like TOML, because the end of the list is missing. The
            // other languages are recognised in every part of a file.
            None if text.trim_start().starts_with('[') => {
                let whole = without_secrets(text);
                if let Some(problem) = dialect::foreign(&whole) {
                    return Some(Problems::errors(&Source { text: whole, ..source }, problem));
                }
            }
            None => {}
        }
        // If there are few problems, the text may be right together with the rest, such as the end of a list.
        (found.count() > ProblemList::KEPT).then(|| Problems::errors_in_part(&source, found))
    })
}

/// The complete lines within the first bytes of a text; `None` if the text is not longer, or has only one
/// line.
fn beginning(text: &str, length: usize) -> Option<&str> {
    let newline = text.as_bytes().get(..length)?.iter().rposition(|byte| *byte == b'\n')?;
    text.get(..=newline)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;

    const LONG: usize = 512 << 10;

    fn repeated(line: impl Fn(usize) -> String) -> String {
        let mut text = String::new();
        for n in 0.. {
            if text.len() > LONG {
                break;
            }
            text.push_str(&line(n));
        }
        text
    }

    fn told(text: &str) -> String {
        read(Some(("lb.toml", text)), &Flags::default())
            .err()
            .map(|problems| problems.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn a_beginning_ends_with_a_line() {
        let table =
            [("a\nb\nc", 3, Some("a\n")), ("a\nb\nc", 4, Some("a\nb\n")), ("abc", 2, None), ("a\n", 9, None)];
        for (text, length, expected) in table {
            assert_eq!(beginning(text, length), expected, "{text:?} {length}");
        }
    }

    #[test]
    fn what_is_wrong_in_every_line_is_told_of_the_beginning() {
        let shapes: [(&str, String); 4] = [
            ("key0 is not known", repeated(|n| format!("key{n} = 1\n"))),
            ("lb.toml:1:3", repeated(|_| "a b\n".to_owned())),
            ("has no scheme", repeated(|n| format!("[[backend]]\nurl = \"a:{n}\"\n"))),
            (
                "lb.toml:3:6",
                "listen = \"0.0.0.0:65000\"\n\n".to_owned() + &repeated(|n| format!("k{n} = x\n")),
            ),
        ];
        for (expected, text) in shapes {
            let told = told(&text);
            assert!(told.contains("and at least ") && told.contains(expected), "{expected}: {told}");
        }
    }

    #[test]
    fn a_right_file_is_right_wherever_its_beginning_ends() {
        let url = |n: usize| format!("http://a{n}:1");
        let urls = "[[backend]]\nurl = \"http://a:1\"\n";
        let listed = |open: &str, close: &str, line: &dyn Fn(usize) -> String| {
            format!("{open}\n{}{close}\n", repeated(line))
        };
        let shapes = [
            repeated(|n| format!("[[backend]]\nurl = \"{}\"\n", url(n))),
            repeated(|n| format!("[[backend]]\n\nurl = \"\"\"\n{}\"\"\"\n", url(n))),
            listed("backend = [", "]", &|n| format!("{{ url = \"{}\" }},\n", url(n))),
            listed("backend = [", "]", &|n| format!("{{\nurl = \"{}\"\n}},\n", url(n))),
            listed("trusted_proxies = [", "]", &|_| "\"10.0.0.0/8\",\n".to_owned()) + urls,
            listed(&format!("{urls}[health]\nping_path = \"/\"\nping_body = \"\"\""), "\"\"\"", &|_| {
                "a b\n".to_owned()
            }),
            listed("#", "", &|_| "# a b\n".to_owned()) + urls,
        ];
        for text in shapes {
            assert_eq!(told(&text), "", "{}", &text[..200]);
        }
    }

    #[test]
    fn another_language_is_known_by_the_whole_file() {
        let backends = repeated(|n| format!("{{\"url\": \"http://a{n}:1\"}},\n"));
        let text = format!("[\n{backends}{{\"url\": \"http://b:1\"}}\n]\n");
        let told = told(&text);
        assert!(told.contains("this looks like JSON"), "{told}");
    }
}
