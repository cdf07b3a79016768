//! Makes a [`Config`] from all given settings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use balance::member::{Member, Mode};
use balance::policy::Kind;
use balance::state::Thresholds;
use balance::{Address, budget, outlier, silence, subset};
use http::StatusCode;
use ipnet::{IpNet, Ipv4Net};

use super::active::active;
use super::form::{Written, Wrong};
use super::layer::{Given, Layer, Origin};
use super::listen::AddressSource;
use super::problems::{Problem, ProblemList};
use super::reader::{Reader, entries};
use super::settings::BACKEND;
use super::{Config, Ping, RawConfig, Token, backends, default_listen, listen, settings};
use crate::proxy::message::key;
use crate::proxy::message::sticky;
use crate::proxy::settings::{QueueRule, Settings as ProxySettings};

/// The default name: a random one that stays the same when the file is read again.
static OWN_NAME: LazyLock<String> = LazyLock::new(|| format!("roundabout-{:06x}", fastrand::u32(..) >> 8));

/// Makes a configuration, and returns it with the given settings that were right. `problems` gets the errors,
/// and defaults replace the wrong settings.
pub(super) fn convert<'a>(raw: RawConfig<'a>, problems: &mut ProblemList) -> (Config, RawConfig<'a>) {
    let (members, sound) =
        raw.backends.into_iter().filter_map(|layer| member(layer, raw.source, problems)).unzip();
    let (addresses, listeners): (Vec<_>, Vec<_>) =
        raw.listeners.into_iter().filter_map(|layer| listener(layer, raw.source, problems)).unzip();
    let mut read = Reader::new(raw.settings, raw.source, problems);
    let config = config(&mut read, members, addresses);
    (config, RawConfig { settings: read.layer, listeners, backends: sound, ..raw })
}

/// The configuration with these backends: one line for each setting, or for settings that make one rule.
fn config(read: &mut Reader<'_>, backends: Vec<Member>, sections: Vec<SocketAddr>) -> Config {
    let (listeners, listeners_from) = listeners(read, sections);
    let thresholds = thresholds(read);
    let teaching = read.get("balance.teaching");
    let proxy = proxy_settings(read, thresholds);
    Config {
        backends,
        policy: read.parsed("balance.policy", |text| policy(text, teaching)).unwrap_or_default(),
        load_factor: read.number("balance.load_factor"),
        remembered_keys: NonZeroUsize::new(read.number("balance.remembered_keys"))
            .unwrap_or(NonZeroUsize::MIN),
        affinity_gap: read.number("balance.affinity_gap"),
        teaching,
        load_view_delay: read.get("balance.load_view_delay"),
        subset: Some(read.number("balance.subset")).filter(|size| *size > 0).map(subset::Rule::of),
        seed: read.maybe("balance.seed"),
        panic_threshold: read.number("balance.panic_threshold"),
        slow_start: read.get("balance.slow_start"),
        outlier: outlier(read),
        retry_budget: retry_budget(read),
        admin: admin(read, listeners[0]),
        listeners,
        listeners_from,
        admin_token: read.parsed("admin_token", Token::read),
        workers: read.maybe_number("workers").unwrap_or_else(cores),
        ping_interval: read.get("health.ping_interval"),
        ping_timeout: read.get("health.ping_timeout"),
        ping: Ping::of(read),
        thresholds,
        silence: silence(read),
        lame_duck: read.get("timeouts.lame_duck"),
        drain_time: read.get("timeouts.drain"),
        max_connections: read.maybe_number("max_connections"),
        limit: read.maybe_number("queues.backend_limit"),
        log_format: read.parsed("log.format", str::parse).unwrap_or_default(),
        log_level: read.parsed("log.level", str::parse).unwrap_or_default(),
        log_file: read.parsed("log.file", log_file),
        access_log: read.get("log.access_log"),
        active: active(&read.layer),
        proxy: Arc::new(proxy),
    }
}

