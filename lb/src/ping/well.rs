//! Checks whether a running balancer is healthy: the health check of a container without a shell or curl.

use std::process::ExitCode;
use std::time::Duration;

use balance::Address;
use balance::verdict::Failure;
use http::header::{CONNECTION, HOST};
use http::{Request, Uri};
use tokio::time::timeout;

use super::exchange::ask;
use crate::exit::print_error;
use crate::proxy::upstream::connect::connect_to_name;
use crate::shown::shown;

/// Time limit of each step: to look up the name, to connect, and to get the answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Requests this address, and prints an error on standard error.
pub fn check_health(url: &Uri) -> ExitCode {
    match is_well(url) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            print_error(format_args!("error: {}: {}\n", shown(&url.to_string()), shown(&why)));
            ExitCode::FAILURE
        }
    }
}

fn is_well(url: &Uri) -> Result<(), String> {
    let authority = url.authority().ok_or("not an address; write http://127.0.0.1:4030/healthz")?;
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let address = Address { host, port: authority.port_u16().unwrap_or(80) };
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, address.authority())
        .header(CONNECTION, "close")
        .body(http_body_util::Empty::new())
        .map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let asking = async {
        let stream = connect_to_name(&address.host, address.port, TIMEOUT).await?;
        timeout(TIMEOUT, ask(stream, request)).await.unwrap_or(Err(Failure::HeadTimeout))
    };
    let (status, _) = runtime.block_on(asking).map_err(|failure| failure.words().to_owned())?;
    if status.is_success() { Ok(()) } else { Err(format!("status {status}")) }
}
