//! Container images of the balancer, the backend and the console, built without a registry.
//!
//! The programs are built as static binaries, which need no other files: an image starts from `scratch`, so
//! nothing is downloaded. The `Dockerfile` at the root does the same inside the official Rust image, for
//! users with Docker but without Rust; a test below compares the two.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs, io};

use anyhow::{Context, bail, ensure};

use crate::binaries::workspace;

/// The image of the balancer.
pub const BALANCER: &str = "roundabout-lb:latest";

/// The image of the backend.
pub const BACKEND: &str = "roundabout-backend:latest";

/// The image of the console.
pub const CONSOLE: &str = "roundabout-console:latest";

/// The programs of the first two images, and those of the console's image. The console starts the simulator
/// beside it.
const LAB_PROGRAMS: [&str; 2] = ["lb", "demo-backend"];
const CONSOLE_PROGRAMS: [&str; 2] = ["console", "sim"];

/// The largest size of an image, in bytes: a larger image contains something that a static binary does not
/// need.
const SIZE_LIMIT: u64 = 15_000_000;

/// Links the C library into the binary, so that an image without any system files can run it.
const RUSTFLAGS: &str = "-C target-feature=+crt-static";

/// The number of the user `nobody` on Linux. A name would need a file of users in the image.
const USER: &str = "65534:65534";

/// An image that is ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its name and tag, for `docker run`.
    pub name: &'static str,
    /// The size in bytes.
    pub bytes: u64,
}

/// Builds the images of a lab and returns them, the balancer's first. Without changes since the last build,
/// this takes about a second. It blocks, and the compiler's progress goes to stderr.
///
/// # Errors
/// If the machine is no Linux or the Docker Engine does not answer: says what is missing. If the compiler or
/// Docker fails: has their messages. If an image is larger than it needs to be.
pub fn build() -> anyhow::Result<[Image; 2]> {
    can_build()?;
    let binaries = compile()?;
    let lb = pack(BALANCER, &binaries, &["lb"], &[3030, 4030])?;
    let backend = pack(BACKEND, &binaries, &["demo-backend"], &[])?;
    Ok([lb, backend])
}

/// Builds the image of the console, which a lab does without. It blocks, as [`build`] does.
///
/// # Errors
/// As [`build`].
pub fn build_console() -> anyhow::Result<Image> {
    can_build()?;
    let binaries = compile_programs(&CONSOLE_PROGRAMS)?;
    pack(CONSOLE, &binaries, &CONSOLE_PROGRAMS, &[4000])
}

fn can_build() -> anyhow::Result<()> {
    ensure!(
        cfg!(target_os = "linux"),
        "static binaries for containers are built on Linux only; elsewhere use `docker compose up --build`"
    );
    docker_answers()
}

/// Checks whether Docker can be used.
///
/// # Errors
/// The reason: the command is missing, or its Engine does not answer.
pub fn docker_answers() -> anyhow::Result<()> {
    let asked = Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]).output();
    match asked {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("there is no `docker` command here: install Docker (Debian: `apt install docker.io`)")
        }
        Err(error) => Err(error).context("cannot run `docker`"),
        Ok(output) if !output.status.success() => {
            bail!("the Docker Engine does not answer: {}", String::from_utf8_lossy(&output.stderr).trim())
        }
        Ok(_) => Ok(()),
    }
}

/// Compiles the balancer and the backend for their images, and returns their folder. It blocks, and the
/// compiler's progress goes to stderr.
///
/// # Errors
/// If cargo cannot be run or the build fails.
pub fn compile() -> anyhow::Result<PathBuf> {
    compile_programs(&LAB_PROGRAMS)
}

fn compile_programs(programs: &[&str]) -> anyhow::Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let triple = host_triple()?;
    // An explicit target keeps the flags away from build scripts and macros, which cannot be static, and
    // separates these binaries from those of a plain `cargo build`.
    let status = Command::new(&cargo)
        .args(["build", "--release", "--locked", "--target", &triple])
        .args(programs.iter().flat_map(|program| ["-p", program]))
        .current_dir(workspace())
        .env("RUSTFLAGS", RUSTFLAGS)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {}", cargo.display()))?;
    ensure!(status.success(), "the static binaries do not build ({status}); the compiler says why above");
    Ok(target_directory(&cargo)?.join(triple).join("release"))
}

/// The target triple of this machine, as the compiler writes it.
fn host_triple() -> anyhow::Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = run(Command::new(rustc).arg("-vV"))?;
    let triple = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(triple.context("`rustc -vV` names no host")?.to_owned())
}

