//! Warnings: settings that are allowed but probably not meant.

use std::time::Duration;

use balance::outlier;
use balance::policy::Kind;
use http::Method;

use super::form::Written;
use super::layer::Given;
use super::problems::{Problem, ProblemList};
use super::{Config, RawConfig, is_wanted};
use crate::proxy::message::sticky::{SameSite, Secure};

/// The warnings of a configuration.
pub(super) fn of(config: &Config, raw: &RawConfig<'_>) -> ProblemList {
    let mut odd = Odd { raw, problems: ProblemList::default() };
    odd.about_policies(config);
    odd.about_pings(config);
    odd.about_retries(config);
    odd.about_outliers(config);
    odd.about_cookies(config);
    odd.about_queues(config);
    odd.about_times(config);
    odd.about_backends(config);
    odd.problems
}

/// Settings that only pings with a path use.
const OF_PATHS: [&str; 3] = ["health.ping_status", "health.ping_method", "health.ping_body"];

/// Prefixes of the names of cookies that browsers accept only with `Secure`: RFC 6265bis, section 4.1.3.
const SECURE_PREFIXES: [&str; 2] = ["__Secure-", "__Host-"];

struct Odd<'a> {
    raw: &'a RawConfig<'a>,
    problems: ProblemList,
}

impl Odd<'_> {
    /// Settings that only other policies use.
    fn about_policies(&mut self, config: &Config) {
        let policy = config.policy;
        let keys = "ring, bounded-ring, maglev, rendezvous, score or affinity";
        self.idle(
            !config.rules().uses_key(),
            "balance.hash_by",
            &format!("{policy} does not use a key"),
            &format!("choose the policy {keys}"),
        );
        self.idle(
            policy != Kind::BoundedRing,
            "balance.load_factor",
            &format!("{policy} does not use it"),
            "choose the policy bounded-ring",
        );
        self.idle(
            !matches!(policy, Kind::Score | Kind::Affinity),
            "balance.remembered_keys",
            &format!("{policy} does not use it"),
            "choose the policy score or affinity",
        );
        self.idle(
            policy != Kind::Affinity,
            "balance.affinity_gap",
            &format!("{policy} does not use it"),
            "choose the policy affinity",
        );
        let weights = self.raw.backends.iter().filter_map(|layer| layer.written("backend.weight"));
        let idle: Vec<_> = weights
            .filter(|weight| !is_zero(weight) && !weight.is_as_by_default())
            .filter_map(Given::place)
            .collect();
        if !policy.uses_weights() && !idle.is_empty() {
            let what = format!("weights have no effect: {policy} does not use them");
            let fix = match policy {
                Kind::Random => "choose the policy weighted-random",
                Kind::Reported => "remove them, or choose the policy weighted-round-robin",
                _ => "choose the policy weighted-round-robin",
            };
            self.problems.push(Problem::new(what, fix).at_place(idle));
        }
    }

    /// Settings of pings with a path.
    fn about_pings(&mut self, config: &Config) {
        for id in OF_PATHS {
            self.idle(config.ping.path.is_none(), id, "pings have no path", "set ping_path as well");
        }
        self.idle(
            config.ping.path.is_some() && config.ping.method == Method::HEAD,
            "health.ping_body",
            "an answer to HEAD has no body",
            "choose the ping_method GET",
        );
    }

    /// Settings of retries while retries are off.
    fn about_retries(&mut self, config: &Config) {
        self.idle(
            config.proxy.retries == 0,
            "retries.retry_delay",
            "there are no retries",
            "set retries as well",
        );
        self.idle(
            config.proxy.attempts == 1,
            "retries.on",
            "there is one attempt",
            "set attempts to 2 or more",
        );
        self.idle(
            config.retry_budget.is_none(),
            "retries.budget_per_second",
            "there is no budget",
            "set budget as well",
        );
    }

    /// Settings of ejections while ejections are off.
    fn about_outliers(&mut self, config: &Config) {
        for id in ["interval", "ejection_time", "max_ejection_time", "max_ejected"] {
            let off = !config.outlier.is_on();
            self.idle(
                off,
                &format!("outlier.{id}"),
                "no backend is ejected",
                "set consecutive_errors or success_rate as well",
            );
        }
        let few = config.backends.len() < outlier::MIN_BACKENDS;
        let why =
            format!("with fewer than {} backends, success rates are not compared", outlier::MIN_BACKENDS);
        self.idle(
            config.outlier.success_rate && few,
            "outlier.success_rate",
            &why,
            "set consecutive_errors instead",
        );
    }

    /// Settings of a cookie that is off, or that browsers drop.
    fn about_cookies(&mut self, config: &Config) {
        for id in ["sticky.secure", "sticky.same_site", "sticky.max_age"] {
            self.idle(config.proxy.sticky_cookie.is_none(), id, "there is no cookie", "set cookie as well");
        }
        let sticky = config.proxy.sticky_attributes;
        let is_dropped = sticky.same_site == SameSite::None && sticky.secure == Secure::Never;
        self.idle(
            is_dropped && config.proxy.sticky_cookie.is_some(),
            "sticky.same_site",
            "browsers drop a cookie with SameSite=None that is not Secure",
            "set secure to auto or always",
        );
        self.prefixed_cookie(config);
    }

    /// A cookie whose name requires Secure, but that is not Secure. The other requirements of such a name are
    /// met: the path of the cookie is /, and it has no domain.
    fn prefixed_cookie(&mut self, config: &Config) {
        let Some(name) = &config.proxy.sticky_cookie else { return };
        // Browsers ignore the case of the prefix.
        let begins =
            |prefix: &&str| name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
        let Some(prefix) = SECURE_PREFIXES.into_iter().find(begins) else { return };
        let is_behind_proxies = !config.proxy.trusted.is_empty();
        let fix = match (config.proxy.sticky_attributes.secure, config.proxy.sticky_attributes.same_site) {
            (Secure::Always, _) | (Secure::Auto, SameSite::None) => return,
            (Secure::Auto, _) if is_behind_proxies => return,
            (Secure::Auto, _) => {
                "set secure to always, or name the proxy that terminates TLS in trusted_proxies; or choose another name"
            }
            (Secure::Never, _) => "set secure to always, or choose another name",
        };
        let what = format!(
            "browsers drop the cookie {name}: a name that begins with {prefix} is for cookies that are Secure"
        );
        let places = ["sticky.cookie", "sticky.secure"].into_iter();
        let places = places.filter_map(|id| self.raw.settings.written(id).and_then(Given::place));
        self.problems.push(Problem::new(what, fix).at_place(places));
    }

    /// Settings of queues that are never used.
    fn about_queues(&mut self, config: &Config) {
        let unlimited = config.limit.is_none() && config.backends.iter().all(|member| member.limit.is_none());
        for id in ["queues.queue", "queues.queue_timeout"] {
            self.idle(
                unlimited,
                id,
                "backends have no limit, so no request waits",
                "set backend_limit as well",
            );
        }
    }

    /// Times that are never reached.
    fn about_times(&mut self, config: &Config) {
        let times = [
            ("hedging.after", config.proxy.hedge_after, "timeouts.response", config.proxy.response_timeout),
            (
                "timeouts.response",
                Some(config.proxy.response_timeout),
                "timeouts.total",
                config.proxy.total_timeout,
            ),
            (
                "timeouts.connect",
                Some(config.proxy.connect_timeout),
                "timeouts.total",
                config.proxy.total_timeout,
            ),
            (
                "queues.queue_timeout",
                config.limit.map(|_| config.proxy.queue.timeout),
                "timeouts.total",
                config.proxy.total_timeout,
            ),
        ];
        for (id, time, end, ends) in times {
            if let (Some(given), Some(time)) = (self.raw.settings.written(id), time)
                && time >= ends
            {
                let time = humantime::format_duration(time);
                let what = format!(
                    "{} is {time}, which has no effect: {} ends the wait earlier",
                    given.name(),
                    self.told(end, ends)
                );
                self.problems.push(Problem::new(what, "make it shorter").at(given));
            }
        }
    }

    /// A setting with its value.
    fn told(&self, id: &str, value: Duration) -> String {
        let by_default = if self.raw.settings.written(id).is_some() { "" } else { "by default " };
        format!("{id}, {by_default}{},", humantime::format_duration(value))
    }

    /// Backends that get no requests.
    fn about_backends(&mut self, config: &Config) {
        let wanted = |index: &usize| is_wanted(&config.backends[*index]);
        let all = 0..config.backends.len();
        let ready: Vec<_> = all.clone().filter(wanted).collect();
        let place = |id: &str, index: usize| self.raw.backends[index].written(id).and_then(Given::place);
        if ready.is_empty() {
            let places = all
                .rev()
                .filter_map(|index| place("backend.mode", index).or_else(|| place("backend.weight", index)));
            let what = "no backend gets new requests: each has a mode other than ready, or the weight 0";
            self.problems
                .push(Problem::new(what, "set one of them to ready, with a weight above 0").at_place(places));
        } else if ready.iter().all(|index| config.backends[*index].backup) {
            let places = ready.iter().filter_map(|index| place("backend.backup", *index));
            let what = "all backends are backups, and there is no other backend";
            self.problems.push(Problem::new(what, "remove backup = true from one of them").at_place(places));
        }
    }

    /// A setting without effect, if it was given. It is no mistake to write down the default.
    fn idle(&mut self, idle: bool, id: &str, why: &str, fix: &str) {
        if let Some(given) = self.raw.settings.written(id).filter(|given| idle && !given.is_as_by_default()) {
            self.problems.push(Problem::new(format!("{} has no effect: {why}", given.name()), fix).at(given));
        }
    }
}

