//! The states of a backend's health, and the evidence that changes them.

use picture::{Anchor, Area, Picture, Tone};

/// Three states and the evidence between them.
pub(super) fn health_states() -> Picture {
    let mut picture = Picture::new(
        "Health states",
        "A backend is up, down or suspect. Up to down: 3 failed checks in a row, or a request could not connect after 3 \
         retries. Down to up: 2 pings in a row answered. Up to suspect: it was asked and is silent. Suspect to up: it \
         answers anything. Suspect to down: 3 failed checks in a row.",
        780.0,
        458.0,
    );
    let up = Area::new(30.0, 70.0, 170.0, 70.0);
    let down = Area::new(580.0, 70.0, 170.0, 70.0);
    let suspect = Area::new(305.0, 275.0, 170.0, 70.0);
    picture.block(up, Tone::Good, &["up", "gets its share"]);
    picture.block(down, Tone::Bad, &["down", "gets nothing"]);
    picture.block(suspect, Tone::Doubt, &["suspect", "gets nothing new"]);

    picture.arrow(&[(200.0, 92.0), (580.0, 92.0)], Tone::Bad);
    picture.label((390.0, 66.0), Anchor::Middle, Tone::Plain, "3 failed checks in a row (fall),");
    picture.label((390.0, 84.0), Anchor::Middle, Tone::Plain, "or a request cannot connect after 3 retries");
    picture.arrow(&[(580.0, 118.0), (200.0, 118.0)], Tone::Good);
    picture.label((390.0, 136.0), Anchor::Middle, Tone::Plain, "2 pings in a row answered (rise)");

    picture.arrow(&[(70.0, 140.0), (70.0, 325.0), (305.0, 325.0)], Tone::Doubt);
    picture.label((82.0, 345.0), Anchor::Start, Tone::Plain, "a request waits, the backend");
    picture.label((82.0, 363.0), Anchor::Start, Tone::Plain, "is asked and does not answer,");
    picture.label((82.0, 381.0), Anchor::Start, Tone::Plain, "and another backend answers");
    picture.arrow(&[(305.0, 295.0), (150.0, 295.0), (150.0, 140.0)], Tone::Good);
    picture.label((162.0, 215.0), Anchor::Start, Tone::Plain, "it answers anything:");
    picture.label((162.0, 233.0), Anchor::Start, Tone::Plain, "a request or an HTTP ping");

    picture.arrow(&[(475.0, 310.0), (665.0, 310.0), (665.0, 140.0)], Tone::Bad);
    picture.label((653.0, 233.0), Anchor::End, Tone::Plain, "3 failed checks in a row (fall)");

    picture.label(
        (20.0, 34.0),
        Anchor::Start,
        Tone::Muted,
        "A check is a ping, or a question that a failed request makes the balancer ask.",
    );
    picture.label(
        (20.0, 420.0),
        Anchor::Start,
        Tone::Muted,
        "A stopped process still passes TCP pings. The last backend that is up is never suspected.",
    );
    picture.label(
        (20.0, 438.0),
        Anchor::Start,
        Tone::Muted,
        "As an option, the balancer ejects a backend with many errors for a limited time.",
    );
    picture
}
