# The service's image. Two targets:
#   (default)  the binary, its shared libraries, CA certificates; no shell
#   debian     the same on Debian with Ceph's client, for rbd
#
#   docker build --build-arg COMMIT="$(git rev-parse --short=12 HEAD)" -t glance-revert .
#   docker build --build-arg COMMIT="$(git rev-parse --short=12 HEAD)" --target debian -t glance-revert:debian .
#
# `make image-test` builds and runs both without an engine. Rust images from 1.94 on work. Both base
# images must be of the same Debian release, because the binary uses that release's libc.

ARG RUST_IMAGE=docker.io/library/rust:1.95.0-slim-bookworm
ARG DEBIAN_IMAGE=docker.io/library/debian:12.15-slim

FROM ${RUST_IMAGE} AS build
WORKDIR /build
ENV CARGO_INCREMENTAL=0 \
    CARGO_TERM_COLOR=never \
    RUSTFLAGS="--remap-path-prefix=/build=. --remap-path-prefix=/usr/local/cargo/registry/src=crates"

# Builds the dependencies with an empty program: this layer is reused until they change.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src benches && \
    echo 'fn main() {}' >src/main.rs && cp src/main.rs benches/load.rs && \
    touch src/lib.rs && \
    cargo build --locked --release --bin glance-revert && \
    rm -r src benches

COPY build.rs ./
COPY src src
ARG COMMIT=""
# Cargo compares times, and the files may be older than the empty program.
RUN mkdir benches && echo 'fn main() {}' >benches/load.rs && \
    touch build.rs src/main.rs src/lib.rs && \
    GLANCE_REVERT_COMMIT="${COMMIT}" cargo build --locked --release --bin glance-revert

# The contents of the final image, with Debian's records and licences of the copied files, so that
# scanners know the versions, and an account, so that logs and `id` show a name.
COPY deploy/image/root.sh /root.sh
RUN sh /root.sh target/release/glance-revert /root-fs

FROM ${DEBIAN_IMAGE} AS debian
ARG COMMIT=""
ARG CREATED=""
ARG VERSION=0.1.0
RUN apt-get update && \
    apt-get install --yes --no-install-recommends ca-certificates librados2 librbd1 && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/ldconfig/aux-cache /var/log/apt /var/log/dpkg.log
COPY --from=build /root-fs/etc/passwd /root-fs/etc/group /etc/
COPY --from=build /root-fs/usr/local/bin/glance-revert /usr/local/bin/glance-revert
LABEL org.opencontainers.image.title="glance-revert" \
      org.opencontainers.image.description="Brings deleted OpenStack Glance images back, and scrubs those that are due; with Ceph's client" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.created="${CREATED}"
USER 65532:65532
EXPOSE 9393 9394
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/glance-revert", "healthcheck", "--live"]
ENTRYPOINT ["/usr/local/bin/glance-revert"]
CMD ["serve"]

FROM scratch
ARG COMMIT=""
ARG CREATED=""
ARG VERSION=0.1.0
COPY --from=build /root-fs /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
LABEL org.opencontainers.image.title="glance-revert" \
      org.opencontainers.image.description="Brings deleted OpenStack Glance images back, and scrubs those that are due" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.created="${CREATED}"
USER 65532:65532
EXPOSE 9393 9394
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/glance-revert", "healthcheck", "--live"]
ENTRYPOINT ["/usr/local/bin/glance-revert"]
CMD ["serve"]
