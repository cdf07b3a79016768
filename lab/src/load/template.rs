//! Makes the requests of a call.
//!
//! Pure: the same call, seed, number and id give the same request.

use std::borrow::Cow;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};

use super::call::{Call, KEY, SIZE};
use super::draws::{Seed, What};
use super::keys::KeyTable;
use super::sizes::Sizes;
use crate::client::request;

/// The header with the id of a request.
pub(super) const ID: &str = "x-request-id";

/// The header with the number of a try, from 1, if the clients have retries.
pub(super) const TRY: &str = "x-lab-try";

/// The header for a key that has no other place.
const KEY_HEADER: &str = "x-lab-key";

/// The header for a size that has no other place.
const SIZE_HEADER: &str = "x-lab-work";

/// A call that has been checked.
#[derive(Debug)]
pub(super) struct Template {
    method: Method,
    path: String,
    bytes: usize,
    keys: Option<KeyTable>,
    sizes: Option<Sizes>,
    key_header: Option<HeaderName>,
    size_header: Option<HeaderName>,
}

/// The random parts of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Drawn {
    pub(super) key: Option<u64>,
    pub(super) size: Option<Duration>,
}

impl Template {
    /// # Errors
    /// If the path, the rate, a law or a header of the call is invalid, or if a place for a value has no
    /// value.
    pub(super) fn new(call: &Call) -> Result<Self> {
        let Call { method, path, rate, .. } = call;
        ensure!(
            rate.is_finite() && *rate > 0.0,
            "{method} {path} at {rate} a second: a rate is a positive number"
        );
        let template = Self::checked(call).with_context(|| format!("{method} {path}"))?;
        template.request("id", &template.draw(Seed(0), 0), None)?;
        Ok(template)
    }

    fn checked(call: &Call) -> Result<Self> {
        call.keys.map_or(Ok(()), |keys| keys.check())?;
        call.sizes.map_or(Ok(()), |sizes| sizes.check())?;
        let carrier = |has_law: bool,
                       place: &str,
                       header: &Option<String>,
                       law: &str,
                       usual: &'static str| {
            let has_place = call.path.contains(place);
            ensure!(has_law || !has_place, "the path contains {place}, which needs a law: add `.{law}(...)`");
            ensure!(
                has_law || header.is_none(),
                "the header {} needs a law: add `.{law}(...)`",
                header.as_deref().unwrap_or_default()
            );
            let usual = (has_law && !has_place).then_some(usual);
            header.as_deref().or(usual).map(header_name).transpose()
        };
        let key_header = carrier(call.keys.is_some(), KEY, &call.key_header, "keys", KEY_HEADER)?;
        let size_header = carrier(call.sizes.is_some(), SIZE, &call.size_header, "sizes", SIZE_HEADER)?;
        Ok(Self {
            method: call.method.clone(),
            path: call.path.clone(),
            bytes: call.bytes,
            keys: call.keys.map(KeyTable::new),
            sizes: call.sizes,
            key_header,
            size_header,
        })
    }

    /// The random parts of the request with this number.
    pub(super) fn draw(&self, seed: Seed, number: u64) -> Drawn {
        let key = |keys: &KeyTable| keys.draw(seed.draws(What::Key, number), number);
        let size = |sizes: Sizes| sizes.draw(seed.draws(What::Size, number));
        Drawn { key: self.keys.as_ref().map(key), size: self.sizes.map(size) }
    }

    /// The method of all requests.
    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// The path of a request.
    pub(super) fn path(&self, drawn: &Drawn) -> Cow<'_, str> {
        let mut path = Cow::Borrowed(self.path.as_str());
        for (place, value) in [(KEY, drawn.key_text()), (SIZE, drawn.size_text())] {
            if let Some(value) = value
                && path.contains(place)
            {
                path = path.replace(place, &value).into();
            }
        }
        path
    }

    /// The body of the request with this id.
    pub(super) fn body(&self, id: &str) -> Bytes {
        let filled = id.bytes().chain(std::iter::repeat(b'x'));
        filled.take(self.bytes).collect()
    }

    /// The request with this id, and with the number of its try if it has one.
    ///
    /// # Errors
    /// If the path is none.
    pub(super) fn request(&self, id: &str, drawn: &Drawn, try_number: Option<u32>) -> Result<Request<Bytes>> {
        let mut request = request(self.method.clone(), &self.path(drawn), self.body(id))?;
        let headers = request.headers_mut();
        headers.insert(ID, HeaderValue::try_from(id)?);
        if let Some(number) = try_number {
            headers.insert(TRY, number.into());
        }
        for (name, value) in [(&self.key_header, drawn.key_text()), (&self.size_header, drawn.size_text())] {
            if let (Some(name), Some(value)) = (name, value) {
                headers.insert(name.clone(), HeaderValue::try_from(value)?);
            }
        }
        Ok(request)
    }
}

