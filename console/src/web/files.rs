//! The files of the page, inside the program.

use std::io::{self, Write as _};
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;

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

/// The text of a file in the format of gzip: the source keeps its comments, and a viewer loads a quarter of
/// it. Each file is compressed once.
pub(super) fn compressed(name: &str) -> Option<&'static [u8]> {
    static COMPRESSED: OnceLock<Vec<(&str, Vec<u8>)>> = OnceLock::new();
    let files = COMPRESSED.get_or_init(|| {
        let file = |(name, _, text): &PageFile| Some((*name, gzip(text).ok()?));
        FILES.iter().filter_map(file).collect()
    });
    files.iter().find(|(known, _)| *known == name).map(|(_, bytes)| bytes.as_slice())
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
        let strings = |name: &str| name.starts_with("strings/") && name != "strings/en.json";
        let files = FILES.iter().filter(|(name, ..)| !strings(name));
        let sum: usize = files.map(|(name, ..)| compressed(name).unwrap().len()).sum();
        assert!(sum + INDEX.len() <= 80_000, "{sum} bytes");
    }

    #[test]
    fn a_compressed_file_is_the_same_file() {
        for (name, _, text) in FILES {
            let mut read = String::new();
            flate2::read::GzDecoder::new(compressed(name).unwrap()).read_to_string(&mut read).unwrap();
            assert_eq!(read, *text, "{name}");
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
