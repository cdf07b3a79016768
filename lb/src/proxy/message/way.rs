//! Which fields name the client of a request, or its path over proxies? A rule recognises them by their
//! names.
//!
//! There are many of them, and each maker of a proxy adds some. So the rule checks the beginning and the end
//! of a name, and a list has only the names that do not fit this.

use std::borrow::Cow;

/// Whether a field of this name, in lower case, tells servers about the client or the path of a request, as
/// proxies do. Underscores count as hyphens, because many servers do not distinguish them (RFC 3875, section
/// 4.1.18).
pub(crate) fn tells_the_way(name: &str) -> bool {
    // Most names are neither, and this check is enough for them.
    let may_be = matches!(
        name.as_bytes(),
        [b'x' | b'f', ..]
            | [b'c', b'f' | b'l', ..]
            | [b'r', b'e', b'm', ..]
            | [b's', b's', b'l', ..]
            | [.., b'i', b'p']
            | [.., b'p', b'v', b'6']
            | [b't', b'l', b's', ..]
            | [b'z', b'-' | b'_', ..]
            | b"proxy"
    );
    may_be && is_of_the_way(name)
}

/// Names that match no beginning and no end.
const NAMES: [&str; 18] = [
    "forwarded",
    // CGI programs take it for the setting HTTP_PROXY ("httpoxy").
    "proxy",
    "x-arr-ssl",
    "x-client-address",
    "x-clientip",
    "x-host",
    "x-http-host-override",
    "x-proxyuser-ip",
    "x-realip",
    "x-rewrite-url",
    "x-ssl",
    "x-scheme",
    "x-url-scheme",
    "front-end-https",
    "cf-visitor",
    "cf-pseudo-ipv4",
    "x-envoy-external-address",
    "x-envoy-internal",
];

/// Addresses, schemes, hosts and paths as proxies send them; the CGI names such as `REMOTE_ADDR` and
/// `REMOTE_USER`; certificates of clients (RFC 9440, and the usual names in nginx and Apache); the fields of
/// content delivery networks about their clients; and the fields of this balancer.
const BEGINNINGS: [&str; 18] = [
    "forwarded-",
    "x-forward",
    "x-original-",
    "x-real-",
    "x-cluster-",
    "remote-",
    "x-remote-",
    "client-cert",
    "x-client-cert",
    "ssl-client-",
    "x-ssl-",
    "cf-ip",
    "cloudfront-",
    "fastly-",
    "x-azure-",
    "x-envoy-original-",
    "tls-client-",
    OWN,
];

/// Addresses. Before each of them there is a hyphen, or nothing.
const ENDS: [&str; 20] = [
    "user-ip",
    "cluster-ip",
    "real-ip",
    "client-ip",
    "remote-ip",
    "originating-ip",
    "connecting-ip",
    "connection-ip",
    "connecting-ipv6",
    "socketip",
    "clientip",
    "client-addr",
    "remote-addr",
    "source-ip",
    "src-ip",
    "client-verify",
    "client-dn",
    "clientcert",
    "clientcert-leaf",
    "client-cert",
];

/// The beginning of the names of this balancer's own fields.
const OWN: &str = "x-lb-";

/// The only one of them that a client may send: it is a wish, and no claim.
const WISH: &str = "x-lb-explain";

/// The name of the field for the id of a request. The balancer replaces this spelling, so a server must not
/// find the client's id under another spelling. If requests get no ids, this spelling is from the client.
const ID: &str = "x-request-id";

#[cold]
fn is_of_the_way(spelled: &str) -> bool {
    let name = match spelled.contains('_') {
        true => Cow::Owned(spelled.replace('_', "-")),
        false => Cow::Borrowed(spelled),
    };
    let ends_so =
        |end: &&str| name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('-'));
    let is_known = NAMES.contains(&&*name)
        || name.contains("forwarded-")
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || ENDS.iter().any(ends_so);
    (is_known && spelled != WISH) || (name == ID && spelled != ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields that tell about the client or the path.
    const OF_THE_WAY: &str = "\
        forwarded x-forwarded x-forwarded-for x-forwarded-port x-forwarded-server \
        x-forwarded-prefix x-forwarded-ssl x-forwarded-by x-forwardedfor x-forwarded-anything \
        x-real-ip x-client-ip client-ip true-client-ip x-cluster-client-ip fastly-client-ip \
        cf-connecting-ip cf-connecting-ipv6 x-originating-ip x-remote-ip x-remote-addr \
        x-original-forwarded-for front-end-https x-scheme x-azure-socketip x_forwarded_for \
        x_real-ip true_client_ip forwarded-for x-original-url x-real-port x-realip proxy \
        remote-addr remote_user x-remote-user cf-visitor cf-ipcountry cf_visitor \
        cloudfront-viewer-address cloudfront_forwarded_proto fastly-ssl x-azure-fdid \
        x-envoy-internal client-cert-chain ssl-client-verify x-ssl-client-s-dn x-lb-client \
        x_lb_client x-lb_attempt x-request_id x_request_id x-vercel-forwarded-for z-forwarded-for \
        fly-forwarded-proto x-nf-client-connection-ip x-appengine-remote-addr x-sucuri-clientip clientip \
        x-client-addr x-source-ip cdn-src-ip x-envoy-original-path x-client-verify x-client-dn \
        x-arr-clientcert x-amzn-mtls-clientcert-leaf tls-client-cert x-tls-client-cert";

    /// Fields that do not.
    const OTHERS: &str = "\
        x-request-id x-lb-explain x-lbx request_id x_custom referer remotely cf-ray \
        cf-access-jwt-assertion client-id ssl x-envoy-retry-on from x-requested-with x-surreal-ip \
        zip ip x-ip host x-skip x-client-ip-2 via";

    #[test]
    fn fields_that_tell_the_way_are_known_by_a_rule() {
        for (names, expected) in [(OF_THE_WAY, true), (OTHERS, false)] {
            for name in names.split_whitespace() {
                assert_eq!(tells_the_way(name), expected, "{name}");
            }
        }
    }
}
