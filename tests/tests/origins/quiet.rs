//! Requests that wait for an event: streams of events and long polls.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use e2e::origins::{Fleet, Kind, Kit};
use http::{HeaderValue, Method};
use lab::client::{Answer, Client, request};
use lab::load::{Call, Crowd, Load};

use super::bars::{Figures, either, millis, none_left_up, seconds, told};

const STREAMS: usize = 12;

/// Polls that wait at one backend.
const POLLS: usize = 4;

pub(super) async fn streams(kit: Kit) -> Result<()> {
    let stall = either(3, 60);
    let arguments = ["--ping-path=/ping".to_owned(), format!("--stall-timeout={stall}s")];
    let arguments = arguments.each_ref().map(String::as_str);
    let fleet = Fleet::start(&kit, &[Kind::Go, Kind::Go, Kind::Node, Kind::Node], &arguments).await?;
    let address = fleet.balancer().address();
    let streams = Crowd::ask(address, STREAMS, "/events").await?;
    let others = Load::open(address).call(Call::get("/").rate(50.0)).start()?;
    tokio::time::sleep(seconds(stall + 3)).await;
    let others = Figures::of(&others.stop().await?, &fleet.executed()?);
    let left = fleet.watch().left_up();
    println!("{STREAMS} quiet streams over {stall} s: others {others}; left up: [{}]", told(&left));
    drop(streams);
    others.untouched().context("the others")?;
    none_left_up(&left)
}

/// Four long polls at one backend and quick requests at another, in several situations.
pub(super) async fn polls(kit: Kit) -> Result<()> {
    let hash: &[&str] = &["--policy=ring", "--hash-by=header:x-session"];
    let sticky: &[&str] = &["--sticky-cookie=at"];
    let pings: &[&str] = &["--ping-path=/ping"];
    for (arguments, every, short) in
        [(hash, millis(100), pings), (sticky, millis(100), &[]), (hash, millis(1500), pings)]
    {
        for pings in either(&[short][..], &[&[], pings]) {
            let arguments = [arguments, *pings].concat();
            let fleet = Fleet::start(&kit, &[Kind::Node, Kind::Go], &arguments).await?;
            polls_at(&fleet, &format!("{arguments:?} every {every:?}"), every).await?;
        }
    }
    Ok(())
}

async fn polls_at(fleet: &Fleet, what: &str, every: Duration) -> Result<()> {
    let path = format!("/sleep/{}", either(3000, 12_000));
    let address = fleet.balancer().address();
    let polling = Session::begin(address, "polling").await?;
    let asking = polling.another().await?;
    let polls = (0..POLLS).map(|number| {
        let (session, id, path) = (polling.clone(), format!("poll-{number}"), path.clone());
        tokio::spawn(async move { session.ask(&path, &id).await.map(drop) })
    });
    let polls: Vec<_> = polls.collect();
    let (mut failed, mut quick) = (Vec::new(), 0);
    while polls.iter().any(|poll| !poll.is_finished()) {
        quick += 1;
        let id = format!("quick-{quick}");
        failed.extend(asking.ask("/", &id).await.err().map(|error| format!("{id}: {error:#}")));
        tokio::time::sleep(every).await;
    }
    for (number, poll) in polls.into_iter().enumerate() {
        failed.extend(poll.await?.err().map(|error| format!("poll-{number}: {error:#}")));
    }
    let executed = fleet.executed()?;
    let ids = (0..POLLS).map(|n| format!("poll-{n}")).chain((1..=quick).map(|n| format!("quick-{n}")));
    let most = ids.map(|id| executed.times(&id)).max().unwrap_or(0);
    let left = fleet.watch().left_up();
    println!(
        "{POLLS} polls of {path}, {what}: {quick} quick requests, failed {failed:?}, up to {most} runs each; left up: [{}]",
        told(&left)
    );
    ensure!(failed.is_empty() && most == 1, "{failed:?}, up to {most} runs");
    none_left_up(&left)
}

/// A client whose requests all go to one backend, because of its name or its cookie.
#[derive(Clone)]
struct Session {
    address: SocketAddr,
    name: String,
    cookie: Option<HeaderValue>,
    backend: String,
}

impl Session {
    async fn begin(address: SocketAddr, name: &str) -> Result<Self> {
        let mut session = Self { address, name: name.to_owned(), cookie: None, backend: String::new() };
        let answer = session.ask("/", "").await?;
        let pair = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        session.cookie = pair.map(HeaderValue::try_from).transpose()?;
        session.backend = answer.header("x-backend").context("no backend says that it answered")?.to_owned();
        Ok(session)
    }

    /// A client whose requests go to another backend.
    async fn another(&self) -> Result<Self> {
        for number in 0..64 {
            let other = Self::begin(self.address, &format!("other-{number}")).await?;
            if other.backend != self.backend {
                return Ok(other);
            }
        }
        bail!("all clients go to backend {}", self.backend)
    }

    async fn ask(&self, path: &str, id: &str) -> Result<Answer> {
        let mut get = request(Method::GET, path, Bytes::new())?;
        get.headers_mut().insert("x-session", HeaderValue::try_from(&self.name)?);
        get.headers_mut().insert("x-request-id", HeaderValue::try_from(id)?);
        if let Some(cookie) = &self.cookie {
            get.headers_mut().insert("cookie", cookie.clone());
        }
        Client::new(self.address).patience(seconds(60)).send(get).await?.ok()
    }
}
