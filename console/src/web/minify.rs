//! The files of the page as a viewer gets them: without what only readers of the source need.
//!
//! The rules are simple because the sources keep to a style: a comment stands on lines of its own, a string
//! ends on its line, and a division has a space behind it. Tests check that the sources do so.

/// Before and after these, a script needs no space. `+` and `-` are not among them: `a + +b` is not `a ++b`.
const IN_JS: &str = "{}()[],;=?:<>&|";

/// Before and after these, a style sheet needs no space. `:` is not among them: `a :hover` is not `a:hover`.
const IN_CSS: &str = "{};,";

/// The text of the file `name` without comments, indentation and spaces that mean nothing. A file of an
/// unknown kind stays as it is.
pub(super) fn minify(name: &str, text: &str) -> String {
    let lines = code(text);
    match name.rsplit('.').next() {
        Some("js") => {
            // Behind these, a line break never ends a statement.
            let joined = |line: String| if line.ends_with(ends("{(,;")) { line } else { line + "\n" };
            lines.map(|line| joined(squeezed(line, IN_JS))).collect()
        }
        Some("css") => {
            // A line that ends within a value needs a space before the next line.
            let joined = |line: String| if line.ends_with(ends(IN_CSS)) { line } else { line + "\n" };
            lines.map(|line| joined(squeezed(line, IN_CSS))).collect()
        }
        Some("json") => text.lines().map(str::trim).collect(),
        _ => text.to_owned(),
    }
}

fn ends(set: &str) -> impl Fn(char) -> bool {
    move |end| set.contains(end)
}

/// The lines that are no comments, without the spaces around them.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let mut is_comment = false;
    text.lines().map(str::trim).filter(move |line| {
        let begins = is_comment || line.starts_with("/*");
        is_comment = begins && !line.ends_with("*/");
        !begins && !line.is_empty() && !line.starts_with("//")
    })
}

/// The line without the spaces before and after characters of `near`. Strings and templates stay as they are,
/// and so does the rest of a line from a `/` that is no division: it may begin a regular expression.
fn squeezed(line: &str, near: &str) -> String {
    let mut kept = String::with_capacity(line.len());
    // The quotes that are open, and the braces of code inside a template.
    let mut open: Vec<char> = Vec::new();
    let mut rest = line.chars().peekable();
    while let Some(one) = rest.next() {
        let next = rest.peek().copied();
        match (open.last().copied(), one) {
            (None, ' ') => {
                let last = kept.chars().next_back();
                if [last, next].into_iter().flatten().any(|other| near.contains(other)) {
                    continue;
                }
            }
            (None, '/') if next != Some(' ') => {
                kept.push(one);
                kept.extend(rest);
                return kept;
            }
            (None | Some('{'), '"' | '\'' | '`') | (Some('{'), '{') => open.push(one),
            (Some('{'), '}') => _ = open.pop(),
            (Some('"' | '\'' | '`'), '\\') => {
                kept.push(one);
                kept.extend(rest.next());
                continue;
            }
            (Some('`'), '$') if next == Some('{') => {
                kept.push(one);
                kept.extend(rest.next());
                open.push('{');
                continue;
            }
            (Some(quote), _) if quote == one => _ = open.pop(),
            _ => {}
        }
        kept.push(one);
    }
    kept
}

#[cfg(test)]
#[path = "minify_tests.rs"]
mod tests;
