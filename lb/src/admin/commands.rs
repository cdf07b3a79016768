//! The changes that the admin port accepts. The client gets the new settings, or the error in its request.

use std::borrow::Cow;
use std::sync::Arc;

use api::{StatisticsReset, excerpt};
use balance::member::Member;
use balance::policy::Kind;
use http::StatusCode;
use http::header::{HeaderValue, LOCATION};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::guard::Refusal;
use super::queries::summary;
use super::responses::{Answer, json};
use super::routes::Later;
use super::{Admin, Asked, queries};
use crate::config::is_wanted;
use crate::config::json::backend as read_member;
use crate::config::listen::{is_itself, leads_back};
use crate::config::wording::{grouped, nearest};
use crate::control::NotReloaded;
use crate::pool::Backend;
use crate::proxy::message::values::number;

fn bad(error: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, error)
}

/// The backend that a request names, by number in the path or by address in the query.
///
/// # Errors
/// The request names no backend, or one that does not exist.
pub(super) fn backend(admin: &Admin, asked: &Asked<'_>) -> Result<Arc<Backend>, Refusal> {
    let url = parameter(asked.query, "url");
    let (which, number) = match (asked.one, url) {
        ("", None) => {
            return Err(bad(
                "the request names no backend; write /backends/3, or /backends?url=http://localhost:3031",
            ));
        }
        ("", Some(url)) => (url, None),
        (text, _) => (text.to_owned(), number(text.as_bytes()).and_then(|number| number.try_into().ok())),
    };
    let address = crate::config::read_address(&which);
    let backends = admin.control.pool().backends();
    let is_it = |backend: &&Arc<Backend>| {
        Some(backend.number) == number || address.as_ref() == Some(&backend.address)
    };
    backends.iter().find(is_it).map(Arc::clone).ok_or_else(|| {
        let named =
            backends.iter().take(NAMED).map(|backend| format!("{} ({})", backend.number, backend.address));
        let more = backends.len().checked_sub(NAMED).filter(|more| *more > 0);
        let more = more.map(|more| format!("and {} more", grouped(more)));
        let all: Vec<_> = named.chain(more).collect();
        let known = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        let which = excerpt(&which);
        Refusal::new(StatusCode::NOT_FOUND, format!("there is no backend {which}; there is {known}"))
    })
}

/// Limit of backends that an error lists.
const NAMED: usize = 20;

/// The value of a query parameter, with percent signs decoded.
fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(found, _)| *found == name)?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

/// Gives a backend without its own limit the common limit.
fn with_limit(admin: &Admin, member: Member) -> Member {
    Member { limit: member.limit.or(admin.control.settings().limit), ..member }
}

pub(super) fn add(admin: &Admin, asked: &Asked<'_>) -> Answer {
    let member = with_limit(admin, read_member(&asked.body, None).map_err(bad)?);
    if let Some(listener) = admin.listeners.iter().find(|listener| leads_back(**listener, &member.address)) {
        let what = is_itself(*listener, &member.address);
        return Err(bad(format!("{what}; write the address of a server")));
    }
    let backend = admin.control.add(member, &asked.by).map_err(|known| {
        let (number, address) = (known.number, &known.address);
        Refusal::new(
            StatusCode::CONFLICT,
            format!("{address} is backend {number} already; change it with PATCH /backends/{number}"),
        )
    })?;
    let mut answer = json(StatusCode::CREATED, &summary(&backend));
    if let Ok(place) = HeaderValue::try_from(format!("/backends/{}", backend.number)) {
        answer.headers_mut().insert(LOCATION, place);
    }
    Ok(answer)
}

pub(super) fn update(admin: &Admin, asked: &Asked<'_>) -> Answer {
    let backend = backend(admin, asked)?;
    if backend.is_leaving() {
        let error = format!("backend {} was removed and is leaving; add it again first", backend.number);
        return Err(Refusal::new(StatusCode::CONFLICT, error));
    }
    if asked.body.is_empty() {
        return Err(bad("the body changes nothing; write {\"mode\": \"drain\"} or {\"weight\": 5}"));
    }
    let member = with_limit(admin, read_member(&asked.body, Some(&backend.spec())).map_err(bad)?);
    admin.control.update(&backend, member, &asked.by);
    Ok(json(StatusCode::OK, &summary(&backend)))
}

pub(super) fn remove(admin: &Admin, asked: &Asked<'_>) -> Answer {
    members(&asked.body, [])?;
    let force = match parameter(asked.query, "force").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => return Err(bad(format!("force is {}; write force=true", excerpt(other)))),
    };
    let backend = backend(admin, asked)?;
    if !backend.is_leaving() {
        if !force && is_last(&admin.control.pool().specs(), &backend.spec()) {
            let number = backend.number;
            let error = format!(
                "backend {number} is the last one that gets requests: without it, every request gets a 503; to remove \
                 it anyway, add ?force=true, or write lb ctl remove {number} --force"
            );
            return Err(Refusal::new(StatusCode::CONFLICT, error));
        }
        admin.control.remove(&backend, &asked.by);
    }
    Ok(json(StatusCode::OK, &summary(&backend)))
}

