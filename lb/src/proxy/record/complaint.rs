//! Log lines about answers that cannot be forwarded: the backend that sent the answer, the request, and the
//! fault.

use http::Method;

use crate::log::escape::bare;
use crate::proxy::message::fault::Fault;
use crate::proxy::message::target::Target;
use crate::proxy::record::details::without_query;

/// Logs what is wrong with an answer, and which request it answers: once for each answer. `query` says
/// whether the query of the target is shown.
#[cold]
pub(crate) fn malformed(backend: usize, method: &Method, target: &Target, query: bool, fault: Fault) {
    let mut line = String::new();
    bare(&mut line, method.as_str());
    line.push(' ');
    bare(&mut line, &without_query(target.to_string(), query));
    tracing::warn!("backend {backend}: malformed answer to {line}: {}", fault.words());
}