impl Drawn {
    fn key_text(&self) -> Option<String> {
        self.key.map(|key| key.to_string())
    }

    fn size_text(&self) -> Option<String> {
        self.size.map(|size| size.as_micros().to_string())
    }
}

fn header_name(name: &str) -> Result<HeaderName> {
    let parsed = name
        .parse::<HeaderName>()
        .with_context(|| format!("{:?} is no name of a header", api::excerpt(name)))?;
    ensure!(parsed != ID && parsed != TRY, "the load itself needs the header {parsed}: write another header");
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::keys::Keys;

    const SIZES: Sizes = Sizes::Fixed(Duration::from_micros(2500));
    const KEYS: Keys = Keys::Sequence;

    #[test]
    fn a_request_carries_its_key_and_its_size() {
        let get = Call::get;
        for (call, path, headers) in [
            (get("/"), "/", vec![]),
            (get("/").sizes(SIZES), "/", vec![("x-lab-work", "2500")]),
            (get("/").sizes(SIZES).header_from_size("x-us"), "/", vec![("x-us", "2500")]),
            (get("/").sizes(SIZES).path_from_size(), "/busy/2500", vec![]),
            (get("/busy/{size}").sizes(SIZES).header_from_size("x-us"), "/busy/2500", vec![("x-us", "2500")]),
            (get("/").keys(KEYS), "/", vec![("x-lab-key", "17")]),
            (get("/").keys(KEYS).header_from_key("X-User"), "/", vec![("x-user", "17")]),
            (
                get("/users/{key}?work={size}&again={key}").keys(KEYS).sizes(SIZES),
                "/users/17?work=2500&again=17",
                vec![],
            ),
        ] {
            let template = Template::new(&call).unwrap();
            let drawn = template.draw(Seed(1), 17);
            let request = template.request("l-17", &drawn, None).unwrap();
            assert_eq!(request.uri(), path);
            let mut found: Vec<(&str, &str)> = request
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                .collect();
            found.retain(|(name, _)| *name != ID);
            assert_eq!(found, headers, "{call:?}");
            assert_eq!(request.headers()[ID], "l-17");
            assert_eq!(
                (drawn.key.is_some(), drawn.size.is_some()),
                (call.keys.is_some(), call.sizes.is_some())
            );
        }
    }

    #[test]
    fn the_seed_and_the_number_give_the_key_and_the_size() {
        let call = Call::get("/").keys(Keys::Uniform { keys: 1000 });
        let template = Template::new(&call.sizes(Sizes::Exponential(Duration::from_millis(50)))).unwrap();
        let drawn = |seed| (0..50).map(|number| template.draw(Seed(seed), number)).collect::<Vec<_>>();
        assert_eq!(drawn(1), drawn(1));
        assert!(drawn(1).iter().zip(drawn(2)).any(|(one, other)| one.key != other.key));
        assert!(drawn(1).iter().zip(drawn(2)).all(|(one, other)| one.size != other.size));
        assert!(drawn(1).windows(2).all(|pair| pair[0].size != pair[1].size));
    }

    #[test]
    fn a_place_without_a_value_is_refused() {
        for (call, reason) in [
            (
                Call::get("/busy/{size}"),
                "GET /busy/{size}: the path contains {size}, which needs a law: add `.sizes(",
            ),
            (Call::get("/{key}"), "add `.keys(...)`"),
            (Call::get("/").header_from_key("x-user"), "the header x-user needs a law: add `.keys(...)`"),
            (Call::get("/").header_from_size("x-us"), "the header x-us needs a law"),
            (Call::get("/").keys(KEYS).header_from_key("x user"), "\"x user\" is no name of a header"),
            (Call::get("/").keys(KEYS).header_from_key("X-Request-Id"), "write another header"),
            (Call::get("/").keys(Keys::Uniform { keys: 0 }), "GET /: 0 keys"),
            (Call::get("/").rate(0.0), "GET / at 0 a second"),
            (Call::get("/").rate(f64::NAN), "a rate is a positive number"),
            (Call::get("nowhere at all"), "no path"),
        ] {
            let error = format!("{:#}", Template::new(&call).unwrap_err());
            assert!(error.contains(reason), "{error:?} lacks {reason:?}");
        }
    }
}
