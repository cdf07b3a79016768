//! Tests: the example is right, the schema and the file have the same settings, and no damaged file makes the
//! reader panic.

use clap::Parser;
use proptest::prelude::*;

use super::form::Written;
use super::report::Lines;
use super::*;
use crate::cli::Cli;

const EXAMPLE: &str = include_str!("../../../lb.example.toml");

/// The configuration of these flags, with three backends if they name none.
pub(crate) fn with(flags: &[&str]) -> Config {
    let named = flags.iter().any(|flag| flag.starts_with("--backends"));
    let backends = (!named).then_some("--backends=http://a:1,http://b:2,http://c:3");
    let cli = Cli::try_parse_from(["lb"].into_iter().chain(backends).chain(flags.iter().copied()));
    cli.unwrap().load().unwrap().config
}

fn read_file(text: &str) -> Result<Loaded, Problems> {
    read(Some(("lb.toml", text)), &Flags::default())
}

#[test]
fn the_example_says_what_holds_without_it() {
    let example = read_file(EXAMPLE).unwrap();
    assert_eq!(example.warnings.to_string(), "");
    let urls = [3031, 3032, 3033, 3034].map(|port| format!("http://localhost:{port}"));
    let default = with(&[&format!("--backends={}", urls.join(","))]);
    assert_eq!(format!("{:#?}", example.config), format!("{default:#?}"));
}

#[test]
fn the_example_has_every_setting_and_what_it_leaves_out_is_right_as_well() {
    // Listeners stand there instead of listen.
    assert!(EXAMPLE.contains("\n#   [[listener]]\n#   address = "));
    for section in SECTIONS.iter().filter(|section| section.name != settings::LISTENER) {
        let start = if section.name.is_empty() {
            0
        } else {
            EXAMPLE.find(&format!("\n{}\n", section.title())).unwrap()
        };
        let part = &EXAMPLE[start..];
        let part = &part[..part[1..].find("\n[").map_or(part.len(), |end| end + 1)];
        for setting in section.settings.iter().filter(|setting| !setting.path.is_empty()) {
            let is_left_out =
                setting.default.is_empty() && part.contains(&format!("\n# {} = ", setting.key()));
            assert!(is_left_out || part.contains(&format!("\n{} = ", setting.key())), "{}", setting.path);
        }
    }
    let is_setting = |line: &str| {
        line.strip_prefix("# ").and_then(|line| line.split_once(" = ")).map(|(key, _)| !key.contains(' '))
    };
    let whole: Vec<_> =
        EXAMPLE.lines().map(|line| if is_setting(line) == Some(true) { &line[2..] } else { line }).collect();
    let whole = read_file(&whole.join("\n")).unwrap();
    assert_eq!(whole.config.proxy.name, "edge-1");
    assert_eq!(whole.config.proxy.sticky_cookie.as_deref(), Some("backend"));
}

#[test]
fn every_default_can_be_read() {
    for setting in SECTIONS.iter().flat_map(|section| section.settings) {
        let default = Written::Plain(setting.default.to_owned());
        assert!(
            setting.default.is_empty() || setting.has_off() || setting.form.read(&default).is_ok(),
            "{setting:?}"
        );
        assert!(!setting.has_off() || setting.form.read(&default).is_err(), "{setting:?}: off is a value");
    }
}

