//! A file that is not TOML: it is in another language, or has habits of one. The error shows what to write in
//! TOML.

use std::ops::Range;

use super::aliases;
use super::default_listen::default_listen;
use super::problems::Problem;
use super::settings;

/// An addition to errors about a whole file.
const SHOWS_ALL: &str = "lb.example.toml shows every setting";

/// Tells which other language a text is written in, if it is not TOML.
pub(crate) fn foreign(text: &str) -> Option<Problem> {
    let lines = || significant(text);
    let (first, place) = lines().next()?;
    let looks_like = |language: &str, fix: String, place: Range<usize>| {
        let what = format!("this looks like {language}; lb reads TOML");
        Some(Problem::new(what, format!("{fix}; {SHOWS_ALL}")).at_place(Some(place)))
    };
    let backend = aliases::BACKEND;
    let is_json = || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if first.starts_with('{') || (first.starts_with('[') && is_json()) {
        let fix = format!(
            "write each key on a separate line, such as listen = \"{}\", and {backend}",
            default_listen!()
        );
        return looks_like("JSON", fix, place);
    }
    if first.starts_with('<') {
        return looks_like("XML or HTML", format!("write {backend}"), place);
    }
    if lines().any(|(line, _)| is_toml(line)) {
        return None;
    }
    let in_yaml = || lines().filter_map(|(line, place)| Some((yaml(line)?, place)));
    if let Some((_, place)) = in_yaml().next() {
        // Keys of other programs say nothing about what to write here.
        let known = in_yaml().find_map(|((key, value), place)| Some((in_toml_file(key, value)?, place)));
        let (fix, place) = known.unwrap_or_else(|| (format!("write {backend}"), place));
        return looks_like("YAML", fix, place);
    }
    if let Some((_, place)) = lines().find(|(line, _)| is_block(line)) {
        return looks_like("a configuration of nginx or Caddy", format!("write {backend}"), place);
    }
    let is_haproxy = |line: &str| {
        let word = line.split_whitespace().next().unwrap_or_default();
        ["global", "defaults", "frontend", "backend", "listen"].contains(&word)
    };
    if is_haproxy(first) {
        return looks_like("a configuration of HAProxy", format!("write {backend}"), place);
    }
    None
}

/// A habit from another language in the line at this place: the error, and what to write instead.
pub(crate) fn habit(text: &str, place: &Range<usize>) -> Option<(String, String)> {
    let start = text.get(..place.start)?.rfind('\n').map_or(0, |newline| newline + 1);
    let whole = text.get(start..)?.lines().next()?;
    let (line, at) = (whole.trim(), text.get(place.start..)?);
    if let Some(straight) = straightened(line) {
        return Some(("TOML does not accept typographic quotes".to_owned(), format!("write {straight}")));
    }
    if let Some(space) = whole.chars().find(|letter| letter.is_whitespace() && !letter.is_ascii()) {
        let what = format!("there is a special space character, U+{:04X}", u32::from(space));
        return Some((what, "write a plain space".to_owned()));
    }
    if let Some((key, value)) = yaml(line).filter(|_| !is_toml(line)) {
        return Some(("this line is YAML".to_owned(), in_toml(key, value)));
    }
    let comment =
        ["//", ";", "--", "/*"].into_iter().find(|mark| at.starts_with(mark) || line.starts_with(mark));
    if let Some(mark) = comment.filter(|mark| line.starts_with(mark) || *mark != ";") {
        return Some((format!("'{mark}' does not begin a comment"), "begin comments with #".to_owned()));
    }
    if at.starts_with([';', ',']) {
        let what = "a line must end after its value".to_owned();
        return Some((
            what,
            format!("leave out the {}", if at.starts_with(';') { "semicolon" } else { "comma" }),
        ));
    }
    let (key, value) = line.split_once('=')?;
    let inner = value.trim().strip_prefix('"')?.strip_suffix('"')?;
    (inner.contains('\\') && !inner.contains('\'')).then(|| {
        let what = "a backslash in double quotes starts an escape sequence".to_owned();
        (what, format!("write {} = '{inner}', in single quotes", key.trim()))
    })
}

/// Tells why these bytes are not text, if they are not.
pub(crate) fn not_text(bytes: &[u8]) -> Option<&'static str> {
    const HEAD: usize = 1024;
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("is UTF-16"),
        _ if bytes[..bytes.len().min(HEAD)].contains(&0) => Some("is not a text file"),
        _ => None,
    }
}

