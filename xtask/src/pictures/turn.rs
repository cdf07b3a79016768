//! The turn: which backend gets the next request, with all backends alive and with one dead.

use picture::{Anchor, Area, Picture, Point, Tone};

const BALANCER: Area = Area { x: 220.0, y: 118.0, width: 170.0, height: 124.0 };

/// Four backends, all alive.
pub(super) fn round_robin() -> Picture {
    let mut picture = Picture::new(
        "Round robin",
        "Eight requests reach the balancer. It gives them in turn to its four backends: 1 and 5 to the first, \
         2 and 6 to the second, 3 and 7 to the third, 4 and 8 to the fourth.",
        760.0,
        400.0,
    );
    deal(&mut picture, &[1, 2, 3, 4], 8);
    caption(
        &mut picture,
        "Each request takes the next turn, and the turn picks from the list of live backends.",
        "One counter serves all workers: over any four requests in a row, each backend gets exactly one.",
    );
    picture
}

/// Four backends, the second one dead.
pub(super) fn dead_backend() -> Picture {
    let mut picture = Picture::new(
        "Selection with a dead backend",
        "Backend 2 is down. Nine requests go in turn to backends 1, 3 and 4, three to each. \
         The balancer keeps pinging backend 2 to learn when it is back.",
        760.0,
        400.0,
    );
    deal(&mut picture, &[1, 3, 4], 9);
    caption(
        &mut picture,
        "A dead backend is not on the list, so no turn falls on it: the backends that are alive share exactly,",
        "and its neighbour does not get a double share. Two answered pings in a row (rise) put it back.",
    );
    picture
}

/// Draws clients, balancer and backends, and deals the requests to the backends that are alive.
fn deal(picture: &mut Picture, alive: &[usize], requests: usize) {
    let clients = Area::new(20.0, 152.0, 120.0, 56.0);
    picture.block(clients, Tone::Plain, &["Clients", &format!("{requests} requests")]);
    picture.arrow(&[clients.right(), BALANCER.left()], Tone::Accent);

    let list: Vec<String> = alive.iter().map(ToString::to_string).collect();
    picture.block(
        BALANCER,
        Tone::Accent,
        &["Balancer", "port 3030", &format!("turn {requests}"), &format!("alive: {}", list.join(" "))],
    );
    for number in 1..=4 {
        let place = Area::new(500.0, 30.0 + 80.0 * (number - 1) as f64, 130.0, 60.0);
        let port = format!("port 303{number}");
        if alive.contains(&number) {
            picture.block(place, Tone::Good, &[&format!("Backend {number}"), &port]);
            picture.arrow(&[leave(number), place.left()], Tone::Accent);
        } else {
            picture.block(place, Tone::Bad, &[&format!("Backend {number}"), "down"]);
            picture.dashed_arrow(&[leave(number), place.left()], Tone::Muted);
            picture.label((646.0, place.y + 34.0), Anchor::Start, Tone::Muted, "only pings");
        }
    }
    for request in 1..=requests {
        let turn = request - 1;
        let backend = alive[turn % alive.len()];
        let at = (658.0 + 32.0 * (turn / alive.len()) as f64, 60.0 + 80.0 * (backend - 1) as f64);
        picture.token(at, Tone::Accent, &request.to_string());
    }
}

/// The point where the arrow to a backend leaves the balancer.
fn leave(backend: usize) -> Point {
    (BALANCER.x + BALANCER.width, BALANCER.y + 20.0 + 28.0 * (backend - 1) as f64)
}

fn caption(picture: &mut Picture, first: &str, second: &str) {
    picture.label((20.0, 364.0), Anchor::Start, Tone::Muted, first);
    picture.label((20.0, 384.0), Anchor::Start, Tone::Muted, second);
}
