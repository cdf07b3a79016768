//! The files of the page, inside the program.

/// A file of the page: its name below `/page/`, its content type, and its text.
pub(super) type PageFile = (&'static str, &'static str, &'static str);

const JS: &str = "text/javascript; charset=utf-8";

/// The page itself. It has `{{token}}` in place of the token.
pub(super) const INDEX: &str = include_str!("../../page/index.html");

/// All other files. A test compares them with the folder.
pub(super) const FILES: &[PageFile] = &[
    ("controls.js", JS, include_str!("../../page/controls.js")),
    ("flow.js", JS, include_str!("../../page/flow.js")),
    ("keys.js", JS, include_str!("../../page/keys.js")),
    ("lanes.js", JS, include_str!("../../page/lanes.js")),
    ("main.js", JS, include_str!("../../page/main.js")),
    ("model-lane.js", JS, include_str!("../../page/model-lane.js")),
    ("model-plots.js", JS, include_str!("../../page/model-plots.js")),
    ("model-window.js", JS, include_str!("../../page/model-window.js")),
    ("model-words.js", JS, include_str!("../../page/model-words.js")),
    ("model.js", JS, include_str!("../../page/model.js")),
    ("plot.js", JS, include_str!("../../page/plot.js")),
    ("stream.js", JS, include_str!("../../page/stream.js")),
    ("strings.js", JS, include_str!("../../page/strings.js")),
    ("why.js", JS, include_str!("../../page/why.js")),
    ("style.css", "text/css; charset=utf-8", include_str!("../../page/style.css")),
    ("strings/de.json", "application/json", include_str!("../../page/strings/de.json")),
    ("strings/en.json", "application/json", include_str!("../../page/strings/en.json")),
];

/// The file of this name.
pub(super) fn find(name: &str) -> Option<&'static PageFile> {
    FILES.iter().find(|(known, ..)| *known == name)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The names of the files in a folder and below, with their texts.
    fn in_folder(folder: &Path, before: &str) -> Vec<(String, String)> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{before}{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                files.extend(in_folder(&path, &format!("{name}/")));
            } else {
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
        files
    }

    #[test]
    fn each_file_of_the_folder_is_in_the_table_under_its_name() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
        let all = in_folder(&folder, "");
        assert_eq!(all.len(), FILES.len() + 1, "a file of console/page is missing in the table FILES");
        for (name, text) in all {
            let (content_type, known) = match name.as_str() {
                "index.html" => ("text/html", INDEX),
                name => {
                    let (_, content_type, text) =
                        find(name).unwrap_or_else(|| panic!("{name} is not in FILES"));
                    (*content_type, *text)
                }
            };
            assert_eq!(known, text, "{name}");
            let expected = match name.rsplit('.').next() {
                Some("html") => "text/html",
                Some("js") => JS,
                Some("css") => "text/css; charset=utf-8",
                Some("json") => "application/json",
                other => panic!("which content type has {other:?}?"),
            };
            assert_eq!(content_type, expected, "{name}");
        }
    }

    #[test]
    fn the_page_has_one_place_for_the_token_and_nothing_inline() {
        assert_eq!(INDEX.matches("{{token}}").count(), 1);
        assert!(INDEX.contains(r#"<meta name="token" content="{{token}}">"#));
        let small = INDEX.to_ascii_lowercase();
        for inline in ["<style", "style=", " onclick", " onload", "javascript:", "<script>"] {
            assert!(!small.contains(inline), "the policy forbids {inline}");
        }
    }
}
