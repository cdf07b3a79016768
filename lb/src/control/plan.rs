//! The backends of a configuration, and the changes between configurations, in words. Pure functions.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use balance::Address;
use balance::change::Change;
use balance::member::Member;

use crate::config::Config;
use crate::config::settings::LISTENER;
use crate::config::wording::grouped;
use crate::proxy::settings::Settings;

/// Stores the addresses of a name, in an order that does not depend on the server. An empty list is no
/// answer: then the last good answer stays valid.
pub(super) fn remember(resolved: &mut HashMap<Address, Vec<IpAddr>>, name: Address, mut found: Vec<IpAddr>) {
    found.sort_unstable();
    found.dedup();
    if !found.is_empty() {
        resolved.insert(name, found);
    }
}

/// The members of a configuration if its names have these addresses.
pub(super) fn wanted(configured: &[Member], resolved: &HashMap<Address, Vec<IpAddr>>) -> Vec<Member> {
    let each = |member: &Member| match resolved.get(&member.address).filter(|_| member.every_address) {
        // Until the name has been looked up once, it is one ordinary backend.
        None => vec![member.clone()],
        Some(addresses) => {
            let at = |ip: &IpAddr| Address { host: ip.to_string(), port: member.address.port };
            addresses.iter().map(|ip| Member { address: at(ip), ..member.clone() }).collect()
        }
    };
    let mut known = HashSet::new();
    // Two names may have an address in common.
    configured.iter().flat_map(each).filter(|member| known.insert(member.address.clone())).collect()
}

/// Keeps settings that cannot change while the balancer runs, and returns the names of those that differ.
pub(super) fn keep_fixed(new: Config, old: &Config) -> (Config, Vec<&'static str>) {
    let sorted = |config: &Config| {
        let mut listeners = config.listeners.clone();
        listeners.sort_unstable();
        listeners
    };
    // The order of the listeners means nothing.
    let listeners_differ = sorted(&new) != sorted(old);
    let is_key =
        |key: &str| [new.listeners_from, old.listeners_from].iter().any(|from| from.key() == Some(key));
    let fixed = [
        ("listen", listeners_differ && is_key("listen")),
        (LISTENER, listeners_differ && is_key(LISTENER)),
        ("admin", new.admin != old.admin),
        ("name", new.proxy.name != old.proxy.name),
        ("workers", new.workers != old.workers),
        ("max_connections", new.max_connections != old.max_connections),
        ("balance.seed", new.seed != old.seed),
        ("log.format", new.log_format != old.log_format),
        ("log.file", new.log_file != old.log_file),
        ("log.statistics", new.proxy.statistics != old.proxy.statistics),
    ];
    let proxy = Settings {
        name: old.proxy.name.clone(),
        statistics: old.proxy.statistics,
        ..Settings::clone(&new.proxy)
    };
    let config = Config {
        listeners: old.listeners.clone(),
        listeners_from: if listeners_differ { old.listeners_from } else { new.listeners_from },
        admin: old.admin,
        workers: old.workers,
        max_connections: old.max_connections,
        seed: old.seed,
        log_format: old.log_format,
        log_file: old.log_file.clone(),
        proxy: Arc::new(proxy),
        ..new
    };
    (config, fixed.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect())
}

/// Limit of changes that are listed; the others are counted.
const TOLD: usize = 50;

/// The text if nothing changes.
pub(super) const UNCHANGED: &str = "the backends stay as they are";

/// Changes in words, such as `removed http://localhost:3031, added http://localhost:3035`.
pub(super) fn describe(changes: &[Change]) -> String {
    if changes.is_empty() {
        return UNCHANGED.to_owned();
    }
    let mut words: Vec<_> = changes
        .iter()
        .take(TOLD)
        .map(|change| match change {
            Change::Add(member) => format!("added {}", member.address),
            Change::Remove(address) => format!("removed {address}"),
            Change::Update(update) => format!("changed {}", update.address),
        })
        .collect();
    if changes.len() > TOLD {
        words.push(format!("and {} more", grouped(changes.len() - TOLD)));
    }
    words.join(", ")
}

/// The settings of a backend that differ: `weight 1 -> 5, mode ready -> drain`.
pub(super) fn difference(before: &Member, after: &Member) -> String {
    let limit = |member: &Member| member.limit.map_or_else(|| "off".to_owned(), |limit| limit.to_string());
    let each = [
        ("weight", before.weight.to_string(), after.weight.to_string()),
        ("priority", before.priority.to_string(), after.priority.to_string()),
        ("backup", before.backup.to_string(), after.backup.to_string()),
        ("max_in_flight", limit(before), limit(after)),
        ("mode", before.mode.to_string(), after.mode.to_string()),
    ];
    let told = each.iter().filter(|(_, before, after)| before != after);
    told.map(|(name, before, after)| format!("{name} {before} -> {after}")).collect::<Vec<_>>().join(", ")
}

/// The difference that a console follows. If the mode and the weight differ, it is the mode: the next tick
/// has the weight.
pub(super) fn told_change(backend: usize, before: &Member, after: &Member) -> Option<api::Change> {
    if before.mode != after.mode {
        return Some(api::Change::Mode { backend, mode: after.mode.name().into() });
    }
    let weight = after.weight;
    (before.weight != weight).then_some(api::Change::Weight { backend, weight })
}

