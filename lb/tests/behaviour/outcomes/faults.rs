//! The fault model: all faults around one request, and the reaction of the balancer to each.

use std::time::Duration;

use super::fault::Patience::{LeavesWhen, LeavesWithin, Pauses};
use super::fault::{Fault, closes, fault, gone, repeats, resets, says, unconnected, unreachable};
use crate::common::{Reply, Upstream, eventually, ok, when};

/// A part of the page.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) faults: &'static [Fault],
    /// Faults that are not measured here: number, name, and result.
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
            fault("F1", "A backend refuses connections", "Nothing was sent, so any request may be sent again: at most three times to the same backend, then to another one.")
                .after(|stage| { gone(stage.broken); Vec::new() }),
            fault("F1", "Both backends refuse connections", "No backend is left. The answer says when to try again.")
                .at_both().after(|stage| { gone(stage.broken); gone(stage.other); Vec::new() }),
            fault("F2", "A backend answers no handshake", "When connecting takes too long, the request goes to the other backend. A kept connection needs no handshake.")
                .hurried().after(|stage| { stage.broken.choke(); Vec::new() }),
            fault("F2", "Both backends answer no handshake, and have closed kept connections", "No backend accepted a connection in time.")
                .hurried().at_both().after(|stage| { unreachable(stage.broken); unreachable(stage.other); Vec::new() }),
        ],
        elsewhere: &[],
    },
    Section {
        title: "No answer",
        faults: &[
            fault("F3", "A backend reads a request and resets the connection", "The backend may have run the request. A request that may run twice is sent once more, to another backend. When a kept connection ends, no backend is to blame.")
                .answers(|_| resets("")),
            fault("F3", "Both backends do this", "As above. The second run is the last one.")
                .at_both().answers(|_| resets("")),
            fault("F4", "A backend reads a request and closes the connection", "As F3.")
                .answers(|_| closes("")),
            fault("F5", "A backend closes a kept connection while the request is sent", "Every kept connection ends at some time, so no backend is to blame. A request that may run twice is sent once more, to another backend. If there is no other backend, or if the cookie of the client names this one, it goes to the same backend over a new connection.")
                .answers(|seen| if seen.on_connection > 1 { closes("") } else { ok("1") }),
            fault("F6", "A backend never answers", "A request that has waited for the full time limit is not tried again. Before that, the balancer asks the backend. If the backend does not answer, a request that may run twice moves to another backend: `a_silent_backend_is_suspected_left_and_taken_back_when_it_answers`, `a_stopped_backend_is_found_under_every_policy_by_one_client`.")
                .hurried().answers(|_| Reply::Silence),
            fault("F7", "A backend closes in the middle of the head of its answer", "As F3, but the answer had begun, so the backend is to blame even on a kept connection.")
                .answers(|_| closes("HTTP/1.1 200 OK\r\nContent-Le")),
            fault("F8", "A backend sends its head byte by byte", "The time limit for a head does not start again with each byte.")
                .hurried().answers(|_| repeats("HTTP/1.1 200 OK\r\nX: ", "x", Duration::from_millis(10))),
        ],
        elsewhere: &[],
    },
    Section {
        title: "An answer that is incomplete or slow",
        faults: &[
            fault("F9", "A backend closes in the middle of a body of known length", "The client already has the head, so there is no other try. The client must be able to see that the answer is incomplete.")
                .answers(|_| closes(PART)),
            fault("F9", "It resets the connection in the middle of such a body", "The same.")
                .answers(|_| resets(PART)),
            fault("F10", "It closes before the last chunk", "The same: the balancer never sends a last chunk that the backend did not send.")
                .answers(|_| closes(BUT_NOT_ALL)),
            fault("F11", "It sends its body byte by byte", "A slow answer is no failure while bytes arrive.")
                .hurried().answers(|_| Reply::Take(Box::new(|mut wire| {
                    let _ = wire.write("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n");
                    // Together longer than the time limit for a head.
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
        title: "An invalid answer",
        faults: &[
            fault("F12", "A backend speaks another protocol", "The backend took the request, and it is not known whether it executed the request.")
                .answers(|_| says("SSH-2.0-OpenSSH_9.9\r\n\r\n")),
            fault("F13", "Its answer has a length and chunks", "Two readers could find different ends of the answer.")
                .answers(|_| says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
            fault("F13", "Its answer has two lengths", "The same.")
                .answers(|_| says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc")),
            fault("F13", "Its answer has a transfer coding that the balancer does not decode", "The same.")
                .answers(|_| says("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")),
            fault("F13", "Its answer has a malformed chunk", "As F9: the client already has the head.")
                .answers(|_| says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\nzz\r\n")),
            fault("F14", "Its answer has 200 headers", "A head has 100 at most.")
                .answers(|_| says(&format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{}\r\n", "X: y\r\n".repeat(200)))),
            fault("F14", "Its answer has a header of 1 MiB", "A head has 64 KiB at most.")
                .answers(|_| says(&format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: {}\r\n\r\n", "y".repeat(1 << 20)))),
            fault("F18", "It sends interim answers without end", "The balancer stops after 32 of them.")
                .answers(|_| repeats("", INTERIM, Duration::ZERO)),
            fault("F18", "It sends an interim answer and closes", "As F7: an interim answer is not the answer.")
                .answers(|_| closes(INTERIM)),
            fault("F19", "It switches to a protocol without a request for it", "As F12.")
                .answers(|_| says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")),
        ],
        elsewhere: &[],
    },
    Section {
        title: "An unexpected answer",
        faults: &[
            fault("F15", "A backend answers 413 before it has read the body, and closes", "The answer is passed on. The rest of the upload is not sent, so the backend never has the complete request.")
                .early("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1").partly().answers(|_| closes("")),
            fault("F16", "It answers 200 before it has read the body, and keeps the connection", "The same. The connection is in the middle of a message, so it is not used again.")
                .early("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1").partly().answers(|_| says("")),
            fault("F17", "It sends 408 on a kept connection, and closes", "No client gets this answer. A connection with bytes that answer no request is closed before a request is sent over it.")
                .otherwise(|_| Reply::Take(Box::new(|mut wire| {
                    let _ = wire.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
                    let _ = wire.write("HTTP/1.1 408 Request Timeout\r\nContent-Length: 4\r\n\r\nevil");
                })))
                .after(|stage| { unconnected(stage.broken); Vec::new() }),
            fault("F17", "It sends bytes after the end of its answer", "The same.")
                .otherwise(|_| says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"))
                .answers(|_| says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")),
            fault("F20", "It answers 500", "Errors of a backend are answers like others. They take no backend out of service unless `--outlier-errors` is set (`a_black_hole_is_ejected`).")
                .answers(|_| says("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 1\r\n\r\n1")),
            fault("F21", "It answers 503 with Retry-After", "The same.")
                .answers(|_| says("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 1\r\n\r\n1")),
            fault("F21", "It answers 429 with Retry-After", "The same.")
                .answers(|_| says("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 1\r\n\r\n1")),
        ],
        elsewhere: &[],
    },
    Section {
        title: "Missing resources, stopped backends and restarts",
        faults: &[
            fault("F23", "A backend is out of descriptors: it accepts nothing more", "As F6 for a connection that the kernel accepts, as F2 for a connection that it does not accept. Requests on accepted connections continue.")
                .hurried().after(|stage| { stage.broken.stop_accepting(); Vec::new() }),
            fault("F26", "A backend is stopped: it accepts and reads nothing more", "As F6, also on kept connections. Connecting still succeeds, so TCP pings do not detect the stop. The balancer asks the backend when a request waits: `a_stopped_backend_is_found_under_every_policy_by_one_client`.")
                .hurried()
                .otherwise(|_| Reply::Take(Box::new(|mut wire| {
                    let _ = wire.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
                    let _ = wire.rest();
                })))
                .after(|stage| { stage.broken.stop_accepting(); Vec::new() }),
            fault("F27", "A backend is killed in the middle of its answer", "As F9. Later requests end as in F1.")
                .answers(|_| Reply::Take(Box::new(|mut wire| {
                    let _ = wire.write(PART);
                    let _ = wire.rest();
                })))
                .client(Pauses(|stage| stage.broken.stop())),
            fault("F29", "All backends are down", "A port that refused connections may be open again, so each backend is tried once. The answer says when to try again: `with_all_backends_down_a_client_is_told_at_once_to_come_back`, `backends_that_were_killed_one_after_the_other_serve_as_soon_as_they_are_back`.")
                .flags(&["--ping-interval=100ms", "--ping-timeout=100ms"])
                .at_both()
                .after(|stage| { gone(stage.broken); gone(stage.other); stage.lb.wait_for_states(&["down", "down"]); Vec::new() }),
            fault("F30", "A backend whose pings succeed has failed three requests in a row", "The request may be at fault, so the balancer asks the backend. The backend answers and stays up: `strange_answers_take_no_backend_down_that_answers_otherwise`. To eject backends by errors, use `--outlier-errors`.")
                .otherwise(|seen| if seen.line() == "GET /red" { says("red\r\n\r\n") } else { ok("1") })
                .after(|stage| {
                    // Every second request goes to the broken one.
                    (0..6).for_each(|_| _ = stage.lb.get("/red"));
                    assert_eq!((stage.lb.states(), &stage.lb.backend(1)["failures"]), (vec!["up".to_owned(); 2], &3.into()));
                    Vec::new()
                }),
            fault("F34", "Each backend is restarted, one after the other", "The balancer sends no request over a connection that has ended. Under load: `rolling_restarts_of_the_backends_cost_no_client_an_answer`, `backends_that_are_killed_one_after_the_other_cost_no_get`.")
                .after(|stage| {
                    for upstream in [stage.broken, stage.other] {
                        gone(upstream);
                        upstream.start();
                    }
                    Vec::new()
                }),
        ],
        elsewhere: &[
            ["F22", "The balancer is out of descriptors", "503, and the balancer is to blame. It pauses accepting, and it recovers without help: `a_balancer_out_of_descriptors_blames_no_backend_and_recovers`."],
            ["F24", "The balancer is out of ports", "Not tested as a whole, because all programs share the ports of a machine. These tests show that the error means 503 and that the balancer is to blame: `connect_errors_decide_who_is_to_blame`, `the_table`."],
            ["F25", "A backend's name resolves to nothing, or to something else", "The balancer looks the name up with every ping, in parallel, and every two seconds. If there is no address or no answer, the last good addresses stay (`a_name_server_that_says_nothing_takes_no_backend_down`); if there never was an address, as F1 (`a_backend_that_does_not_resolve_is_no_reason_not_to_start`). If the name has new addresses, the balancer uses them and does not use connections to the old ones again (`kept_connections_are_left_when_a_name_moves_to_another_address`), **without a slow start**."],
            ["F28", "A backend comes and goes", "A change of state needs three failed pings or two answered pings in a row (`it_takes_fall_failures_to_go_down_and_rise_pings_to_come_back`). **The time out of service does not grow with each failure**."],
        ],
    },
    Section {
        title: "The client and the balancer itself",
        faults: &[
            fault("F31", "The client leaves while its request waits for a place at a backend", "Nothing is sent, and no backend is to blame. The balancer detects a reset within a second, even if most of the body is unread.")
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
                    // If one of them had a free place, the request would go there.
                    [stage.broken, stage.other].map(hold).into()
                })
                .client(LeavesWhen(|stage| stage.lb.state()["totals"]["in_flight"] == 3)),
            fault("F31", "The client leaves while a connection is made", "The same.")
                .flags(&["--ping-interval=1h", "--connect-timeout=2500ms"])
                .after(|stage| { unreachable(stage.broken); Vec::new() })
                .client(LeavesWhen(|stage| stage.lb.backend(1)["in_flight"] == 1)),
            fault("F31", "The client leaves in the middle of its request", "The balancer never completes a partial request.")
                .answers(|_| Reply::Silence)
                .partly()
                .client(LeavesWhen(|stage| stage.lb.backend(1)["in_flight"] == 1)),
            fault("F31", "The client leaves while it waits for its answer", "The balancer closes the connection to the backend.")
                .answers(|_| Reply::Silence)
                .client(LeavesWhen(|stage| stage.runs() == 1)),
            fault("F31", "The client leaves in the middle of its answer", "The same.")
                .answers(|_| repeats("HTTP/1.1 200 OK\r\n\r\n", "1", Duration::from_millis(1)))
                .client(LeavesWithin),
            fault("F32", "The client stops reading", "Its backend is blocked. When no byte has moved for `--stall-timeout`, the balancer ends the request, and the client is to blame.")
                .flags(&["--ping-interval=1h", "--stall-timeout=1s"])
                .answers(|_| ok(&"1".repeat(32 << 20)))
                .client(Pauses(|stage| eventually("it is given up", || when(stage.lb.state()["totals"]["client_gone"] == 1, ())))),
        ],
        elsewhere: &[
            ["F33", "The balancer is stopped and continues later, or the clock is set", "The balancer does not judge waits after it was stopped, and it uses monotonic time: `a_balancer_that_was_asleep_blames_no_backend`."],
        ],
    },
];