/// The target directory. It can be set by the environment or by the configuration, so this asks cargo.
fn target_directory(cargo: &OsStr) -> anyhow::Result<PathBuf> {
    let said = run(Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(workspace()))?;
    let metadata: serde_json::Value = serde_json::from_str(&said).context("`cargo metadata` is no JSON")?;
    let folder = metadata["target_directory"].as_str().context("`cargo metadata` names no target folder")?;
    Ok(PathBuf::from(folder))
}

/// Builds an image of these programs; it runs the first one. Docker's build context is a folder with these
/// files only, so Docker's cache notices whether they changed.
fn pack(name: &'static str, folder: &Path, programs: &[&str], ports: &[u16]) -> anyhow::Result<Image> {
    let context = tempfile::tempdir().context("cannot make a temporary folder")?;
    for program in programs {
        let binary = folder.join(program);
        fs::copy(&binary, context.path().join(program))
            .with_context(|| format!("cannot copy {}", binary.display()))?;
    }
    fs::write(context.path().join("Dockerfile"), dockerfile(programs, ports))?;
    run(Command::new("docker").args(["build", "--quiet", "--tag", name]).arg(context.path()))?;

    let said = run(Command::new("docker").args(["image", "inspect", "--format", "{{.Size}}", name]))?;
    let bytes = said.trim().parse().with_context(|| format!("the size of {name} is no number: {said:?}"))?;
    ensure!(
        bytes <= SIZE_LIMIT,
        "{name} has {:.1} MB, more than the limit of {} MB: find the reason for the growth",
        bytes as f64 / 1e6,
        SIZE_LIMIT / 1_000_000
    );
    Ok(Image { name, bytes })
}

/// The Dockerfile of the image of these programs, which runs the first one.
fn dockerfile(programs: &[&str], ports: &[u16]) -> String {
    let copies: String = programs.iter().map(|program| format!("COPY {program} /{program}\n")).collect();
    let ports: String = ports.iter().map(|port| format!("EXPOSE {port}\n")).collect();
    let first = programs.first().copied().unwrap_or_default();
    format!("FROM scratch\n{copies}{ports}USER {USER}\nENTRYPOINT [\"/{first}\"]\n")
}

/// Runs a command to its end and returns its output; its error output becomes the error.
fn run(command: &mut Command) -> anyhow::Result<String> {
    let shown = command.get_program().display().to_string();
    let Output { status, stdout, stderr } =
        command.output().with_context(|| format!("cannot run {shown}"))?;
    ensure!(status.success(), "{shown} failed ({status}): {}", String::from_utf8_lossy(&stderr).trim());
    String::from_utf8(stdout).with_context(|| format!("{shown} printed something that is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dockerfile_at_the_root_builds_and_packs_the_same() {
        let root = fs::read_to_string(workspace().join("Dockerfile")).unwrap();
        let programs =
            LAB_PROGRAMS.into_iter().chain(CONSOLE_PROGRAMS).map(|program| format!("-p {program}"));
        let programs = programs.collect::<Vec<_>>().join(" ");
        for part in [RUSTFLAGS, "cargo build --release --locked --target", &programs] {
            assert!(root.contains(part), "the Dockerfile lacks {part:?}");
        }
        let images =
            [(&["lb"][..], &[3030, 4030][..]), (&["demo-backend"], &[]), (&CONSOLE_PROGRAMS, &[4000])];
        for (binary, ports) in images {
            for line in dockerfile(binary, ports).lines().filter(|line| !line.starts_with("COPY")) {
                let found = root.lines().any(|candidate| candidate.starts_with(line));
                assert!(found, "the Dockerfile lacks {line:?} for {binary:?}");
            }
        }
    }

    #[test]
    fn the_dockerfile_at_the_root_has_a_compiler_that_is_new_enough() {
        let minor = |file: &str, before: &str| -> u32 {
            let text = fs::read_to_string(workspace().join(file)).unwrap();
            let version = text.lines().find_map(|line| line.strip_prefix(before)).unwrap();
            version.split(|letter: char| !letter.is_ascii_digit()).next().unwrap().parse().unwrap()
        };
        assert!(minor("Dockerfile", "FROM rust:1.") >= minor("Cargo.toml", "rust-version = \"1."));
    }

    #[test]
    fn an_image_is_one_binary_without_privileges() {
        assert_eq!(
            dockerfile(&["lb"], &[3030]),
            "FROM scratch\nCOPY lb /lb\nEXPOSE 3030\nUSER 65534:65534\nENTRYPOINT [\"/lb\"]\n"
        );
    }

    #[test]
    fn a_command_that_fails_says_so_in_its_own_words() {
        let error = run(Command::new("sh").args(["-c", "echo no such thing >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("no such thing") && text.contains('3'), "{text}");
    }
}