/// The settings of the path of a request.
fn proxy_settings(read: &mut Reader<'_>, thresholds: Thresholds) -> ProxySettings {
    ProxySettings {
        key: read.parsed("balance.hash_by", str::parse).unwrap_or_default(),
        hedge_after: read.maybe("hedging.after"),
        sticky_cookie: read.parsed("sticky.cookie", cookie_name),
        sticky_attributes: cookie(read),
        explain: read.get("balance.explain"),
        name: read.parsed("name", name).unwrap_or_else(|| OWN_NAME.clone()),
        via: read.get("via"),
        trusted: entries(read, "trusted_proxies", "a network", network),
        retries: read.number("retries.retries"),
        retry_delay: read.get("retries.retry_delay"),
        attempts: read.number("retries.attempts"),
        retry_on: entries(read, "retries.on", "a status from 400 to 599", error_status),
        total_timeout: read.get("timeouts.total"),
        connect_timeout: read.get("timeouts.connect"),
        response_timeout: read.get("timeouts.response"),
        idle_timeout: read.get("timeouts.idle"),
        backend_idle: read.get("timeouts.backend_idle"),
        head_timeout: read.get("timeouts.head"),
        stall_timeout: read.get("timeouts.stall"),
        min_upload_rate: read.maybe("timeouts.min_upload_rate"),
        abort_on_close: read.get("abort_on_close"),
        tunnel_timeout: read.get("timeouts.tunnel"),
        drain_idle: read.get("timeouts.drain_idle"),
        queue: queue(read),
        replay_limit: usize::try_from(read.get::<u64>("retries.replay_limit")).unwrap_or(usize::MAX),
        max_body: read.maybe("max_body").unwrap_or(u64::MAX),
        log_query: read.get("log.query"),
        request_id: request_id(read),
        statistics: read.parsed("log.statistics", str::parse).unwrap_or_default(),
        recovery: read.get::<Duration>("health.ping_interval").saturating_mul(thresholds.rise),
    }
}

/// Makes a member from the settings of a backend if its address can be read, and returns it with the settings
/// that were right.
pub(super) fn member(
    layer: Layer,
    source: &super::Source,
    problems: &mut ProblemList,
) -> Option<(Member, Layer)> {
    let defaults = Layer::defaults(settings::section(BACKEND));
    let mut read = Reader::new(defaults.under(layer), source, problems);
    let address = read.address();
    let member = Member {
        address: address.clone().unwrap_or(Address { host: String::new(), port: 0 }),
        weight: read.number("backend.weight"),
        priority: read.number("backend.priority"),
        backup: read.get("backend.backup"),
        limit: read.maybe_number("backend.max_in_flight"),
        mode: read.parsed("backend.mode", str::parse).unwrap_or(Mode::Ready),
        every_address: read.get("backend.every_address"),
    };
    address.map(|_| (member, read.layer))
}

impl Reader<'_> {
    fn address(&mut self) -> Option<Address> {
        let url = self.maybe::<String>("backend.url")?;
        let in_list =
            self.layer.get("backend.url").is_some_and(|given| given.origin == Origin::Flag("backends"));
        let spot = if in_list { backends::Spot::InList } else { backends::Spot::Alone };
        let parsed = backends::parse(&url, spot);
        parsed.inspect_err(|bad| self.complain("backend.url", &bad.what, &bad.fix)).ok()
    }

    /// Adds a problem of a setting in its own words.
    fn complain(&mut self, id: &str, what: &str, fix: &str) {
        if let Some(given) = self.layer.remove(id) {
            self.problems.push(Problem::new(what, fix).at(&given));
        }
    }
}

/// The addresses that clients connect to: those of the `sections` for listeners, or the address of
/// `listen`. The flags give address and port separately, and replace all addresses of the file. There is
/// at least one.
fn listeners(read: &mut Reader<'_>, sections: Vec<SocketAddr>) -> (Vec<SocketAddr>, AddressSource) {
    let [port_written, bind_written] = ["port", "bind"].map(|id| read.layer.written(id).is_some());
    let both = read.layer.written("listen").filter(|_| !sections.is_empty()).and_then(Given::place);
    if both.is_some() {
        let what = "listen and [[listener]] both name the addresses for clients";
        let fix = "leave out listen, and write its address as one more [[listener]]";
        read.problems.push(Problem::new(what, fix).at_place(both));
    }
    let source = match (sections.is_empty(), port_written, bind_written) {
        (false, false, false) => return (sections, AddressSource::Sections),
        (false, true, false) => AddressSource::FlagsInsteadOfSections("--port"),
        (false, false, true) => AddressSource::FlagsInsteadOfSections("--bind"),
        (false, true, true) => AddressSource::FlagsInsteadOfSections("--port and --bind"),
        (true, ..) => AddressSource::Listen,
    };
    let port = read.number("port");
    let bind = read.parsed("bind", listen::bind).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let both = socket(read, "listen", default_listen::DEFAULT).unwrap_or_else(|| SocketAddr::new(bind, port));
    let ip = if bind_written { bind } else { both.ip() };
    (vec![SocketAddr::new(ip, if port_written { port } else { both.port() })], source)
}

