//! Retries and attempts: what happens to a request that meets a dead backend.

use picture::{Anchor, Area, Picture, Tone};

/// The positions of the four parties, in pixels from the left.
const CLIENT: f64 = 80.0;
const BALANCER: f64 = 270.0;
const DEAD: f64 = 520.0;
const ALIVE: f64 = 690.0;

/// One request over time, from top to bottom.
pub(super) fn retry_and_attempts() -> Picture {
    let mut picture = Picture::new(
        "Retry and attempts",
        "A client's request goes to backend 2, which refuses the connection. The balancer retries the same \
         backend three times, 10 milliseconds apart, then marks it down and makes its second attempt at \
         backend 3, which answers 200. The client sees one answer and no error.",
        780.0,
        530.0,
    );
    for (x, tone, name, port) in [
        (CLIENT, Tone::Plain, "Client", ""),
        (BALANCER, Tone::Accent, "Balancer", "port 3030"),
        (DEAD, Tone::Bad, "Backend 2", "not running"),
        (ALIVE, Tone::Good, "Backend 3", "port 3033"),
    ] {
        picture.line(&[(x, 60.0), (x, 440.0)], Tone::Muted);
        let lines: &[&str] = if port.is_empty() { &[name] } else { &[name, port] };
        picture.block(Area::new(x - 60.0, 14.0, 120.0, 48.0), tone, lines);
    }

    picture.arrow(&[(CLIENT, 92.0), (BALANCER, 92.0)], Tone::Accent);
    picture.label((175.0, 85.0), Anchor::Middle, Tone::Plain, "GET /");

    picture.heading((BALANCER - 14.0, 128.0), Anchor::End, Tone::Accent, "attempt 1");
    for (retry, text) in
        ["refused", "retry 1: refused", "retry 2: refused", "retry 3: refused"].iter().enumerate()
    {
        let y = 124.0 + 40.0 * retry as f64;
        picture.arrow(&[(BALANCER, y), (DEAD - 12.0, y)], Tone::Bad);
        picture.cross((DEAD, y), Tone::Bad);
        picture.label(((BALANCER + DEAD) / 2.0, y - 7.0), Anchor::Middle, Tone::Plain, text);
        if retry > 0 {
            picture.label((BALANCER - 14.0, y - 12.0), Anchor::End, Tone::Muted, "10 ms later");
        }
    }
    picture.block(
        Area::new(DEAD - 110.0, 268.0, 220.0, 50.0),
        Tone::Bad,
        &["Backend 2 down", "refused, after 3 retries"],
    );

    picture.heading((BALANCER - 14.0, 352.0), Anchor::End, Tone::Accent, "attempt 2");
    picture.arrow(&[(BALANCER, 350.0), (ALIVE, 350.0)], Tone::Good);
    picture.label((400.0, 343.0), Anchor::Middle, Tone::Plain, "GET /");
    picture.arrow(&[(ALIVE, 385.0), (BALANCER, 385.0)], Tone::Good);
    picture.label((400.0, 378.0), Anchor::Middle, Tone::Plain, "200 OK");
    picture.arrow(&[(BALANCER, 415.0), (CLIENT, 415.0)], Tone::Good);
    picture.label((175.0, 408.0), Anchor::Middle, Tone::Plain, "200 OK");

    for (row, text) in [
        "Retries count for one backend: at most 3, 10 ms apart, and the count starts again at the next backend.",
        "Attempts count for the whole request: at most 3 backends. When all have failed, the client gets a 503.",
        "A request is sent again only if it certainly did not run, or may run twice.",
    ]
    .iter()
    .enumerate()
    {
        picture.label((20.0, 472.0 + 20.0 * row as f64), Anchor::Start, Tone::Muted, text);
    }
    picture
}
