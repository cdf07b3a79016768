//! All requests that the admin port must allow, and all that it must refuse.

use super::*;

const TOKEN: &str = "0123456789abcdef";
const RIGHT: &str = "authorization: Bearer 0123456789abcdef";
const JSON: &str = "content-type: application/json";

/// The status of the refusal for a request with these headers; 0 if the request is allowed.
fn judged(headers: &[&str], changes: bool, listens: &str, token: bool) -> u16 {
    let token = token.then(|| Token::read(TOKEN).unwrap());
    let mut map = HeaderMap::new();
    for header in headers {
        let (name, value) = header.split_once(": ").unwrap();
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    let door = Door { listens: listens.parse().unwrap(), token: token.as_ref() };
    judge(&map, changes, &door).map_or_else(|refusal| refusal.status.as_u16(), |()| 0)
}

#[test]
fn hosts_that_a_stranger_can_name_are_refused() {
    let near = [
        "127.0.0.1:4030",
        "127.0.0.1",
        "10.1.2.3:4030",
        "[::1]:4030",
        "[fd00::1]",
        "localhost:4030",
        "LOCALHOST",
        "localhost.:4030",
        "balancer:4030",
        "lab.localhost:4030",
        "host.docker.internal:4030",
    ];
    let strange = [
        "evil.example:4030",
        "127.0.0.1.evil.example",
        "evil.example.",
        "localhost.evil.example:4030",
        "notlocalhost.example",
        "a@evil.example:4030",
        "[::1].evil.example",
        "evil.example:80:80",
        "",
    ];
    for (host, expected) in near.map(|host| (host, 0)).into_iter().chain(strange.map(|host| (host, 403))) {
        let header = format!("host: {host}");
        assert_eq!(judged(&[&header], false, "127.0.0.1:4030", false), expected, "{host}");
        assert_eq!(judged(&[&header, JSON], true, "127.0.0.1:4030", false), expected, "{host}");
        assert_eq!(judged(&[&header, JSON, RIGHT], true, "0.0.0.0:4030", true), 0, "{host} with the token");
    }
    assert_eq!(judged(&[], false, "127.0.0.1:4030", false), 0, "no browser leaves it out");
    let twice = ["host: localhost", "host: evil.example"];
    assert_eq!(judged(&twice, false, "127.0.0.1:4030", false), 400);
}

#[test]
fn other_sites_pages_are_refused() {
    let host = "host: localhost:4030";
    // The headers, whether the guard refuses to read, and whether it refuses a change.
    let table: [(&[&str], u16, u16); 14] = [
        (&[], 0, 0),
        (&["origin: http://localhost:4030"], 0, 0),
        (&["origin: HTTP://LOCALHOST:4030"], 0, 0),
        (&["origin: http://localhost:3000"], 403, 403),
        (&["origin: http://localhost"], 403, 403),
        (&["origin: https://localhost:4030"], 403, 403),
        (&["origin: null"], 403, 403),
        (&["origin: http://evil.example"], 403, 403),
        (&["sec-fetch-site: none"], 0, 0),
        (&["sec-fetch-site: same-origin"], 0, 0),
        (&["sec-fetch-site: same-site"], 403, 403),
        (&["sec-fetch-site: cross-site"], 403, 403),
        (&["sec-fetch-site: cross-site", "sec-fetch-mode: navigate", "sec-fetch-dest: document"], 0, 403),
        (&["sec-fetch-site: cross-site", "sec-fetch-mode: navigate", "sec-fetch-dest: iframe"], 403, 403),
    ];
    for (headers, reading, changing) in table {
        let headers = [headers, &[host, JSON]].concat();
        assert_eq!(judged(&headers, false, "127.0.0.1:4030", false), reading, "{headers:?}");
        assert_eq!(judged(&headers, true, "127.0.0.1:4030", false), changing, "{headers:?}");
        let with_token = [&headers[..], &[RIGHT]].concat();
        assert_eq!(judged(&with_token, true, "127.0.0.1:4030", true), changing, "{headers:?} with the token");
    }
    assert_eq!(judged(&["origin: http://localhost"], false, "127.0.0.1:4030", false), 403, "of what host?");
}

#[test]
fn changes_take_the_token_where_there_is_one_or_should_be() {
    for listens in ["127.0.0.1:4030", "[::1]:4030", "[::ffff:127.0.0.1]:4030"] {
        assert_eq!(judged(&[JSON], true, listens, false), 0, "{listens}");
    }
    for listens in ["0.0.0.0:4030", "[::]:4030", "10.0.0.1:4030", "[::ffff:10.0.0.1]:4030"] {
        assert_eq!(judged(&[JSON], true, listens, false), 403, "{listens}");
        assert_eq!(judged(&[JSON, RIGHT], true, listens, false), 403, "{listens}: there is none to show");
        assert_eq!(judged(&[], false, listens, false), 0, "{listens}: reading is free");
    }
    let shown: [(&[&str], u16); 8] = [
        (&[RIGHT], 0),
        (&["authorization: bearer 0123456789abcdef"], 0),
        (&[], 401),
        (&["authorization: Bearer 0123456789abcdeg"], 401),
        (&["authorization: Bearer 0123456789abcde"], 401),
        (&["authorization: Bearer 0123456789abcdef0"], 401),
        (&["authorization: Basic 0123456789abcdef"], 401),
        (&["authorization: Bearer"], 401),
    ];
    for (headers, expected) in shown {
        for listens in ["127.0.0.1:4030", "0.0.0.0:4030"] {
            let headers = [headers, &[JSON]].concat();
            assert_eq!(judged(&headers, true, listens, true), expected, "{headers:?} at {listens}");
            assert_eq!(judged(&headers, false, listens, true), 0, "reading is free");
        }
    }
}

#[test]
fn changes_come_as_json() {
    let table: [(&[&str], u16); 7] = [
        (&[JSON], 0),
        (&["content-type: Application/JSON; charset=utf-8"], 0),
        (&[], 415),
        (&["content-type: text/plain"], 415),
        (&["content-type: application/x-www-form-urlencoded"], 415),
        (&["content-type: text/plain; application/json"], 415),
        (&["content-type: application/jsonp"], 415),
    ];
    for (headers, expected) in table {
        assert_eq!(judged(headers, true, "127.0.0.1:4030", false), expected, "{headers:?}");
        assert_eq!(judged(headers, false, "127.0.0.1:4030", false), 0, "reading needs none");
    }
}