/// The address of a listener if it can be read, and the settings of its section.
fn listener(layer: Layer, source: &super::Source, problems: &mut ProblemList) -> Option<(SocketAddr, Layer)> {
    let mut read = Reader::new(layer, source, problems);
    let address = socket(&mut read, "listener.address", default_listen::DEFAULT);
    address.map(|address| (address, read.layer))
}

/// An IP address and a port; `usual` is the most common value.
fn socket(read: &mut Reader<'_>, id: &str, usual: (Ipv4Addr, u16)) -> Option<SocketAddr> {
    let given = read.layer.get(id)?.clone();
    if let Written::Number(Some(number)) = given.value
        && let Ok(port) = u16::try_from(number)
    {
        let fix = format!("write \"{}:{port}\"", usual.0);
        read.reject(&given, Wrong { is: "a number".to_owned(), fix });
    }
    let in_file = given.place().is_some();
    read.parsed(id, |text| listen::socket(text, usual, in_file))
}

/// Address of the admin port.
fn admin(read: &mut Reader<'_>, listen: SocketAddr) -> SocketAddr {
    if let Some(admin) = socket(read, "admin", (Ipv4Addr::LOCALHOST, 4030)) {
        return admin;
    }
    let port = match listen.port() {
        0 => 0,
        port => port.checked_add(1000).unwrap_or_else(|| {
            let by = ["port", "listen"].into_iter().find_map(|id| read.layer.written(id)).cloned();
            let what = format!("port {port} is too high: the admin port {port} + 1000 does not exist");
            let in_file = by.as_ref().is_some_and(|given| given.place().is_some());
            let fix = if in_file { "add admin = \"127.0.0.1:4030\"" } else { "add --admin=127.0.0.1:4030" };
            read.problems.push(Problem::new(what, fix).at_place(by.and_then(|given| given.place())));
            0
        }),
    };
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A status after which the request goes to another backend.
fn error_status(text: &str) -> Result<StatusCode, String> {
    let status = text.trim().parse().ok().filter(|status| (400..=599).contains(status));
    status
        .and_then(|status| StatusCode::from_u16(status).ok())
        .ok_or_else(|| "write one such as 503".to_owned())
}

fn network(text: &str) -> Result<IpNet, String> {
    text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map(canonical).map_err(|_| {
        match network_meant(text) {
            Some(meant) => format!("write {meant}"),
            None => "write 10.0.0.0/8, or one address, 127.0.0.1".to_owned(),
        }
    })
}

/// What a text that is no network most likely means: an address in brackets, with a port or with a mask, or
/// this machine.
fn network_meant(text: &str) -> Option<String> {
    if text.eq_ignore_ascii_case("localhost") {
        return Some("127.0.0.1 or ::1".to_owned());
    }
    if let Some((address, behind)) = text.rsplit_once('/') {
        if let (Ok(address), Ok(mask)) = (address.parse(), behind.parse()) {
            return Ipv4Net::with_netmask(address, mask).ok().map(|network| network.to_string());
        }
        let bare = address.trim_matches(['[', ']', ' ']);
        let network = format!("{bare}/{}", behind.trim());
        return network.parse::<IpNet>().ok().map(|network| network.to_string());
    }
    let is_name = text.contains('*') || text.to_ascii_lowercase().contains("localhost");
    listen::Guess::of(text).ip.filter(|_| !is_name).map(|ip| ip.to_string())
}

/// An IPv4 network written as IPv6 becomes IPv4, so that addresses compare correctly.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(address, length)| Ipv4Net::new(address, length).ok()).map_or(network, IpNet::V4)
}

/// Whether each request gets an id: by default, only if there is an access log.
fn request_id(read: &mut Reader<'_>) -> bool {
    read.maybe("request_id").unwrap_or_else(|| read.get("log.access_log"))
}

/// When answers of a backend lead to its ejection.
fn outlier(read: &mut Reader<'_>) -> outlier::Rule {
    outlier::Rule {
        consecutive_errors: read.number("outlier.consecutive_errors"),
        success_rate: read.get("outlier.success_rate"),
        interval: read.get("outlier.interval"),
        ejection_time: read.get("outlier.ejection_time"),
        max_ejection_time: read.get("outlier.max_ejection_time"),
        max_ejected: read.number("outlier.max_ejected"),
    }
}