#[cfg(test)]
mod tests {
    use balance::change::Update;
    use balance::member::Mode;

    use super::*;
    use crate::config::{self, Flags};

    fn member(host: &str) -> Member {
        Member::new(Address { host: host.into(), port: 80 })
    }

    #[test]
    fn a_name_can_stand_for_many_backends() {
        let app = Member { every_address: true, weight: 3, ..member("app") };
        let configured = [member("10.0.0.2"), app.clone(), member("other")];
        let hosts = |resolved: &[(&str, &[&str])]| -> Vec<String> {
            let resolved = resolved.iter().map(|(name, addresses)| {
                let addresses = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
                (member(name).address, addresses)
            });
            let members = wanted(&configured, &resolved.collect());
            members.into_iter().map(|member| format!("{} {}", member.address.host, member.weight)).collect()
        };
        assert_eq!(hosts(&[]), ["10.0.0.2 1", "app 3", "other 1"]);
        assert_eq!(
            hosts(&[("app", &["10.0.0.1", "10.0.0.2", "::1"]), ("other", &["10.0.0.9"])]),
            ["10.0.0.2 1", "10.0.0.1 3", "::1 3", "other 1"]
        );
    }

    #[test]
    fn the_last_good_addresses_hold_while_there_is_no_answer() {
        let mut resolved = HashMap::new();
        let mut steps = |found: &[&str]| {
            let found = found.iter().map(|ip| ip.parse().unwrap()).collect();
            remember(&mut resolved, member("app").address, found);
            let app = Member { every_address: true, ..member("app") };
            wanted(&[app], &resolved).into_iter().map(|member| member.address.host).collect::<Vec<_>>()
        };
        assert_eq!(steps(&["10.0.0.2", "10.0.0.1", "10.0.0.2"]), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(steps(&[]), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(steps(&["10.0.0.3"]), ["10.0.0.3"]);
    }

    #[test]
    fn listeners_in_another_order_are_the_same_and_others_are_named_as_in_the_file() {
        let listen = |address: &str| format!("listen = \"{address}\"\n");
        let sections = |addresses: &[&str]| -> String {
            addresses.iter().map(|address| format!("[[listener]]\naddress = \"{address}\"\n")).collect()
        };
        let config = |text: &str| {
            let text = format!("admin = \"127.0.0.1:4030\"\n{text}[[backend]]\nurl = \"http://a:1\"\n");
            config::read(Some(("lb.toml", &text)), &Flags::default()).unwrap().config
        };
        let [one, two, three] = ["127.0.0.1:80", "127.0.0.1:81", "127.0.0.1:82"];
        let table: [(String, String, &[&str]); 6] = [
            (sections(&[one, two]), sections(&[two, one]), &[]),
            (sections(&[one, two]), sections(&[one, three]), &["listener"]),
            (sections(&[one, two]), sections(&[one]), &["listener"]),
            (listen(one), listen(two), &["listen"]),
            (listen(one), sections(&[one]), &[]),
            (listen(one), sections(&[one, two]), &["listen", "listener"]),
        ];
        for (before, after, expected) in table {
            let (kept, named) = keep_fixed(config(&after), &config(&before));
            assert_eq!(named, expected, "{before}{after}");
            assert_eq!(kept.listeners, config(&before).listeners, "{before}{after}");
        }
    }

    #[test]
    fn changes_are_told_in_words() {
        assert_eq!(describe(&[]), UNCHANGED);
        let update = Change::Update(Update { weight: Some(5), ..Update::of(member("c").address) });
        let changes = [Change::Remove(member("a").address), Change::Add(member("b")), update];
        assert_eq!(describe(&changes), "removed http://a:80, added http://b:80, changed http://c:80");
        let many: Vec<_> = (0..5_000).map(|n| Change::Remove(member(&format!("h{n}")).address)).collect();
        let told = describe(&many);
        assert!(told.ends_with("removed http://h49:80, and 4,950 more"), "{told}");
    }

    #[test]
    fn what_is_said_of_a_backend_is_told_by_what_differs() {
        let before = Member { weight: 0, ..member("a") };
        let after =
            Member { mode: Mode::Drain, limit: Some(7), weight: 5, backup: true, priority: 2, ..member("a") };
        assert_eq!(difference(&before, &before), "");
        assert_eq!(
            difference(&before, &after),
            "weight 0 -> 5, priority 0 -> 2, backup false -> true, max_in_flight off -> 7, mode ready -> drain"
        );
        let mode = api::Change::Mode { backend: 3, mode: "drain".into() };
        assert_eq!(told_change(3, &before, &after), Some(mode), "the next tick has the weight");
        let weight = Some(api::Change::Weight { backend: 3, weight: 5 });
        assert_eq!(told_change(3, &before, &Member { mode: Mode::Ready, ..after }), weight);
        assert_eq!(told_change(3, &before, &Member { limit: Some(7), ..before.clone() }), None);
    }
}
