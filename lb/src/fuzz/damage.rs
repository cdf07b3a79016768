//! Requests with random damage.

/// Requests without damage.
const SOUND: [&str; 10] = [
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n",
    "PUT http://other/c HTTP/1.1\r\nHost: h\r\nConnection: x-hop, keep-alive\r\nX-Hop: 1\r\nContent-Length: 0\r\n\r\n",
    "GET /d HTTP/1.0\r\nConnection: keep-alive\r\nTE: trailers\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: a\r\n\r\n",
    "DELETE /e HTTP/1.1\r\nHost: h\r\nContent-Length: 32\r\n\r\nGET /in HTTP/1.1\r\nHost: in\r\n\r\n!!",
    "POST /g HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5 ; a = \"b\\\"c\";d\r\nhello\r\n0\r\nX-Real-IP: 7\r\n\r\n",
    "GET http://h:80/h HTTP/1.1\r\nHost: \r\nX-Real-IP: 1\r\nUpgrade: h2c, x\r\nConnection: upgrade\r\n\r\n",
    "GET /f HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\nConnection: upgrade\r\nVia: 1.1 a\r\nExpect: \r\n\r\n",
];

/// Bytes with a special meaning in HTTP.
const MEANINGFUL: &[u8] = b"\r\n\r\n\0 \t:;,#*/?0123456789abcdefxGHT.\"\\=\x0b\x7f\xff";

/// Two or three requests, one after the other, with some damage.
pub(crate) fn damaged(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    for _ in 0..random.usize(2..=3) {
        bytes.extend_from_slice(SOUND[random.usize(..SOUND.len())].as_bytes());
    }
    for _ in 0..random.usize(0..=3) {
        let at = random.usize(..bytes.len());
        let until = (at + random.usize(1..=8)).min(bytes.len());
        match random.u8(0..5) {
            0 => bytes[at] = MEANINGFUL[random.usize(..MEANINGFUL.len())],
            1 => bytes.insert(at, MEANINGFUL[random.usize(..MEANINGFUL.len())]),
            2 => drop(bytes.drain(at..until)),
            3 => {
                let copy = bytes[at..until].to_vec();
                let to = random.usize(..bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => bytes[at] ^= 1 << random.u8(..8),
        }
    }
    bytes
}
