//! Asks a running balancer whether it is well: what a container without a shell or curl checks its health by.

use std::process::ExitCode;
use std::time::Duration;

use balance::Address;
use balance::verdict::Failure;
use http::header::{CONNECTION, HOST};
use http::{Request, Uri};
use tokio::time::timeout;

use super::exchange::ask;
use crate::proxy::connect::connect_to_name;
use crate::shown::shown;

/// How long each step may take: to look a name up, to connect, and to be answered.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks this address, and says on standard error what is wrong.
pub fn check_health(url: &Uri) -> ExitCode {
    match is_well(url) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {}: {}", shown(&url.to_string()), shown(&why));
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
        let stream = connect_to_name(&address.host, address.port, PATIENCE).await?;
        timeout(PATIENCE, ask(stream, request)).await.unwrap_or(Err(Failure::HeadTimeout))
    };
    let (status, _) = runtime.block_on(asking).map_err(|failure| failure.words().to_owned())?;
    if status.is_success() { Ok(()) } else { Err(format!("status {status}")) }
}