/// The policy with a name that the form of the setting knows.
fn policy(name: &str, teaching: bool) -> Result<Kind, Wrong> {
    Kind::named(name, teaching).map_err(|_| Wrong {
        is: "a policy for teaching, which is wrong on purpose".to_owned(),
        fix: "set teaching to true as well, or choose another policy".to_owned(),
    })
}

fn thresholds(read: &mut Reader<'_>) -> Thresholds {
    Thresholds { rise: read.number("health.rise"), fall: read.number("health.fall") }
}

fn silence(read: &mut Reader<'_>) -> silence::Rule {
    silence::Rule { waiting: read.number("health.silence_waiting"), at_least: read.get("health.silence") }
}

/// The attributes of the cookie of [`sticky`].
fn cookie(read: &mut Reader<'_>) -> sticky::Attributes {
    sticky::Attributes {
        secure: read.parsed("sticky.secure", str::parse).unwrap_or_default(),
        same_site: read.parsed("sticky.same_site", str::parse).unwrap_or_default(),
        max_age: max_age(read),
    }
}

/// How long a browser keeps the cookie. `Max-Age` counts whole seconds (RFC 6265bis, section 4.1.2.2), so
/// parts of a second are not possible.
fn max_age(read: &mut Reader<'_>) -> Option<Duration> {
    let age = read.maybe::<Duration>("sticky.max_age")?;
    if age.subsec_nanos() == 0 {
        return Some(age);
    }
    let given = read.layer.get("sticky.max_age")?.clone();
    let whole = humantime::format_duration(Duration::from_secs(age.as_secs() + 1));
    let fix = format!("write whole seconds, such as \"{whole}\", because browsers count whole seconds");
    read.reject(&given, Wrong { is: "not a number of whole seconds".to_owned(), fix });
    None
}

fn retry_budget(read: &mut Reader<'_>) -> Option<budget::Rule> {
    let per_second = read.number("retries.budget_per_second");
    read.maybe_number("retries.budget").map(|percent| budget::Rule { percent, per_second })
}

/// The rule for requests that wait.
fn queue(read: &mut Reader<'_>) -> QueueRule {
    QueueRule { max_waiting: read.number("queues.queue"), timeout: read.get("queues.queue_timeout") }
}

/// The name of the balancer: a token of RFC 9110, section 5.6.2, without the rarer characters.
fn name(text: &str) -> Result<String, String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_word) {
        true => Ok(text.to_owned()),
        false => Err("write one word of letters, digits and hyphens, such as edge-1".to_owned()),
    }
}

fn cookie_name(text: &str) -> Result<String, String> {
    match key::is_cookie_name(text) {
        true => Ok(text.to_owned()),
        false => Err("write one word of letters, digits and hyphens, such as backend".to_owned()),
    }
}

fn log_file(text: &str) -> Result<PathBuf, String> {
    match text.is_empty() || text.ends_with('/') {
        true => Err("write the path of a file, such as /var/log/lb.log".to_owned()),
        false => Ok(PathBuf::from(text)),
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_as_people_write_them() {
        assert!(network("10.0.0.0/8").unwrap().contains(&"10.9.8.7".parse::<IpAddr>().unwrap()));
        assert_eq!(["127.0.0.1", "::1"].map(|one| network(one).unwrap().prefix_len()), [32, 128]);
        assert_eq!(network("::ffff:10.0.0.0/104").unwrap(), network("10.0.0.0/8").unwrap());
        assert_eq!(network("::ffff:10.0.0.1").unwrap(), network("10.0.0.1").unwrap());
        for wrong in ["", "10.0.0.0/33", "a", "*", "[::1", "10.0.0.0/255.0.255.0"] {
            assert!(network(wrong).unwrap_err().contains("write 10.0.0.0/8"), "{wrong}");
        }
        let meant = [
            ("[::1]", "::1"),
            (" ::1", "::1"),
            ("[fd00::]/8", "fd00::/8"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:80", "::1"),
            ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
            ("LocalHost", "127.0.0.1 or ::1"),
        ];
        for (text, meant) in meant {
            assert_eq!(network(text).unwrap_err(), format!("write {meant}"));
        }
    }
}
