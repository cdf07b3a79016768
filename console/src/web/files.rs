//! The files of the page, inside the program.

use std::io::{self, Write as _};
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::minify::minify;

/// A source of the page: its name below `/page/`, its content type, and its text.
pub(super) type Source = (&'static str, &'static str, &'static str);

/// A file as a viewer gets it.
#[derive(Debug)]
pub(super) struct PageFile {
    /// The name below `/page/`.
    name: &'static str,
    pub(super) content_type: &'static str,
    pub(super) text: String,
    /// The text in the format of gzip, unless that failed.
    pub(super) gzip: Option<Vec<u8>>,
}

const JS: &str = "text/javascript; charset=utf-8";

/// The page itself. It has `{{token}}` in place of the token.
pub(super) const INDEX: &str = include_str!("../../page/index.html");

/// All other files. A test compares them with the folder.
pub(super) const SOURCES: &[Source] = &[
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

/// The file of this name. Each file is made once, so the source can keep its comments.
pub(super) fn find(name: &str) -> Option<&'static PageFile> {
    all().iter().find(|file| file.name == name)
}

fn all() -> &'static [PageFile] {
    static FILES: OnceLock<Vec<PageFile>> = OnceLock::new();
    FILES.get_or_init(|| {
        let file = |&(name, content_type, source): &Source| {
            let text = minify(name, source);
            let gzip = gzip(&text).ok();
            PageFile { name, content_type, text, gzip }
        };
        SOURCES.iter().map(file).collect()
    })
}

fn gzip(text: &str) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;
    use std::path::Path;

    use super::*;

    #[test]
    fn a_viewer_loads_at_most_80_kb() {
        // A viewer needs the words of one language.
        let sent = all().iter().filter(|file| file.name != "strings/de.json");
        let sum: usize = sent.map(|file| file.text.len()).sum();
        assert!(sum + INDEX.len() <= 80_000, "{} bytes", sum + INDEX.len());
    }

    #[test]
    fn a_compressed_file_is_the_same_file() {
        for PageFile { name, text, gzip, .. } in all() {
            let mut read = String::new();
            let gzip = gzip.as_deref().unwrap();
            flate2::read::GzDecoder::new(gzip).read_to_string(&mut read).unwrap();
            assert_eq!(read, *text, "{name}");
            assert!(gzip.len() < text.len(), "{name}");
        }
    }

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
        assert_eq!(all.len(), SOURCES.len() + 1, "a file of console/page is missing in the table SOURCES");
        for (name, text) in all {
            let (content_type, known) = match name.as_str() {
                "index.html" => ("text/html", INDEX),
                name => {
                    let found = SOURCES.iter().find(|(known, ..)| *known == name);
                    let (_, content_type, text) = found.unwrap_or_else(|| panic!("{name} is not in SOURCES"));
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
