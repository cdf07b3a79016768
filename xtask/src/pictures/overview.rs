//! The whole lab: its programs, their connections and their ports.

use picture::{Anchor, Area, Picture, Tone};

/// The lab with its default ports.
pub(super) fn lab() -> Picture {
    let mut picture = Picture::new(
        "The lab",
        "You and the runner send requests to the balancer on port 3030, which spreads them over four backends on \
         ports 3031 to 3034. Each backend is a worker that answers and an agent, on ports 4031 to 4034, that \
         starts, kills and stops it on command. The balancer shows its state on port 4030.",
        820.0,
        420.0,
    );
    let you = Area::new(20.0, 88.0, 176.0, 60.0);
    let runner = Area::new(20.0, 228.0, 176.0, 60.0);
    let balancer = Area::new(270.0, 140.0, 160.0, 96.0);
    picture.block(you, Tone::Plain, &["You", "curl, a browser"]);
    picture.block(runner, Tone::Plain, &["cargo xtask demo", "load and faults"]);
    picture.arrow(&[you.right(), (balancer.x, 168.0)], Tone::Accent);
    picture.arrow(&[runner.right(), (balancer.x, 208.0)], Tone::Accent);
    picture.block(balancer, Tone::Accent, &["Balancer", "requests: 3030", "state: 4030"]);

    picture.heading((575.0, 26.0), Anchor::Middle, Tone::Plain, "Workers");
    picture.heading((720.0, 26.0), Anchor::Middle, Tone::Plain, "Agents");
    for number in 1..=4 {
        let y = 40.0 + 78.0 * f64::from(number - 1);
        let worker = Area::new(515.0, y, 120.0, 56.0);
        let agent = Area::new(665.0, y, 110.0, 56.0);
        picture.block(worker, Tone::Good, &[&format!("Backend {number}"), &format!("port 303{number}")]);
        picture.block(agent, Tone::Muted, &[&format!("Agent {number}"), &format!("port 403{number}")]);
        picture.arrow(&[(430.0, 155.0 + 22.0 * f64::from(number - 1)), worker.left()], Tone::Accent);
        picture.arrow(&[agent.left(), worker.right()], Tone::Muted);
        picture.arrow(&[(800.0, y + 28.0), agent.right()], Tone::Bad);
    }
    picture.line(&[(100.0, 288.0), (100.0, 360.0), (800.0, 360.0), (800.0, 68.0)], Tone::Bad);
    picture.label((112.0, 352.0), Anchor::Start, Tone::Bad, "kill, stop, continue, slow down, garble");
    picture.label(
        (20.0, 392.0),
        Anchor::Start,
        Tone::Muted,
        "Requests go in turn to the backends that are alive; pings every second find dead and recovered ones.",
    );
    picture.label(
        (20.0, 410.0),
        Anchor::Start,
        Tone::Muted,
        "An agent outlives its worker, so a backend that was killed can be started again.",
    );
    picture
}
