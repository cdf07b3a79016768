//! Tests: addresses as people write them, and corrections that work.

use proptest::prelude::*;

use super::*;

fn parse_all(list: &str) -> Result<Vec<Address>, BadAddress> {
    entries(list)?.into_iter().map(|entry| parse(entry, Spot::InList)).collect()
}

#[test]
fn backends_are_read_as_people_write_them() {
    let list = parse_all("http://localhost:3031,http://10.0.0.1,HTTP://[::1]:80/").unwrap();
    let texts: Vec<_> = list.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["http://localhost:3031", "http://10.0.0.1:80", "http://[::1]:80"]);
}

#[test]
fn errors_name_the_fix() {
    let table = [
        ("", "name at least one: --backends="),
        ("localhost:3031", "write http://localhost:3031"),
        ("https://a:1", "write http://a:1"),
        ("ftp://a", "only http is supported"),
        ("http://a:1, http://b:2", "separate backends by commas without spaces"),
        ("http://a:1,", "remove the extra comma"),
        ("http://a:1/x", "so write http://a:1"),
        ("http://a:1#x", "so write http://a:1"),
        ("http://u@a:1", "write only http://a:1"),
        ("http://*:1", "write http://host:port"),
        ("http://999.1.1.1", "write http://host:port"),
        ("http://127.1", "write http://host:port"),
        ("http://a..b", "write http://host:port"),
        ("http://a:+1", "a port from 1 to 65535"),
        ("http://a%20b", "write http://host:port"),
        ("http//a:1", "write http://a:1"),
        ("https//a:1/x", "write http://a:1, because"),
        ("http:80", "write http://http:80"),
        ("http:", "write http://host:port"),
        ("'a:1'", "write http://a:1"),
        ("http://a:0", "write http://host:port"),
        ("http://a:", "write http://host:port"),
        ("http://a:99999", "write http://host:port"),
        ("http://:80", "write http://host:port"),
        ("http://", "write http://host:port"),
        ("http://::1:80", "write http://[::1]:80, or http://[::1:80] if"),
        ("http://::1", "write http://[::1]"),
        ("http://::", "write http://host:port"),
        ("http://[::]:80", "write http://[::1]:80"),
        ("http://:::80", "write http://host:port"),
        ("http://0.0.0.0:80/x", "write http://127.0.0.1:80"),
        ("http://[::ffff:0.0.0.0]", "write http://127.0.0.1:80"),
        ("http://224.0.0.1:2300", "write http://host:port"),
        ("http://[ff02::1]:80", "write http://host:port"),
        ("http://255.255.255.255", "write http://host:port"),
        ("224.0.0.1:2300", "write http://host:port"),
        ("http://2001:db8:0:0:0:0:0:1", "write http://[2001:db8:0:0:0:0:0:1]"),
        ("http://a:b:80", "write http://"),
        ("::1:80", "write http://[::1]:80"),
        ("[::1]:80", "write http://[::1]:80"),
        ("[::1]", "write http://[::1]"),
        ("::1", "write http://[::1]"),
        ("https://::1:443/x?y", "write http://[::1]:443 if"),
        ("https://u@a:1/x", "write http://a:1 if"),
        ("a:1/x", "write http://a:1, because requests keep their own path"),
        ("http:/a:1", "write http://a:1"),
        ("HTTPS:a:1", "write http://a:1"),
        ("http://[::1]:0", "a port from 1 to 65535"),
        ("http://[::1", "write http://host:port"),
        ("http://a:1;http://b:2", "--backends=http://a:1,http://b:2"),
        ("“http://a:1”", "write http://a:1"),
    ];
    for (list, fix) in table {
        let error = parse_all(list).expect_err(list);
        assert!(error.fix.contains(fix), "'{list}' gives: {error:?}");
    }
}

#[test]
fn an_address_in_a_file_is_never_corrected_with_a_flag() {
    let table = [
        ("", ADDRESS),
        ("http://a b", ADDRESS),
        (" http://a:1", "write http://a:1"),
        (
            "http://a:1 http://b:2",
            "[[backend]] with url = \"http://a:1\", [[backend]] with url = \"http://b:2\"",
        ),
        ("http://a:1;http://b:2", "url = \"http://b:2\""),
        ("http://a:1,http://b:2", "url = \"http://b:2\""),
    ];
    for (url, fix) in table {
        let error = parse(url, Spot::Alone).expect_err(url);
        assert!(error.fix.contains(fix) && !error.fix.contains("--"), "'{url}' gives: {error:?}");
    }
}

#[test]
fn two_spellings_of_one_address_are_one_backend() {
    for (one, other) in [
        ("http://A:1", "http://a:1"),
        ("http://LocalHost", "HTTP://localhost:80/"),
        ("http://[::0001]:1", "http://[::1]:1"),
        ("http://[FE80::1]:1", "http://[fe80:0::1]:1"),
    ] {
        let [one, other] = [one, other].map(|url| parse(url, Spot::Alone));
        assert!(one.is_ok() && one == other, "{one:?} {other:?}");
    }
}

/// The addresses that a correction suggests, except the example with the word host.
fn suggested(fix: &str) -> impl Iterator<Item = &str> {
    let words = fix.split([' ', ',', '"', '=']);
    words.filter(|word| word.starts_with("http://") && !word.starts_with("http://host:port"))
}

proptest! {
    #[test]
    fn each_suggested_address_works(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "http", "https", "://", ":", "/", "//", "a", "B", "1", "80", "0", "99999", ".", "..", "[", "]", "::1", "*",
                "#", "?", "@", " ", ";", ",", "'", "\"", "%", "-", "_", "localhost", "10.0.0.1", "999.1.1.1", "ü", "224.0.0.1", "0.0.0.0",
            ]),
            0..8,
        )
    ) {
        let text = parts.concat();
        for spot in [Spot::InList, Spot::Alone] {
            match parse(&text, spot) {
                Ok(address) => {
                    prop_assert_eq!(parse(&address.to_string(), spot), Ok(address));
                }
                Err(error) => {
                    for address in suggested(&error.fix) {
                        prop_assert!(parse(address, spot).is_ok(), "'{}' gives: {:?}", text, error);
                    }
                }
            }
        }
    }
}
