//! The text of one Rust file, and the same text without comments, literals and tests.
//!
//! This is no parser. It knows where comments, literals and brackets end, and this is enough for the checks.

use std::ops::Range;

/// One Rust file. All three texts have the same length and the same lines.
#[derive(Debug)]
pub(super) struct Source {
    /// The path from the root of the workspace, with slashes.
    pub(super) path: String,
    pub(super) text: String,
    /// The text with a space in place of each byte of a comment or of a literal.
    pub(super) code: String,
    /// The code with spaces in place of the items that only tests have.
    pub(super) product: String,
    /// Whether only tests have the file.
    pub(super) is_test: bool,
    /// The numbers of the lines that are nothing but a comment.
    pub(super) comments: Vec<usize>,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let (code, comments) = without_literals(text);
        let product = without_tests(&code);
        let mut source =
            Self { path: path.to_owned(), text: text.to_owned(), code, product, is_test: false, comments };
        if is_test(path) || source.code.trim_start().starts_with("#![cfg(test)]") {
            source.make_test();
        }
        source
    }

    /// Takes the whole file out of the product.
    pub(super) fn make_test(&mut self) {
        self.is_test = true;
        self.product = blanked(&self.code, Some(0..self.code.len()));
    }

    /// The files of the modules that only tests have and that this file declares.
    pub(super) fn test_files(&self) -> Vec<String> {
        let all = 0..self.code.len();
        let spans = if self.is_test { Vec::from_iter(Some(all)) } else { test_items(&self.code) };
        spans.into_iter().flat_map(|span| self.declared(span)).collect()
    }

    /// The paths that the `mod name;` lines in a part of this file stand for, whether or not the files exist.
    fn declared(&self, span: Range<usize>) -> Vec<String> {
        let (folder, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let below = match name {
            "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
            _ => self.path.trim_end_matches(".rs").to_owned(),
        };
        let mut files = Vec::new();
        let (mut path, mut declared) = (None, None);
        for (line, code) in self.text[span.clone()].lines().zip(self.code[span].lines()) {
            if let Some(rest) = line.trim().strip_prefix("#[path = \"") {
                path = rest.split('"').next();
            }
            declared = declared.or_else(|| code.split("mod ").nth(1)?.trim().strip_suffix(';'));
            if let Some(module) = declared.take() {
                match path.take() {
                    Some(path) => files.push(format!("{folder}/{path}")),
                    None => {
                        files.extend([format!("{below}/{module}.rs"), format!("{below}/{module}/mod.rs")]);
                    }
                }
            }
        }
        files
    }
}

/// Whether the place of a file says that only tests use it.
fn is_test(path: &str) -> bool {
    path.starts_with("tests/")
        || ["/tests/", "/benches/", "/examples/"].iter().any(|folder| path.contains(folder))
}

/// The number of the line in which a byte stands, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count()
}

/// Where a word stands in a text, not as a part of a longer identifier.
pub(super) fn places_of<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let free = |outer: Option<char>, inner: Option<char>| {
        !(outer.is_some_and(in_name) && inner.is_some_and(in_name))
    };
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        free(text[..*at].chars().next_back(), word.chars().next())
            && free(text[at + word.len()..].chars().next(), word.chars().next_back())
    })
}

/// Whether a character can be a part of an identifier.
pub(super) fn in_name(letter: char) -> bool {
    letter == '_' || letter.is_ascii_alphanumeric()
}

/// The text with spaces in place of every byte in these ranges, except line feeds.
fn blanked(text: &str, ranges: impl IntoIterator<Item = Range<usize>>) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for range in ranges {
        bytes[range].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The code, and the lines that are nothing but a comment.
fn without_literals(text: &str) -> (String, Vec<usize>) {
    let (mut ranges, mut comments, mut at, mut before) = (Vec::new(), Vec::new(), 0, None);
    while let Some(letter) = text[at..].chars().next() {
        let length = literal(&text[at..], before);
        if length > 0 {
            ranges.push(at..at + length);
        }
        let is_first = || text[..at].rsplit('\n').next().is_none_or(|line| line.trim().is_empty());
        if length > 0 && text[at..].starts_with("//") && is_first() {
            comments.push(line_of(text, at));
        }
        at += length.max(letter.len_utf8());
        before = Some(letter);
    }
    (blanked(text, ranges), comments)
}

/// The length of the comment or literal with which a text begins, or 0 if it begins with something else.
fn literal(text: &str, before: Option<char>) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return text.find("*/").map_or(text.len(), |end| end + 2);
    }
    if text.starts_with('"') {
        return string(text);
    }
    if text.starts_with('\'') {
        return character(text);
    }
    let raw = text.strip_prefix('b').unwrap_or(text).strip_prefix('r');
    if let Some(raw) = raw.filter(|_| !before.is_some_and(in_name)) {
        let marks = raw.len() - raw.trim_start_matches('#').len();
        if raw[marks..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(marks));
            let start = text.len() - raw.len() + marks + 1;
            return text[start..].find(&end).map_or(text.len(), |at| start + at + end.len());
        }
    }
    0
}