/// The lines with content, without the spaces around them, and their places.
fn significant(text: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    let line = move |line: &str| {
        // All lines are parts of the text, so the distance from the start of the text is the place of a line.
        let start = line.as_ptr() as usize - text.as_ptr() as usize;
        start..start + line.len()
    };
    let lines = text.lines().map(|line| line.trim_start_matches('\u{feff}').trim());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(move |text| (text, line(text)))
}

/// Whether a line is TOML: a section, or a key and a value.
fn is_toml(line: &str) -> bool {
    // Spaces are only around dots and in quotes.
    let is_part = |part: &str| {
        let part = part.trim();
        let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        part.starts_with(['"', '\'']) || (!part.is_empty() && part.bytes().all(is_bare))
    };
    let is_key = |text: &str| text.split('.').all(is_part);
    let is_section = line.starts_with('[') && line.contains(']') && !line.contains(['{', ':']);
    is_section || line.split_once('=').is_some_and(|(key, _)| is_key(key) && !key.trim().is_empty())
}

/// Key and value of a line of YAML; for a list entry without a key, the key is empty.
fn yaml(line: &str) -> Option<(&str, &str)> {
    let (entry, rest) = match line.strip_prefix("- ") {
        Some(rest) => (true, rest.trim()),
        None => (false, line),
    };
    let is_key = |key: &str| {
        let key = key.trim_matches(['"', '\'']);
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match rest.split_once(':') {
        Some((key, value)) if is_key(key) && (value.is_empty() || value.starts_with([' ', '\t'])) => {
            Some((key.trim_matches(['"', '\'']), value.trim()))
        }
        _ if entry => Some(("", rest)),
        _ => None,
    }
}

/// Whether a line is one of nginx or Caddy: it begins or is a block, it ends with a semicolon, it has the
/// port of a site, or its first word is a directive.
fn is_block(line: &str) -> bool {
    const DIRECTIVES: [&str; 4] = ["reverse_proxy", "proxy_pass", "upstream", "file_server"];
    let word = line.split_whitespace().next().unwrap_or_default();
    let is_port = word.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let on_one_line = line.ends_with('}') && line.contains('{');
    line.ends_with(['{', ';']) || on_one_line || is_port || DIRECTIVES.contains(&word)
}

/// A line of YAML as TOML, as the first line of a file; `None` if no setting has this name.
fn in_toml_file(key: &str, value: &str) -> Option<String> {
    let name = key.replace('-', "_");
    let is_section = |section: &&settings::Section| !section.name.is_empty();
    let is_known = settings::section(&name).filter(is_section).is_some()
        || aliases::find(&name).is_some()
        || settings::section("").is_some_and(|top| top.setting(&name).is_some())
        || (key.is_empty() && value.contains("://"));
    if is_known {
        return Some(in_toml(key, value));
    }
    let home = settings::SECTIONS.iter().find(|section| section.setting(&name).is_some())?;
    let line = in_toml(key, value);
    Some(format!("write {} and, below it, {}", home.title(), line.strip_prefix("write ").unwrap_or(&line)))
}

/// A line of YAML as TOML.
fn in_toml(key: &str, value: &str) -> String {
    let value = value.split(" #").next().unwrap_or_default().trim();
    let is_bare = value.parse::<i64>().is_ok() || matches!(value, "true" | "false");
    let key = key.replace('-', "_");
    match (settings::section(&key).filter(|section| !section.name.is_empty()), &key[..], value) {
        (Some(section), ..) => format!("write {}", section.title()),
        (None, "", value) if value.contains("://") => {
            format!("write [[backend]] and, below it, url = \"{}\"", value.trim_matches(['"', '\'']))
        }
        (None, key, value) => match aliases::find(key).filter(|_| !is_setting(key)) {
            Some(alias) => alias.file.to_owned(),
            None if value.is_empty() && key.is_empty() => format!("write {}", aliases::BACKEND),
            // A port alone is no address, as in `listen: 80`.
            None if key == "listen" && value.parse::<u16>().is_ok() => {
                format!("write listen = \"0.0.0.0:{value}\"")
            }
            None if !is_setting(key) => format!("write keys and values as in {key} = \"…\"; {SHOWS_ALL}"),
            None if is_bare || value.starts_with(['"', '\'', '[']) => format!("write {key} = {value}"),
            None => format!("write {key} = \"{value}\""),
        },
    }
}

/// Whether a key has this name, in any section.
fn is_setting(key: &str) -> bool {
    settings::SECTIONS.iter().any(|section| section.setting(key).is_some())
}

/// The line with straight quotes in place of typographic ones; `None` if it has no typographic quotes outside
/// straight ones.
fn straightened(line: &str) -> Option<String> {
    const TYPOGRAPHIC: [char; 9] = ['“', '”', '„', '‟', '«', '»', '‘', '’', '‚'];
    let value = line.split_once('=').map_or(line, |(_, value)| value).trim_start();
    let is_quoted = value.starts_with(['"', '\'']);
    (!is_quoted && line.contains(TYPOGRAPHIC)).then(|| line.replace(TYPOGRAPHIC, "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_languages_are_known_by_their_looks() {
        let table = [
            ("listen: 0.0.0.0:80\nbackends:\n", "YAML", "write listen = \"0.0.0.0:80\""),
            ("listen: 80\n", "YAML", "write listen = \"0.0.0.0:80\""),
            ("---\nbackends:\n- http://a:1\n", "YAML", "write [[backend]]"),
            ("# c\n\n- http://a:1\n", "YAML", "url = \"http://a:1\""),
            ("workers: 4 # few\n", "YAML", "write workers = 4"),
            ("health:\n  rise: 3\n", "YAML", "write [health]"),
            ("tls:\n  cert: a\n", "YAML", "TLS is not supported yet"),
            ("rise: 3\n", "YAML", "write [health] and, below it, rise = 3"),
            ("version: '3'\nservices:\n  app:\n", "YAML", "write [[backend]]"),
            ("version: '3'\nworkers: 2\n", "YAML", "write workers = 2"),
            ("static_resources:\n  clusters:\n", "YAML", "write [[backend]]"),
            ("{\"listen\": 1}", "JSON", "listen = \"0.0.0.0:3030\""),
            ("{ listen = 1 }", "JSON", "[[backend]]"),
            ("[{\"url\": \"http://a\"}]", "JSON", "[[backend]]"),
            ("<config/>", "XML", "[[backend]]"),
            ("upstream a {\n server b;\n}", "nginx", "[[backend]]"),
            ("upstream app { server 127.0.0.1:3031; }", "nginx", "[[backend]]"),
            ("upstream app { server a:1 weight=5; server b:2; }", "nginx", "[[backend]]"),
            (":80", "Caddy", "[[backend]]"),
            (":80\nreverse_proxy localhost:3031\n", "Caddy", "[[backend]]"),
            ("reverse_proxy localhost:3031", "Caddy", "[[backend]]"),
            ("frontend a\n bind *:80\n", "HAProxy", "[[backend]]"),
        ];
        for (text, language, fix) in table {
            let problem = foreign(text).unwrap_or_else(|| panic!("{text}"));
            assert!(problem.what.contains(language) && problem.fix.contains(fix), "{text}: {problem:?}");
            assert_eq!(problem.places.len(), 1, "{text}");
        }
        for text in ["", "[health", "nonsense", "listen = 5\nrise: 3", "[[backend]]\nurl: 5", "# a: b"] {
            assert_eq!(foreign(text), None, "{text}");
        }
    }

    #[test]
    fn habits_are_known_by_their_lines() {
        let table = [
            ("url = “http://a:1”", 6, "typographic", "write url = \"http://a:1\""),
            ("  rise: 3", 6, "YAML", "write rise = 3"),
            ("\u{a0}rise = 3", 0, "U+00A0", "plain space"),
            ("rise = 3 // three", 9, "'//'", "#"),
            ("; three", 0, "';'", "#"),
            ("-- three", 0, "'--'", "#"),
            ("rise = 3;", 8, "must end", "leave out the semicolon"),
            ("rise = 3,", 8, "must end", "leave out the comma"),
            ("file = \"C:\\logs\\lb\"", 10, "backslash", "write file = 'C:\\logs\\lb', in single quotes"),
        ];
        for (line, at, what, fix) in table {
            let text = format!("[health]\n{line}\r\n");
            let (is, instead) = habit(&text, &(9 + at..9 + at)).unwrap_or_else(|| panic!("{line}"));
            assert!(is.contains(what) && instead.contains(fix), "{line}: {is}; {instead}");
        }
        for line in ["rise = ", "= 3", "rise 3", "url = \"“a”\" x", "name = http://a:1"] {
            assert_eq!(habit(line, &(0..0)), None, "{line}");
        }
    }
}