/// The addresses for clients.
fn listens(config: &Config) -> String {
    config.listeners.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn several_listeners_have_a_section_each_and_flags_replace_them() {
    let file = "[[listener]]\naddress = \"127.0.0.1:80\"\n[[listener]]\naddress = \"[::1]:81\"\n\
                [[backend]]\nurl = \"http://a:1\"";
    let load = |flags: &[&str]| {
        let cli = Cli::try_parse_from(["lb"].iter().chain(flags)).unwrap();
        read(Some(("lb.toml", file)), cli.flags()).unwrap().config
    };
    let alone = load(&[]);
    assert_eq!((listens(&alone).as_str(), alone.admin.port()), ("127.0.0.1:80 [::1]:81", 1080));
    assert_eq!(listens(&load(&["--port=82"])), "0.0.0.0:82");
    assert_eq!(listens(&load(&["--bind=127.0.0.1"])), "127.0.0.1:3030");
}

#[test]
fn flags_are_laid_over_the_file() {
    let file = "listen = \"127.0.0.1:80\"\n[[backend]]\nurl = \"http://a:1\"\n[balance]\nexplain = true\n[retries]\nbudget = \"20%\"";
    let load = |flags: &[&str]| {
        let cli = Cli::try_parse_from(["lb"].iter().chain(flags)).unwrap();
        read(Some(("lb.toml", file)), cli.flags()).unwrap().config
    };
    let alone = load(&[]);
    assert_eq!((listens(&alone), alone.admin.port()), ("127.0.0.1:80".to_owned(), 1080));
    assert_eq!((alone.proxy.explain, alone.retry_budget.map(|rule| rule.percent)), (true, Some(20)));
    assert_eq!(listens(&load(&["--port=81"])), "127.0.0.1:81");
    assert_eq!(listens(&load(&["--bind=::1"])), "[::1]:80");
    let over = load(&["--explain=false", "--retry-budget=off", "--backends=http://b:2,http://c:3"]);
    assert_eq!((over.proxy.explain, over.retry_budget, over.backends.len()), (false, None, 2));
}

#[test]
fn every_setting_of_the_file_reaches_the_configuration() {
    // The configuration line by line, without the fields that follow from another setting than this one.
    let chosen = |text: &str, key: &str| {
        let config = read_file(text).unwrap_or_else(|problems| panic!("{text}\n{problems}")).config;
        let derived = |line: &str| line.starts_with("recovery: ") || line.starts_with("request_id: ");
        let follows = |line: &str| derived(line.trim()) && !line.contains(key);
        format!("{config:#?}").lines().filter(|line| !follows(line)).map(str::to_owned).collect::<Vec<_>>()
    };
    for setting in
        SECTIONS.iter().flat_map(|section| section.settings).filter(|setting| !setting.path.is_empty())
    {
        let other = match setting.path {
            "backend.url" => continue,
            "listen" | "listener.address" | "admin" => "\"127.0.0.1:99\"",
            "trusted_proxies" => "[\"10.0.0.0/8\"]",
            "retries.on" => "[502, 503]",
            "balance.policy" => "\"maglev\"",
            "balance.hash_by" => "\"path\"",
            "backend.mode" => "\"drain\"",
            "health.ping_path" => "\"/\"",
            "health.ping_method" => "\"HEAD\"",
            "health.ping_headers" => "[\"X-Probe: 1\"]",
            "sticky.secure" => "\"never\"",
            "sticky.same_site" => "\"strict\"",
            "via" => "false",
            "log.format" => "\"json\"",
            "log.level" => "\"debug\"",
            "log.query" => "false",
            "admin_token" => "\"sixteen-and-more-letters\"",
            "log.statistics" => "\"basic\"",
            // This setting has an effect only with a budget.
            "retries.budget_per_second" => "7\nbudget = \"30%\"",
            // This setting is allowed only with another one.
            "balance.load_view_delay" => "\"7s\"\nteaching = true",
            "queues.queue" => "7\nbackend_limit = 9",
            "queues.queue_timeout" => "\"7s\"\nbackend_limit = 9",
            _ => match setting.form {
                form::Form::Time { .. }
                    if setting.path.ends_with("timeout") || setting.path == "outlier.ejection_time" =>
                {
                    "\"70ms\""
                }
                form::Form::Time { .. } => "\"70m\"",
                form::Form::Size => "\"7KiB\"",
                form::Form::Percent { .. } => "\"130%\"",
                form::Form::Switch => "true",
                form::Form::Text(_) => "\"seven\"",
                _ if setting.path == "health.ping_status" => "204",
                _ => "7",
            },
        };
        let other = if matches!(setting.path, "balance.panic_threshold" | "outlier.max_ejected") {
            "\"70%\""
        } else {
            other
        };
        let line = format!("{} = {other}", setting.key());
        let text = match setting.path.split_once('.') {
            None => format!("{line}\n[[backend]]\nurl = \"http://a:1\""),
            Some(("listener", _)) => format!("[[listener]]\n{line}\n[[backend]]\nurl = \"http://a:1\""),
            Some(("backend", _)) => format!("[[backend]]\nurl = \"http://a:1\"\n{line}"),
            Some((section, _)) => format!("[[backend]]\nurl = \"http://a:1\"\n[{section}]\n{line}"),
        };
        let usual = chosen("[[backend]]\nurl = \"http://a:1\"", setting.key());
        let told = chosen(&text, setting.key());
        let (_, changed) = usual.iter().zip(&told).find(|(one, other)| one != other).expect("it matters");
        let field = match setting.key() {
            "listen" | "address" => "127.0.0.1:99",
            "trusted_proxies" => "trusted",
            "hash_by" => "key",
            "silence" => "at_least",
            "silence_waiting" => "waiting",
            "budget_per_second" => "budget",
            "queue" => "max_waiting",
            "queue_timeout" => "timeout",
            "max_in_flight" | "backend_limit" => "limit",
            key => key.trim_start_matches("ping_"),
        };
        assert!(changed.contains(field), "{text}\nchanged {changed}");
    }
}

#[test]
fn a_file_can_be_read_again() {
    let [once, again] = [(), ()].map(|()| format!("{:?}", read_file(EXAMPLE).unwrap().config));
    assert_eq!(once, again, "nothing is drawn or taken while it is read");
}

#[test]
fn positions_count_lines_and_characters() {
    let source = Source { name: String::new(), text: "a\nhéé = 1\r\n\n".to_owned() };
    let table = [
        (0, (1, 1)),
        (1, (1, 2)),
        (2, (2, 1)),
        (4, (2, 2)),
        (5, (2, 3)),
        (12, (2, 9)),
        (13, (3, 1)),
        (99, (4, 1)),
    ];
    for (byte, position) in table {
        assert_eq!(Lines::of(&source).position(byte), position, "{byte}");
    }
}

#[test]
fn what_was_said_wrong_is_not_said_twice() {
    let error =
        read_file("[[backend]]\nurl = \"http://a:1\"\n[health]\nping_timeout = \"2s\"\nping_interval = 3")
            .unwrap_err();
    assert_eq!(error.list().len(), 1, "{error}");
}

/// One kind of damage to a file.
#[derive(Debug, Clone)]
enum Damage {
    /// This line has another value.
    Value(usize, &'static str),
    /// The key of this line has lost a letter.
    Key(usize, usize),
    /// This line is missing.
    Line(usize),
    /// This line is repeated, there.
    Again(usize, usize),
    /// At this place, another text replaces this number of characters.
    Text(usize, usize, String),
}

fn damage() -> impl Strategy<Value = Damage> {
    let values = [
        "-1",
        "0",
        "1.5",
        "5",
        "true",
        "\"\"",
        "\"5\"",
        "\"0s\"",
        "\"-3ms\"",
        "\"99999999999d\"",
        "\"1e9%\"",
        "\"é…\"",
        "[]",
        "[1, \"x\", [2]]",
        "{}",
        "{ a = 1 }",
        "1979-05-27",
        "99999999999999999999999999999999999999999",
        "0xffff",
        "inf",
        "\"http://\"",
        "\"off\"",
        "'''\nx\n'''",
        "",
    ];
    let line = || 0..EXAMPLE.lines().count();
    prop_oneof![
        (line(), proptest::sample::select(values.to_vec()))
            .prop_map(|(line, value)| Damage::Value(line, value)),
        (line(), 0..20_usize).prop_map(|(line, letter)| Damage::Key(line, letter)),
        line().prop_map(Damage::Line),
        (line(), line()).prop_map(|(line, there)| Damage::Again(line, there)),
        (0..EXAMPLE.len(), 0..30_usize, "\\PC{0,5}|[\\x00-\\x7f]{0,3}")
            .prop_map(|(at, n, text)| Damage::Text(at, n, text)),
    ]
}

fn damaged(text: &str, damage: &Damage) -> String {
    let mut lines: Vec<_> = text.split('\n').map(str::to_owned).collect();
    let bounded = |line: usize| line % lines.len();
    match damage {
        Damage::Value(line, value) => {
            let line = bounded(*line);
            if let Some((key, _)) = lines[line].clone().split_once(" = ") {
                lines[line] = format!("{key} = {value}");
            }
        }
        Damage::Key(line, letter) => {
            let line = bounded(*line);
            lines[line] = lines[line]
                .chars()
                .enumerate()
                .filter(|(n, _)| n != letter)
                .map(|(_, letter)| letter)
                .collect();
        }
        Damage::Line(line) => _ = lines.remove(bounded(*line)),
        Damage::Again(line, there) => {
            let (line, there) = (bounded(*line), bounded(*there));
            lines.insert(there, lines[line].clone());
        }
        Damage::Text(at, n, new) => {
            let chars: Vec<_> = text.chars().collect();
            let at = (*at).min(chars.len());
            let rest = &chars[(at + n).min(chars.len())..];
            return chars[..at].iter().chain(&new.chars().collect::<Vec<_>>()).chain(rest).collect();
        }
    }
    lines.join("\n")
}

proptest! {
    #[test]
    fn no_damage_panics_and_every_error_has_a_place(damages in proptest::collection::vec(damage(), 1..6)) {
        let text = damages.iter().fold(EXAMPLE.to_owned(), |text, damage| damaged(&text, damage));
        let problems = match read_file(&text) {
            Ok(loaded) => loaded.warnings,
            Err(problems) => {
                prop_assert!(!problems.list().is_empty());
                problems
            }
        };
        let lines = text.split('\n').count();
        for problem in problems.list() {
            let (line, column) = problems.position(problem).expect("a place in the file");
            prop_assert!(line <= lines && column <= text.split('\n').nth(line - 1).unwrap_or_default().chars().count() + 1);
            prop_assert!(!problem.what.is_empty() && !problem.fix.is_empty());
        }
        let told = problems.to_string();
        prop_assert_eq!(told.matches("--> lb.toml:").count() >= problems.list().len().min(Problems::SHOWN), true, "{}", told);
        prop_assert_eq!(problems.lines().count(), problems.list().len().min(Problems::SHOWN + 1));
    }
}