/// The length of a string that begins here.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the character literal that begins here, or 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    match letters.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(text.len(), |end| end + 4),
        _ => match letters.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
    }
}

fn without_tests(code: &str) -> String {
    blanked(code, test_items(code))
}

/// Where the items are that a product does not have, with their attributes.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items: Vec<Range<usize>> = Vec::new();
    for mark in ["#[cfg(test)]", "#[cfg(any(test", "#[test]", "#[tokio::test"] {
        for (start, _) in code.match_indices(mark) {
            items.push(start..start + item(&code[start..]));
        }
    }
    items
}

/// The length of the item that begins here: up to its closing brace, its semicolon, or the comma behind a
/// field.
fn item(code: &str) -> usize {
    let (mut depth, mut is_attribute, mut first) = (0_i32, false, None);
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'#' if depth == 0 => is_attribute = true,
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => {
                depth -= 1;
                let ends = depth < 0 || depth == 0 && byte == b'}';
                if ends && !is_attribute {
                    return at + usize::from(depth == 0);
                }
                is_attribute &= depth != 0;
            }
            b';' if depth == 0 => return at + 1,
            b',' if depth == 0 && first.is_some_and(is_field) => return at + 1,
            _ if depth == 0 && !is_attribute && first.is_none() && !byte.is_ascii_whitespace() => {
                first = Some(&code[at..]);
            }
            _ => {}
        }
    }
    code.len()
}

/// Whether a text begins with the name of a field and a colon.
fn is_field(code: &str) -> bool {
    let rest =
        code.trim_start_matches("pub(super)").trim_start_matches("pub(crate)").trim_start_matches("pub ");
    let rest = rest.trim_start().trim_start_matches(in_name);
    rest.starts_with(':') && !rest.starts_with("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = "let a = \"// \\\" {\"; // {\nlet b = br#\"\"{\"#; let c = '{'; let d: &'a str = e; /* } */ let f = '\\'';\n";
        let (code, comments) = without_literals(text);
        assert_eq!(code.len(), text.len());
        assert_eq!(comments, [0; 0], "a comment behind code is no line of its own");
        assert!(!code.contains(['{', '}', '"', '/']), "{code}");
        assert!(
            ["let a", "let b", "let c", "let d: &'a str = e;", "let f"]
                .iter()
                .all(|part| code.contains(part))
        );
    }

    #[test]
    fn tests_are_no_product() {
        let text = "use a;\n#[cfg(test)]\nuse b::{c, d};\nfn e() {}\n#[cfg(test)]\n#[path = \"f_tests.rs\"]\nmod tests;\n\
                    struct G {\n    #[cfg(test)]\n    h: u8,\n    i: u8,\n}\n#[cfg(any(test, fuzzing))]\nfn j<K, L>() { m }\nfn n() {}\n";
        let source = Source::new("crate/src/f.rs", text);
        let product: Vec<_> = source.product.split_whitespace().collect();
        assert_eq!(product.join(" "), "use a; ; fn e() {} struct G { i: u8, } fn n() {}");
        assert_eq!(source.test_files(), ["crate/src/f_tests.rs"]);
    }

    #[test]
    fn words_are_found_whole() {
        let text = "learn(x).learn(y) relearn(z) std::fs fs";
        assert_eq!(places_of(text, "learn(").collect::<Vec<_>>(), [0, 9]);
        assert_eq!(places_of(text, "fs").count(), 2);
        assert_eq!(line_of("a\nb\nc", 2), 2);
    }
}
