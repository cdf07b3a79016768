//! Tests of the module `minify`, with small texts and with the sources of the page.

use super::*;
use crate::web::files::SOURCES;

/// The sources whose names end so, with their lines that are no comments.
fn sources(end: &str) -> impl Iterator<Item = (&'static str, &'static str, Vec<&'static str>)> {
    let of_kind = SOURCES.iter().filter(move |(name, ..)| name.ends_with(end));
    of_kind.map(|(name, _, text)| (*name, *text, code(text).collect()))
}

fn without_spaces(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn comments_indentation_and_empty_lines_go() {
    let source = "// One.\n\n/** Two. */\nif (a) {\n  /*\n   * Three = 3;\n   */\n  b();\n}\n";
    assert_eq!(minify("a.js", source), "if(a){b();}\n");
    // Without a semicolon, a line break can end a statement.
    assert_eq!(minify("a.js", "a = b\nc(\n  d,\n  e)\n"), "a=b\nc(d,e)\n");
    let source = "/* One. */\na :hover,\nb > c {\n  margin:1px 2px;\n  font:a,\n    b c\n    d }\n";
    assert_eq!(minify("a.css", source), "a :hover,b > c{margin:1px 2px;font:a,b c\nd}");
    assert_eq!(minify("a.json", "{\n\"a\":\"b  c\",\n  \"d\":\"//\"\n}\n"), r#"{"a":"b  c","d":"//"}"#);
    assert_eq!(minify("a.html", "<p>\n  a\n"), "<p>\n  a\n");
}

#[test]
fn strings_templates_and_regular_expressions_stay() {
    for (line, expected) in [
        (r#"a = "b , c // d";"#, r#"a="b , c // d";"#),
        (r#"a = 'b " ; c' + d;"#, r#"a='b " ; c' + d;"#),
        (r#"a = "b \" ; c" ;"#, r#"a="b \" ; c";"#),
        ("a = `b ; ${c({ d : `e , ${f}` }) } = g` ;", "a=`b ; ${c({ d : `e , ${f}` }) } = g`;"),
        ("a = b.test(/c , \"/) ? 1 : 2;", "a=b.test(/c , \"/) ? 1 : 2;"),
        ("a = (b) / c ? d : e;", "a=(b)/ c?d:e;"),
        ("a = b + +c - -d;", "a=b + +c - -d;"),
        ("return [a] in (b);", "return[a]in(b);"),
        ("a = b; // c , d", "a=b;// c , d"),
    ] {
        assert_eq!(squeezed(line, IN_JS), expected, "{line}");
    }
}

#[test]
fn only_spaces_and_comments_are_missing() {
    for (name, text, lines) in sources("s") {
        let (sent, code) = (minify(name, text), lines.join("\n"));
        assert!(sent.len() > 500 && sent.len() < text.len(), "{name} has {} bytes", sent.len());
        assert_eq!(without_spaces(&sent), without_spaces(&code), "{name}");
        let strings = |text: &str| text.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(strings(&sent), strings(&code), "{name}");
    }
    for (name, text, _) in sources(".json") {
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&minify(name, text)), read(text), "{name}");
    }
}

#[test]
fn the_sources_keep_to_the_style_that_the_rules_need() {
    for (name, text, lines) in sources("s") {
        for line in &lines {
            for quote in ['"', '`'] {
                assert!(
                    line.matches(quote).count().is_multiple_of(2),
                    "{name}: a string goes on after {line:?}"
                );
            }
        }
        // The middle of a line may look like a comment only within a string.
        for line in lines.iter().filter(|line| line.contains("/*") || line.contains("*/")) {
            assert!(
                line.contains('"') || line.contains('`'),
                "{name}: a comment is not on its own line: {line:?}"
            );
        }
        let begun = text.lines().filter(|line| line.trim().starts_with("/*")).count();
        let ended = text.lines().filter(|line| line.trim().ends_with("*/")).count();
        assert_eq!(begun, ended, "{name}: code stands behind the end of a comment");
    }
}
