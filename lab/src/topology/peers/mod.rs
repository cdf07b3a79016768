//! The balancers of other projects: where they come from, and their configurations for the same work.
//!
//! All of them keep connections on both sides, set the same headers, and give the requests to the backends in
//! turn. Each configuration says which of its settings are not defaults, and why.

mod list;

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result};
use rustix::process::geteuid;

pub use list::{CADDY, ENVOY, HAPROXY, NGINX, NGINX_UNBUFFERED, OTHER_BALANCERS, TRAEFIK};

/// A balancer of another project.
#[derive(Debug, PartialEq, Eq)]
pub struct OtherBalancer {
    /// Its name, as its project writes it.
    pub name: &'static str,
    /// The program.
    pub program: &'static str,
    /// The command that installs it.
    pub install: &'static str,
    /// The flag that prints its version.
    pub version: &'static str,
    /// The extension of its configuration file, from which some balancers derive the format.
    extension: &'static str,
    /// Its configuration file, with placeholders between two `@`.
    config: &'static str,
    /// The text for `@MORE@` in it.
    more: &'static str,
    /// One backend in that file.
    backend: &'static str,
    /// Its flags, with the same placeholders. A balancer without a setting for its threads uses the cores
    /// that its parent allows.
    flags: &'static str,
}

/// The parameters of a balancer for its start.
#[derive(Clone, Copy, Debug)]
pub struct StartOptions<'a> {
    /// The port of the balancer, on the loopback address.
    pub port: u16,
    /// The ports of the backends, on the loopback address.
    pub backends: &'a [u16],
    /// The number of client connections that it must support.
    pub connections: usize,
    /// A folder in which it can write.
    pub folder: &'a Path,
}

impl OtherBalancer {
    /// The path of its program, if it is installed.
    pub fn locate(&self) -> Option<PathBuf> {
        locate(self.program)
    }

    /// Writes its configuration, and returns the flags that run it in the foreground.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn prepare(&self, options: &StartOptions<'_>) -> Result<Vec<String>> {
        let path = options.folder.join(self.config_file());
        fs::write(&path, self.config(options)).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(self.flags(options))
    }

    /// Its name for files.
    fn word(&self) -> String {
        self.name.replace(' ', "-")
    }

    /// The name of its configuration file.
    fn config_file(&self) -> String {
        format!("{}.{}", self.word(), self.extension)
    }

    /// The content of its configuration file.
    fn config(&self, options: &StartOptions<'_>) -> String {
        let backends: String = options
            .backends
            .iter()
            .map(|port| self.backend.replace("@BACKEND@", &port.to_string()))
            .collect();
        self.fill_in(self.config, options).replace("@BACKENDS@", backends.trim_end())
    }

    fn flags(&self, options: &StartOptions<'_>) -> Vec<String> {
        self.fill_in(self.flags, options).split(' ').map(String::from).collect()
    }

    fn fill_in(&self, template: &str, options: &StartOptions<'_>) -> String {
        // A worker that root starts would change to a user that may not write into our folder, as callgrind
        // must.
        let user = if geteuid().is_root() { "user root root;" } else { "" };
        template
            .replace("@PORT@", &options.port.to_string())
            .replace("@CONNECTIONS@", &options.connections.to_string())
            // nginx counts both sides, and closes idle connections when it comes near its limit.
            .replace("@DESCRIPTORS@", &(2 * options.connections).to_string())
            .replace("@FOLDER@", &options.folder.display().to_string())
            .replace("@CONFIG@", &options.folder.join(self.config_file()).display().to_string())
            .replace("@NAME@", &self.word())
            .replace("@MORE@", self.more)
            .replace("@USER@", user)
    }
}

/// The path of a program, if it is installed. Debian keeps servers in folders that are only in root's `PATH`.
pub fn locate(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders =
        env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a placeholder between two `@` is left.
    fn has_gaps(text: &str) -> bool {
        text.split('@').any(|word| !word.is_empty() && word.chars().all(|letter| letter.is_ascii_uppercase()))
    }

    #[test]
    fn each_balancer_gets_the_port_and_every_backend() {
        let options = StartOptions {
            port: 1000,
            backends: &[2001, 2002],
            connections: 3000,
            folder: Path::new("/folder"),
        };
        for other in OTHER_BALANCERS {
            let told = format!("{}\n{}", other.config(&options), other.flags(&options).join(" "));
            for part in ["1000", "2001", "2002", "/folder/"] {
                assert!(told.contains(part), "{}: {part} is not in {told}", other.name);
            }
            assert!(!has_gaps(&told), "{}: something was not filled in: {told}", other.name);
        }
        assert!(has_gaps("port @PORT@;"));
    }

    #[test]
    fn no_configuration_overwrites_another() {
        let names: std::collections::BTreeSet<String> =
            OTHER_BALANCERS.iter().map(|other| other.config_file()).collect();
        assert_eq!(names.len(), OTHER_BALANCERS.len());
    }

    #[test]
    fn programs_are_found_where_they_are_installed() {
        assert!(locate("sh").is_some_and(|path| path.ends_with("sh")));
        assert_eq!(locate("no-such-program"), None);
    }
}
