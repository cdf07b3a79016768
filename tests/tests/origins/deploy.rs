//! The line from `lb ctl --help` that restarts a backend, exactly as it is there.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::origins::{Fleet, Kind, Kit};
use lab::binaries::{CargoOutput, Profile, build};
use lab::load::{Call, Load};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use super::bars::{Figures, either, none_left_up, seconds, told};

/// Requests a second, one in ten a POST.
const GETS: f64 = 180.0;
const POSTS: f64 = 20.0;

/// The smallest number of requests at the end.
const REQUESTS: u64 = 10_000;

/// The time limit for one restart.
const PATIENCE: Duration = seconds(60);

/// Two uvicorns and two nodes are restarted one after the other with that line.
pub(super) async fn one_by_one(kit: Kit) -> Result<()> {
    let fleet = Fleet::start(&kit, &[Kind::Uvicorn, Kind::Uvicorn, Kind::Node, Kind::Node], &[]).await?;
    let lb = build(Profile::Dev, CargoOutput::Quiet)?.lb;
    let line = documented(&lb).await?;
    let folder = tempfile::tempdir()?;
    let manager = TcpListener::bind("127.0.0.1:0").await?;
    lend_commands(folder.path(), &lb, fleet.balancer().admin()?, manager.local_addr()?.port())?;

    let load = Load::open(fleet.balancer().address())
        .call(Call::get("/").rate(GETS))
        .call(Call::post("/", 100).rate(POSTS))
        .start()?;
    let enough = either(1, REQUESTS);
    let mut restarts = 0;
    while restarts == 0 || load.begun() < enough {
        for number in 1..=4 {
            let order = line
                .replace("app@3", &format!("app@{number}"))
                .replace("drain 3", &format!("drain {number}"));
            let order = order.replace("ready 3", &format!("ready {number}"));
            run(&order, folder.path(), &manager, &fleet).await?;
            restarts += 1;
        }
    }
    let figures = Figures::of(&load.stop().await?, &fleet.executed()?);
    let left = fleet.watch().left_up();
    println!("{restarts} restarts by `{line}`: {figures}; left up: [{}]", told(&left));
    figures.untouched()?;
    // A drained backend may be down until it has started; no other state is acceptable.
    let blamed: Vec<_> = left.into_iter().filter(|change| change.to != "down").collect();
    none_left_up(&blamed)
}

/// The line from the help text.
async fn documented(lb: &Path) -> Result<String> {
    let help = Command::new(lb).args(["ctl", "--help"]).output().await?;
    let help = String::from_utf8(help.stdout)?;
    let line = help.lines().map(str::trim).find(|line| line.starts_with("lb ctl drain 3 "));
    let line = line.with_context(|| format!("the help has no such line:\n{help}"))?;
    ensure!(line.contains("systemctl restart app@3") && line.contains("lb ctl ready 3"), "{line}");
    Ok(line.to_owned())
}

/// Puts an `lb` and a `systemctl` into a folder: the first connects to this balancer, the second tells this
/// test which server to restart.
fn lend_commands(folder: &Path, lb: &Path, admin: std::net::SocketAddr, manager: u16) -> Result<()> {
    let put = |name: &str, script: String| -> Result<PathBuf> {
        let path = folder.join(name);
        std::fs::write(&path, script)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        Ok(path)
    };
    put("lb", format!("#!/bin/sh\nexec {} \"$@\" --admin=http://{admin}\n", lb.display()))?;
    put(
        "systemctl",
        format!(
            "#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{manager}\necho \"$2\" >&3\nread -r answer <&3\n[ \"$answer\" = done ]\n"
        ),
    )?;
    Ok(())
}

/// Runs the line in a shell, and restarts the server that it names.
async fn run(line: &str, folder: &Path, manager: &TcpListener, fleet: &Fleet) -> Result<()> {
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).env("PATH", path).kill_on_drop(true);
    let child = shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let ended = child.wait_with_output();
    tokio::pin!(ended);
    let all = async {
        loop {
            tokio::select! {
                output = &mut ended => return output.map_err(anyhow::Error::from),
                asked = manager.accept() => restart(asked?.0, fleet).await?,
            }
        }
    };
    let output = tokio::time::timeout(PATIENCE, all).await.with_context(|| format!("`{line}` hangs"))??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "`{line}`: {}: {said}", output.status);
    Ok(())
}

/// Does the work of a service manager: ends the server, starts it, and returns when there is a process.
async fn restart(stream: TcpStream, fleet: &Fleet) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let mut unit = String::new();
    stream.read_line(&mut unit).await?;
    let number = unit.trim().strip_prefix("app@").with_context(|| format!("{unit:?} is no unit"))?;
    let origin = fleet.origin(number.parse()?);
    origin.terminate().await?;
    origin.spawn()?;
    stream.write_all(b"done\n").await?;
    Ok(())
}
