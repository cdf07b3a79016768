//! The fault model: everything that may go wrong around one request, and what the balancer makes of it.

use std::time::Duration;

use super::fault::Patience::{LeavesWhen, LeavesWithin, Pauses};
use super::fault::{Fault, closes, fault, gone, repeats, resets, says, unconnected, unreachable};
use crate::common::{Reply, Upstream, eventually, ok, when};

/// A part of the page.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) faults: &'static [Fault],
    /// What is not measured here: number, name, and what becomes of it.
    pub(super) elsewhere: &'static [[&'static str; 3]],
}

const PART: &str = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart";
const BUT_NOT_ALL: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n";
const INTERIM: &str = "HTTP/1.1 103 Early Hints\r\n\r\n";

#[rustfmt::skip]
pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "No connection",
        faults: &[
            fault("F1", "A backend refuses connections", "Nothing was sent, so everything may be sent again: there, three times at most, then elsewhere.")
                .after(|stage| { gone(stage.broken); Vec::new() }),
            fault("F1", "Both refuse them", "Nobody is left to ask, and the answer says when to come back.")
                .at_both().after(|stage| { gone(stage.broken); gone(stage.other); Vec::new() }),
            fault("F2", "A backend answers no handshake", "Elsewhere, once connecting has taken too long. A kept connection needs no handshake.")
                .hurried().after(|stage| { stage.broken.choke(); Vec::new() }),
            fault("F2", "Both answer none, and have closed what was kept", "Nobody was there in time.")
                .hurried().at_both().after(|stage| { unreachable(stage.broken); unreachable(stage.other); Vec::new() }),
        ],
        elsewhere: &[],
    },
    Section {
        title: "No answer",
        faults: &[
            fault("F3", "A backend resets a connection that it has read a request from", "The backend may have run it. What may run twice is sent once more, to another backend. When a kept connection dies, no backend is to blame.")
                .answers(|_| resets("")),
            fault("F3", "Both do", "As above. The second run is the last one.")
                .at_both().answers(|_| resets("")),
            fault("F4", "A backend closes a connection that it has read a request from", "As F3.")
                .answers(|_| closes("")),
            fault("F5", "A backend closes a kept connection as the request goes out", "Connections end at some time, and no backend is to blame. What may run twice is sent once more, to another backend; over a fresh connection to the same one if there is no other, or if the client belongs there by its cookie.")
                .answers(|seen| if seen.on_connection > 1 { closes("") } else { ok("1") }),
            fault("F6", "A backend never answers", "What has waited its full time is not tried again. The backend is asked before that, and what may run twice leaves one that does not answer: `a_silent_backend_is_suspected_left_and_taken_back_when_it_answers`, `a_stopped_backend_is_found_under_every_policy_by_one_client`.")
                .hurried().answers(|_| Reply::Silence),
            fault("F7", "A backend closes within the head of its answer", "As F3, but a kept connection did not just end here: it is the backend's fault.")
                .answers(|_| closes("HTTP/1.1 200 OK\r\nContent-Le")),
            fault("F8", "A backend sends its head byte by byte", "The time for a head does not begin anew with each byte.")
                .hurried().answers(|_| repeats("HTTP/1.1 200 OK\r\nX: ", "x", Duration::from_millis(10))),
        ],
        elsewhere: &[],
    },
    Section {
        title: "An answer that breaks off, or is slow",
        faults: &[
            fault("F9", "A backend closes within a body of known length", "The client has the head already, so there is no other try, and a part must never look like the whole.")
                .answers(|_| closes(PART)),
            fault("F9", "It resets within such a body", "The same.")
                .answers(|_| resets(PART)),
            fault("F10", "It closes before the last chunk", "The same: a last chunk is never made up.")
                .answers(|_| closes(BUT_NOT_ALL)),
            fault("F11", "It sends its body byte by byte", "Slow is not broken, as long as something comes.")
                .hurried().answers(|_| Reply::Take(Box::new(|mut wire| {
                    let _ = wire.write("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n");
                    // In all, longer than the time for a head.
                    for _ in 0..40 {
                        let _ = wire.write("1");
                        std::thread::sleep(Duration::from_millis(50));
                    }
                    let _ = wire.rest();
                }))),
        ],
        elsewhere: &[],
    },
    Section {
        title: "An answer that is none",
        faults: &[
            fault("F12", "A backend speaks another protocol", "It took the request, and nobody knows what for.")
                .answers(|_| says("SSH-2.0-OpenSSH_9.9\r\n\r\n")),
            fault("F13", "Its answer has a length and chunks", "Two readers could see two ends.")
                .answers(|_| says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
            fault("F13", "Its answer has two lengths", "The same.")
                .answers(|_| says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc")),
            fault("F13", "Its answer is in a coding that is not taken off", "The same.")
                .answers(|_| says("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")),
            fault("F13", "Its answer has a malformed chunk", "As F9: the head has been passed on.")
                .answers(|_| says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\nzz\r\n")),
            fault("F14", "Its answer has 200 headers", "A head has 100 at most.")
                .answers(|_| says(&format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{}\r\n", "X: y\r\n".repeat(200)))),
            fault("F14", "Its answer has a header of 1 MiB", "A head has 64 KiB at most.")
                .answers(|_| says(&format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: {}\r\n\r\n", "y".repeat(1 << 20)))),
            fault("F18", "It sends interim answers without end", "It ends after 32 of them.")
                .answers(|_| repeats("", INTERIM, Duration::ZERO)),
            fault("F18", "It sends an interim answer and closes", "As F7: an interim answer is no answer.")
                .answers(|_| closes(INTERIM)),
            fault("F19", "It switches to a protocol that nobody asked for", "As F12.")
                .answers(|_| says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")),
        ],
        elsewhere: &[],
    },
    Section {
        title: "An answer that is unexpected",
        faults: &[
            fault("F15", "A backend answers 413 before it has read the body, and closes", "Passed on; the rest of the upload goes nowhere, so it never runs whole.")
                .early("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1").partly().answers(|_| closes("")),
            fault("F16", "It answers 200 before it has read the body, and goes on", "The same: a connection in the middle of a message is not kept.")
                .early("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1").partly().answers(|_| says("")),
            fault("F17", "It says 408 on a kept connection, and closes", "Nobody gets it: what is said unasked ends a connection, before anything is sent over it.")
                .otherwise(|_| Reply::Take(Box::new(|mut wire| {
                    let _ = wire.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
                    let _ = wire.write("HTTP/1.1 408 Request Timeout\r\nContent-Length: 4\r\n\r\nevil");
                })))
                .after(|stage| { unconnected(stage.broken); Vec::new() }),
            fault("F17", "It says more than its answer", "The same.")
                .otherwise(|_| says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"))
                .answers(|_| says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")),
            fault("F20", "It answers 500", "A backend's own errors are its answers, and take nobody out unless `--outlier-errors` says so (`a_black_hole_is_ejected`).")
                .answers(|_| says("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 1\r\n\r\n1")),
            fault("F21", "It answers 503 and when to come back", "The same.")
                .answers(|_| says("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 1\r\n\r\n1")),
            fault("F21", "It answers 429 and when to come back", "The same.")
                .answers(|_| says("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 1\r\n\r\n1")),
        ],
        elsewhere: &[],
    },
    Section {
        title: "Something runs out, stops, or comes and goes",
        faults: &[
            fault("F23", "A backend is out of descriptors: it accepts nothing more", "As F6 for whom the kernel lets in, as F2 when it lets in nobody. What it has goes on.")
                .hurried().after(|stage| { stage.broken.stop_accepting(); Vec::new() }),
            fault("F26", "A backend is stopped: it accepts and reads nothing more", "As F6, kept connections too. Connecting still succeeds, so pings do not notice. The balancer asks when a request waits: `a_stopped_backend_is_found_under_every_policy_by_one_client`.")
                .hurried()
                .otherwise(|_| Reply::Take(Box::new(|mut wire| {
                    let _ = wire.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
                    let _ = wire.rest();
                })))
                .after(|stage| { stage.broken.stop_accepting(); Vec::new() }),
            fault("F27", "A backend is killed within its answer", "As F9; what comes after it, as F1.")
                .answers(|_| Reply::Take(Box::new(|mut wire| {
                    let _ = wire.write(PART);
                    let _ = wire.rest();
                })))
                .client(Pauses(|stage| stage.broken.stop())),
            fault("F29", "All backends are down", "A port that refused connections may serve again, so each is tried once. The answer says when to come back: `with_all_backends_down_a_client_is_told_at_once_to_come_back`, `backends_that_were_killed_one_after_the_other_serve_as_soon_as_they_are_back`.")
                .flags(&["--ping-interval=100ms", "--ping-timeout=100ms"])
                .at_both()
                .after(|stage| { gone(stage.broken); gone(stage.other); stage.lb.wait_for_states(&["down", "down"]); Vec::new() }),
            fault("F30", "A backend whose pings succeed has failed three requests in a row", "The request may be at fault, so the backend is asked. It answers, and stays up: `strange_answers_take_no_backend_down_that_answers_otherwise`. Ejection by errors is what `--outlier-errors` is for.")
                .otherwise(|seen| if seen.line() == "GET /red" { says("red\r\n\r\n") } else { ok("1") })
                .after(|stage| {
                    // Every other one is the broken one's turn.
                    (0..6).for_each(|_| _ = stage.lb.get("/red"));
                    assert_eq!((stage.lb.states(), &stage.lb.backend(1)["failures"]), (vec!["up".to_owned(); 2], &3.into()));
                    Vec::new()
                }),
            fault("F34", "Each backend is restarted, one after the other", "Nothing is sent over connections that have ended. Under load: `rolling_restarts_of_the_backends_cost_no_client_an_answer`, `backends_that_are_killed_one_after_the_other_cost_no_get`.")
                .after(|stage| {
                    for upstream in [stage.broken, stage.other] {
                        gone(upstream);
                        upstream.start();
                    }
                    Vec::new()
                }),
        ],
        elsewhere: &[
            ["F22", "The balancer is out of descriptors", "503, the balancer is to blame, accepting rests, and it recovers by itself: `a_balancer_out_of_descriptors_blames_no_backend_and_recovers`."],
            ["F24", "The balancer is out of ports", "Not brought about: a machine's ports are everybody's. That the error means 503 and that the balancer is to blame: `connect_errors_decide_who_is_to_blame`, `the_table`."],
            ["F25", "A backend's name resolves to nothing, or to something else", "It is looked up with every ping, beside it, and every two seconds. To nothing, or without an answer: the last good addresses stay (`a_name_server_that_says_nothing_takes_no_backend_down`); without any, as F1 (`a_backend_that_does_not_resolve_is_no_reason_not_to_start`). To something else: the new addresses are used, and connections to the old ones are not used again (`kept_connections_are_left_when_a_name_moves_to_another_address`), **without a slow start**."],
            ["F28", "A backend comes and goes", "A change takes three failed pings or two answered ones in a row (`it_takes_fall_failures_to_go_down_and_rise_pings_to_come_back`). **The time it is left alone does not grow**."],
        ],
    },
    Section {
        title: "The client, and the balancer itself",
        faults: &[
            fault("F31", "The client leaves while its request waits for a place at a backend", "Nothing is sent, and no backend is to blame. A reset is seen within a second, however much of the body is still unread.")
                .flags(&["--ping-interval=1h", "--backend-limit=1", "--queue-timeout=2500ms"])
                .at_both()
                .otherwise(|seen| if seen.line() == "GET /held" { Reply::Silence } else { ok("1") })
                .after(|stage| {
                    let hold = |upstream: &Upstream| {
                        let mut client = stage.lb.client();
                        client.ask("GET /held", b"");
                        eventually("its only place is taken", || when(upstream.count_of("GET /held") == 1, ()));
                        client
                    };
                    // As long as one of them had a place, the request would go there.
                    [stage.broken, stage.other].map(hold).into()
                })
                .client(LeavesWhen(|stage| stage.lb.state()["totals"]["in_flight"] == 3)),
            fault("F31", "The client leaves while a connection is made", "The same.")
                .flags(&["--ping-interval=1h", "--connect-timeout=2500ms"])
                .after(|stage| { unreachable(stage.broken); Vec::new() })
                .client(LeavesWhen(|stage| stage.lb.backend(1)["in_flight"] == 1)),
            fault("F31", "The client leaves within its request", "A part of a request is never completed.")
                .answers(|_| Reply::Silence)
                .partly()
                .client(LeavesWhen(|stage| stage.lb.backend(1)["in_flight"] == 1)),
            fault("F31", "The client leaves while it waits for its answer", "The backend is not asked any further.")
                .answers(|_| Reply::Silence)
                .client(LeavesWhen(|stage| stage.runs() == 1)),
            fault("F31", "The client leaves within its answer", "The same.")
                .answers(|_| repeats("HTTP/1.1 200 OK\r\n\r\n", "1", Duration::from_millis(1)))
                .client(LeavesWithin),
            fault("F32", "The client reads no further", "Its backend is held up, and let go when nothing has moved for `--stall-timeout`: the client is to blame.")
                .flags(&["--ping-interval=1h", "--stall-timeout=1s"])
                .answers(|_| ok(&"1".repeat(32 << 20)))
                .client(Pauses(|stage| eventually("it is given up", || when(stage.lb.state()["totals"]["client_gone"] == 1, ())))),
        ],
        elsewhere: &[
            ["F33", "The balancer is stopped and goes on later, or the clock is set", "Waits are not judged after a sleep, time is monotonic: `a_balancer_that_was_asleep_blames_nobody`."],
        ],
    },
];
