//! Settings of a backend as JSON, at run time. They are one more layer, so they mean the same as in the file,
//! and errors have the same words.

use balance::member::Member;
use serde_json::{Map, Value};

use super::convert;
use super::form::Written;
use super::layer::{Layer, Origin};
use super::problems::{Problem, ProblemList, Problems, Source, besides};
use super::settings::{self, BACKEND};
use super::wording::{nearest, shortened};

/// Reads the settings of a backend: of a new one, or of an existing one with the settings `known`, whose
/// address stays.
///
/// # Errors
/// All errors, one per line, with what to write instead.
pub(crate) fn backend(document: &Map<String, Value>, known: Option<&Member>) -> Result<Member, String> {
    let section = settings::section(BACKEND).expect("there is a section for backends");
    // The names in the configuration are looked up repeatedly, but other names are not.
    let cannot = |key: &str| key == "every_address" || (key == "url" && known.is_some());
    let keys = || section.settings.iter().map(|setting| setting.key()).filter(|key| !cannot(key));
    let mut problems = ProblemList::default();
    let mut layer = known.map(layer_of).unwrap_or_default();
    for (key, value) in document {
        match section.setting(key).filter(|_| !cannot(key)) {
            // The setting is removed.
            Some(setting) if value.is_null() => _ = layer.remove(setting.id()),
            Some(setting) => layer.add(setting, written(value), Origin::Json),
            None => {
                let known_here = || format!("there is {}", keys().collect::<Vec<_>>().join(", "));
                let fix = nearest(key, keys()).map_or_else(known_here, |near| format!("write {near}"));
                problems.push(Problem::new(format!("{key} is not known here"), fix));
            }
        }
    }
    if layer.get("backend.url").is_none() {
        problems.push(Problem::new("the backend has no url", "add \"url\": \"http://host:port\""));
    }
    let member = convert::member(layer, &Source::default(), &mut problems);
    match (member, problems.count()) {
        (Some((member, _)), 0) => Ok(member),
        _ => {
            let shown =
                problems.kept().iter().take(Problems::SHOWN).map(|problem| shortened(&problem.sentence()));
            let besides = besides(problems.count(), Problems::SHOWN, false);
            Err(shown.chain(besides).collect::<Vec<_>>().join("\n"))
        }
    }
}

/// The known settings of a backend, as if they were given now.
fn layer_of(member: &Member) -> Layer {
    let section = settings::section(BACKEND).expect("there is a section for backends");
    let mut layer = Layer::default();
    let mut add = |key, value| {
        let setting = section.setting(key).expect("it is in the table");
        layer.add(setting, value, Origin::Json);
    };
    let number = |number: u32| Written::Number(Some(number.into()));
    add("url", Written::Text(member.address.to_string()));
    add("weight", number(member.weight));
    add("priority", number(member.priority.into()));
    add("backup", Written::Switch(member.backup));
    add("mode", Written::Text(member.mode.name().to_owned()));
    add("every_address", Written::Switch(member.every_address));
    if let Some(limit) = member.limit {
        add("max_in_flight", number(limit));
    }
    layer
}

fn written(value: &Value) -> Written {
    match value {
        Value::String(text) => Written::Text(text.clone()),
        Value::Bool(on) => Written::Switch(*on),
        Value::Number(number) if number.is_f64() => Written::Other("a fraction"),
        Value::Number(number) => {
            let number = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
            Written::Number(number)
        }
        Value::Null => Written::Other("nothing"),
        Value::Array(_) => Written::Other("a list"),
        Value::Object(_) => Written::Other("an object"),
    }
}

#[cfg(test)]
mod tests {
    use balance::Address;
    use balance::member::Mode;
    use serde_json::json;

    use super::*;

    fn read(document: &Value, known: Option<&Member>) -> Result<Member, String> {
        backend(document.as_object().unwrap(), known)
    }

    #[test]
    fn a_new_backend_has_what_is_said_and_the_usual_besides() {
        let plain = Member::new(Address { host: "a".into(), port: 80 });
        assert_eq!(read(&json!({"url": "http://a"}), None), Ok(plain.clone()));
        let all = json!({"url": "http://a", "weight": 5, "priority": 2, "backup": true, "max_in_flight": 7, "mode": "drain"});
        let expected =
            Member { weight: 5, priority: 2, backup: true, limit: Some(7), mode: Mode::Drain, ..plain };
        assert_eq!(read(&all, None), Ok(expected));
    }

    #[test]
    fn of_a_known_backend_what_is_not_said_stays() {
        let address = Address { host: "::1".into(), port: 81 };
        let known = Member {
            weight: 0,
            priority: 9,
            backup: true,
            limit: Some(3),
            mode: Mode::Maintenance,
            every_address: true,
            ..Member::new(address)
        };
        assert_eq!(read(&json!({}), Some(&known)), Ok(known.clone()));
        let changed = read(&json!({"mode": "ready", "max_in_flight": null}), Some(&known));
        assert_eq!(changed, Ok(Member { mode: Mode::Ready, limit: None, ..known }));
    }

    #[test]
    fn what_is_wrong_says_what_to_write_instead() {
        let known = Member::new(Address { host: "a".into(), port: 80 });
        let new = [
            (json!({}), "the backend has no url; add \"url\": \"http://host:port\""),
            (json!({"url": "a:1"}), "backend 'a:1' has no scheme; write http://a:1"),
            (json!({"url": 5}), "url is 5, a number; write one address in quotes"),
        ];
        let changes = [
            (json!({"weight": -1}), "weight is -1, not in 0..=1000; write 0 to 1000"),
            (json!({"weight": 1.5}), "weight is a fraction; write 0 to 1000"),
            (json!({"weight": "5"}), "weight is 5, a text; write"),
            (json!({"weight": [1]}), "weight is a list; write 0 to 1000"),
            (json!({"backup": 1}), "backup is 1, a number; write true or false"),
            (json!({"mode": "drian"}), "mode is drian, not known; write \"drain\""),
            (json!({"wieght": 1}), "wieght is not known here; write weight"),
            (
                json!({"colour": 1}),
                "colour is not known here; there is weight, priority, backup, max_in_flight, mode",
            ),
            (json!({"url": "http://b"}), "url is not known here"),
            (json!({"every_address": true}), "every_address is not known here"),
            (json!({"weight": -1, "priority": 10}), "\nweight is"),
        ];
        let errors = new.map(|(document, error)| (read(&document, None), document, error));
        let others = changes.map(|(document, error)| (read(&document, Some(&known)), document, error));
        for (found, document, error) in errors.into_iter().chain(others) {
            let found = found.expect_err(error);
            assert!(found.contains(error) || format!("\n{found}").contains(error), "{document}: {found}");
        }
    }
}
