//! One table of all requests that the admin port answers, with one line for each.

use std::pin::Pin;

use http::Method;

use super::responses::Answer;
use super::{Admin, Asked, commands, queries};

/// A request that the port answers, and the function that answers it.
pub(super) struct Route {
    pub(super) method: Method,
    /// The path. A `{}` at the end stands for one of many things, such as the number of a backend.
    pub(super) path: &'static str,
    pub(super) run: Run,
}

/// The function that answers.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// Runs at once, on the control thread: its time does not grow with the number of backends.
    Now(fn(&Admin, &Asked<'_>) -> Answer),
    /// Runs on another thread first.
    Later(for<'a> fn(&'a Admin, &'a Asked<'a>) -> Later<'a>),
}

/// An answer that is not ready yet.
pub(super) type Later<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;

/// All routes. `HEAD` works wherever `GET` does.
pub(super) const ROUTES: &[Route] = &[
    get("/state", Run::Later(queries::state)),
    get("/events", Run::Now(queries::events)),
    get("/metrics", Run::Later(queries::metrics)),
    get("/healthz", Run::Now(queries::healthz)),
    get("/readyz", Run::Now(queries::readyz)),
    get("/backends", Run::Later(queries::backends)),
    get("/backends/{}", Run::Now(queries::backend)),
    get("/policy", Run::Now(queries::policy)),
    get("/log", Run::Now(queries::log)),
    get("/explain/{}", Run::Now(queries::explain)),
    change(Method::POST, "/backends", Run::Now(commands::add)),
    // The first names a backend by number, the second by address: /backends?url=http://localhost:3031.
    change(Method::PATCH, "/backends/{}", Run::Now(commands::update)),
    change(Method::PATCH, "/backends", Run::Now(commands::update)),
    change(Method::DELETE, "/backends/{}", Run::Now(commands::remove)),
    change(Method::DELETE, "/backends", Run::Now(commands::remove)),
    change(Method::PUT, "/policy", Run::Now(commands::policy)),
    change(Method::PUT, "/log", Run::Now(commands::log)),
    change(Method::POST, "/reload", Run::Later(commands::reload)),
    change(Method::POST, "/statistics/reset", Run::Now(commands::reset)),
];

const fn get(path: &'static str, run: Run) -> Route {
    Route { method: Method::GET, path, run }
}

const fn change(method: Method, path: &'static str, run: Run) -> Route {
    Route { method, path, run }
}

impl Route {
    /// Whether this request is a change.
    pub(super) fn changes(&self) -> bool {
        self.method != Method::GET
    }

    /// Whether the route is for this path. Returns the text in place of the `{}`, which is empty if there is
    /// none.
    fn matches<'a>(&self, path: &'a str) -> Option<&'a str> {
        match self.path.strip_suffix("{}") {
            None => (path == self.path).then_some(""),
            Some(before) => path.strip_prefix(before).filter(|one| !one.is_empty() && !one.contains('/')),
        }
    }
}

/// The result of a search for a route.
pub(super) enum Found<'a> {
    /// The route, and the text in place of the `{}`.
    Route(&'static Route, &'a str),
    /// The path exists, but only for these methods.
    Methods(String),
    Nothing,
}

/// Finds the route of a request.
pub(super) fn find<'a>(method: &Method, path: &'a str) -> Found<'a> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let here: Vec<_> = ROUTES.iter().filter_map(|route| Some((route, route.matches(path)?))).collect();
    match here.iter().find(|(route, _)| route.method == *method) {
        Some((route, one)) => Found::Route(route, one),
        None if here.is_empty() => Found::Nothing,
        None => {
            let methods: Vec<_> = here.iter().map(|(route, _)| route.method.as_str()).collect();
            Found::Methods(methods.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_lead_where_the_table_says() {
        let table = [
            ("GET", "/state", "GET /state "),
            ("HEAD", "/state", "GET /state "),
            ("GET", "/backends", "GET /backends "),
            ("GET", "/backends/3", "GET /backends/{} 3"),
            ("PATCH", "/backends", "PATCH /backends "),
            ("DELETE", "/backends/3", "DELETE /backends/{} 3"),
            ("POST", "/statistics/reset", "POST /statistics/reset "),
            ("POST", "/state", "only GET"),
            ("OPTIONS", "/reload", "only POST"),
            ("PUT", "/backends/3", "only GET, PATCH, DELETE"),
            ("GET", "/", "nothing"),
            ("GET", "/State", "nothing"),
            ("GET", "/state/", "nothing"),
            ("GET", "/backends/", "nothing"),
            ("GET", "/backends/3/4", "nothing"),
            ("GET", "/statistics", "nothing"),
        ];
        for (method, path, expected) in table {
            let found = match find(&method.parse().unwrap(), path) {
                Found::Route(route, one) => format!("{} {} {one}", route.method, route.path),
                Found::Methods(methods) => format!("only {methods}"),
                Found::Nothing => "nothing".to_owned(),
            };
            assert_eq!(found, expected, "{method} {path}");
        }
    }
}
