# Builds the lab for those who have Docker and no Rust: `docker compose up --build`.
# Those who have Rust: `cargo xtask image` makes the same images without any registry.

# The version is the one the workspace is tested with.
FROM rust:1.95-slim AS build
WORKDIR /src
COPY . .
# The C library goes into the binaries, so that they run in an empty image. Naming the target
# keeps the flag away from build scripts and macros, which cannot be static.
RUN triple="$(rustc -vV | sed -n 's/^host: //p')" \
 && RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --release --locked --target "$triple" -p lb -p demo-backend -p console -p sim \
 && mkdir /out \
 && cd "target/$triple/release" \
 && cp lb demo-backend console sim /out/

FROM scratch AS backend
COPY --from=build /out/demo-backend /demo-backend
USER 65534:65534
ENTRYPOINT ["/demo-backend"]

FROM scratch AS lb
COPY --from=build /out/lb /lb
EXPOSE 3030
EXPOSE 4030
USER 65534:65534
ENTRYPOINT ["/lb"]

FROM scratch AS console
# The console starts the simulator beside it for ghosts.
COPY --from=build /out/console /console
COPY --from=build /out/sim /sim
EXPOSE 4000
USER 65534:65534
ENTRYPOINT ["/console"]