/// Whether the weight is 0, which keeps requests away under every policy.
fn is_zero(weight: &Given<Written>) -> bool {
    weight.value == Written::Number(Some(0))
}

#[cfg(test)]
mod tests {
    use crate::config::{Flags, read};

    fn warnings(sticky: &str, top: &str) -> String {
        let text = format!("{top}\n[[backend]]\nurl = \"http://a:1\"\n[sticky]\n{sticky}\n");
        read(Some(("lb.toml", &text)), &Flags::default()).unwrap().warnings.to_string()
    }

    #[test]
    fn a_cookie_that_browsers_drop_for_its_name_gets_a_warning() {
        let proxies = "trusted_proxies = [\"10.0.0.0/8\"]";
        let table = [
            ("cookie = \"backend\"", "", ""),
            ("cookie = \"__Host\"", "", ""),
            ("cookie = \"__Host-b\"", "", "name the proxy that terminates TLS in trusted_proxies"),
            ("cookie = \"__secure-b\"", "", "begins with __Secure-"),
            ("cookie = \"__Host-b\"", proxies, ""),
            (
                "cookie = \"__Host-b\"\nsecure = \"never\"",
                proxies,
                "set secure to always, or choose another name",
            ),
            ("cookie = \"__Secure-b\"\nsecure = \"always\"", "", ""),
            ("cookie = \"__Secure-b\"\nsame_site = \"none\"", "", ""),
        ];
        for (sticky, top, expected) in table {
            let told = warnings(sticky, top);
            assert!(told.contains(expected), "{sticky}: {told}");
            assert_eq!(told.contains("browsers drop the cookie"), !expected.is_empty(), "{sticky}: {told}");
        }
    }
}
