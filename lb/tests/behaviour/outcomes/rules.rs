//! Rules for each line, for any measured result: the right answers of the fault model. So a wrong page cannot
//! be written.

use super::cell::Got::{Cut, Nothing, Status};
use super::cell::{Asked, Case, Sight};
use super::fault::Fault;

/// The rules that a result breaks.
pub(super) fn broken(fault: &Fault, case: Case, sight: &Sight) -> Vec<&'static str> {
    let Sight { client, tries, blamed, runs } = *sight;
    let get = case.asked == Asked::Get;
    let once = tries == [1, 0];
    let unblamed = blamed == "none";
    let backend = blamed == "backend";
    let most = if case.kept { 5 } else { 4 };
    // Sent once, and never again after a failure.
    let well = client == Status(200) && once && unblamed;
    let bad = |status| client == Status(status) && once && backend;
    let repeated_if_it_may_be = match (get, fault.both) {
        // If a kept connection ends, no backend is to blame.
        (true, false) => client == Status(200) && tries == [1, 1] && (backend || case.kept),
        (true, true) => client == Status(502) && tries == [1, 1] && (backend || case.kept),
        (false, _) => client == Status(502) && once,
    };
    let right = match fault.id {
        "F1" if fault.both => client == Status(503) && runs == 0 && backend,
        "F2" if fault.both => client == Status(504) && runs == 0 && backend,
        "F1" => client == Status(200) && tries[1] == 1 && runs == 1 && backend,
        "F2" if !case.kept => client == Status(200) && tries[1] == 1 && runs == 1 && backend,
        "F3" | "F4" | "F7" => repeated_if_it_may_be,
        "F5" if get && case.kept => unblamed && tries == [1, 1] && client == Status(200),
        "F5" => unblamed && once && client == Status(if case.kept { 502 } else { 200 }),
        // A request that may run twice leaves a backend that does not answer the question either.
        "F23" | "F26" if get && (fault.id == "F26" || !case.kept) => {
            client == Status(200) && tries == [1, 1] && backend && runs == 1
        }
        "F6" | "F8" | "F26" => bad(504),
        "F9" | "F10" | "F27" => client == Cut && once && backend,
        "F12" | "F14" | "F19" => bad(502),
        "F13" => bad(502) || client == Cut && once && backend,
        "F15" => client == Status(413) && once && unblamed,
        "F18" => bad(502) || repeated_if_it_may_be,
        "F20" => client == Status(500) && once && unblamed,
        "F21" => matches!(client, Status(503 | 429)) && once && unblamed,
        "F23" if !case.kept => bad(504),
        "F2" | "F11" | "F16" | "F17" | "F23" | "F30" | "F34" => well,
        "F29" => client == Status(503) && tries == [1, 1] && backend && runs == 0,
        // The balancer reads a limited part of an upload ahead, and cannot see that a client leaves after the
        // rest.
        "F31" if case.asked == Asked::Upload => client == Nothing && runs <= 1 && !backend,
        "F31" => client == Nothing && once && blamed == "client",
        "F32" => client == Cut && once && blamed == "client",
        _ => false,
    };
    let rules = [
        ("a POST runs at most once", get || runs <= 1),
        ("what runs was tried", runs as u64 <= tries[0] + tries[1]),
        ("what may have run runs twice at most", runs <= 2),
        ("what is sent in part never runs", get || !fault.partly || runs == 0),
        ("who answers has read the request", client != Status(200) || fault.partly || runs > 0),
        (
            "a backend is tried four times, and once more for a kept connection",
            tries.iter().all(|n| *n <= most),
        ),
        ("the fault model says otherwise", right),
    ];
    rules.into_iter().filter(|(_, holds)| !holds).map(|(rule, _)| rule).collect()
}