/// Whether the pool needs this member: without it there is no member at all, or none that gets new requests.
fn is_last(members: &[Member], this: &Member) -> bool {
    let mut others = members.iter().filter(|member| member.address != this.address).peekable();
    others.peek().is_none() || (is_wanted(this) && !others.any(is_wanted))
}

pub(super) fn policy(admin: &Admin, asked: &Asked<'_>) -> Answer {
    let name = word(&asked.body, "policy")?;
    let policy = Kind::named(name, admin.control.settings().teaching).map_err(bad)?;
    admin.control.set_policy(policy, &asked.by);
    queries::policy(admin, asked)
}

pub(super) fn log(admin: &Admin, asked: &Asked<'_>) -> Answer {
    let level = word(&asked.body, "level")?.parse().map_err(bad)?;
    admin.control.set_level(level, &asked.by);
    queries::log(admin, asked)
}

pub(super) fn reload<'a>(admin: &'a Admin, asked: &'a Asked<'a>) -> Later<'a> {
    Box::pin(async move {
        members(&asked.body, [])?;
        let reloaded = admin.control.reload(&asked.by).await.map_err(|not| match not {
            NotReloaded::Wrong(problems) => {
                Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, problems.trim_end().to_owned())
            }
            NotReloaded::Unread(why) => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why),
        })?;
        Ok(json(StatusCode::OK, &reloaded))
    })
}

pub(super) fn reset(admin: &Admin, asked: &Asked<'_>) -> Answer {
    members(&asked.body, [])?;
    admin.control.reset_statistics(&asked.by);
    Ok(json(StatusCode::OK, &StatisticsReset { counting_ms: 0 }))
}

/// The members of an object; an error if one is unknown.
fn members<'a, const N: usize>(
    body: &'a Map<String, Value>,
    known: [&str; N],
) -> Result<[Option<&'a Value>; N], Refusal> {
    match body.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(known.map(|key| body.get(key))),
        Some(key) => {
            let fix: Cow<'_, str> = match (nearest(key, known.into_iter()), N) {
                (Some(near), _) => format!("write {near}").into(),
                (None, 0) => "write {}, or nothing".into(),
                (None, _) => format!("there is {}", known.join(", ")).into(),
            };
            Err(bad(format!("{} is not known here; {fix}", excerpt(key))))
        }
    }
}

/// The text of the one member that an object must have.
fn word<'a>(body: &'a Map<String, Value>, name: &str) -> Result<&'a str, Refusal> {
    let [value] = members(body, [name])?;
    value
        .and_then(Value::as_str)
        .ok_or_else(|| bad(format!("{name} is missing; write {{\"{name}\": \"…\"}}")))
}

#[cfg(test)]
mod tests {
    use balance::Address;
    use balance::member::Mode;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_backend_that_gets_requests_is_found() {
        let member =
            |port, mode, weight| Member { mode, weight, ..Member::new(Address { host: "a".into(), port }) };
        let (ready, drained) = (|port| member(port, Mode::Ready, 1), |port| member(port, Mode::Drain, 1));
        let table = [
            ("alone", vec![ready(1)], true),
            ("alone, and drained", vec![drained(1)], true),
            ("one of two", vec![ready(1), ready(2)], false),
            ("the other is drained", vec![ready(1), drained(2)], true),
            ("the other weighs nothing", vec![ready(1), member(2, Mode::Ready, 0)], true),
            ("both are drained", vec![drained(1), drained(2)], false),
            ("the other serves", vec![drained(1), ready(2)], false),
        ];
        for (what, members, expected) in table {
            assert_eq!(is_last(&members, &members[0]), expected, "{what}");
        }
    }

    #[test]
    fn parameters_are_found_wherever_they_stand() {
        let table = [
            (None, None),
            (Some("force=true"), None),
            (Some("url=http%3A%2F%2Fa"), Some("http://a")),
            (Some("force=true&url=http://a"), Some("http://a")),
            (Some("url=http://a&force=true"), Some("http://a")),
            (Some("curl=x"), None),
        ];
        for (query, expected) in table {
            assert_eq!(parameter(query, "url").as_deref(), expected, "{query:?}");
        }
    }

    #[test]
    fn unknown_members_are_refused() {
        let body = json!({"policy": "ring"});
        let body = body.as_object().unwrap();
        assert_eq!(word(body, "policy"), Ok("ring"));
        let table = [
            (json!({}), "policy is missing; write {\"policy\": \"…\"}"),
            (json!({"policy": 5}), "policy is missing"),
            (json!({"policy": "ring", "polcy": 1}), "polcy is not known here; write policy"),
            (json!({"x": 1}), "x is not known here; there is policy"),
        ];
        for (body, error) in table {
            let refusal = word(body.as_object().unwrap(), "policy").unwrap_err();
            assert_eq!(refusal.status, 400);
            assert!(refusal.error.contains(error), "{body}: {}", refusal.error);
        }
        let refusal = members(body, []).unwrap_err();
        assert_eq!(refusal.error, "policy is not known here; write {}, or nothing");
    }
}
