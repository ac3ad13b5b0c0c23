# The image of zave: the program, PostgreSQL's clients for dumps, the libraries that these load, and nothing else: no shell,
# no package manager, no root. The Jobs that zave emits run it, and it is the command for whom Go is too much.
#
# The build is reproducible: the same commit, base images and SOURCE_DATE_EPOCH give the same files. Base images are
# named by tag here, so that a reader sees what they are, and by digest in what .ci/image builds:
#
#   docker build --build-arg POSTGRES_IMAGE=docker.io/library/postgres:18.7-trixie@sha256:… .

ARG GO_IMAGE=docker.io/library/golang:1.26.8-trixie
ARG POSTGRES_IMAGE=docker.io/library/postgres:18.7-trixie

# Cross-compiled on the builder's own platform. The repository is copied with its .git, so that the program knows its
# commit.
FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
ENV CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH \
	go build -trimpath -buildvcs=auto -ldflags='-s -w -buildid=' -o /out/zave ./cmd/zave

# The clients are the official image's. Before these minor versions pg_restore runs what a crafted archive says.
FROM ${POSTGRES_IMAGE} AS clients
ARG POSTGRES_MINIMUM=18.7
COPY .ci/rootfs /rootfs
RUN set -eu; \
	bin="/usr/lib/postgresql/$PG_MAJOR/bin"; \
	have=$("$bin/pg_restore" --version | sed -E 's/^[^0-9]*([0-9.]+).*/\1/'); \
	if ! printf '%s\n' "$POSTGRES_MINIMUM" "$have" | sort -V -C; then \
		echo "pg_restore $have is older than $POSTGRES_MINIMUM" >&2; \
		exit 1; \
	fi; \
	/rootfs /image "$bin/pg_dump" "$bin/pg_restore" "$bin/psql"; \
	ln -s "$bin/pg_dump" "$bin/pg_restore" "$bin/psql" /image/usr/bin/

FROM scratch
COPY --from=clients /image/ /
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/zave /usr/bin/zave

ENV PATH=/usr/bin HOME=/home/nonroot
USER 65532:65532
WORKDIR /home/nonroot
ENTRYPOINT ["/usr/bin/zave"]

ARG VERSION=0.0.0 REVISION= CREATED=
LABEL org.opencontainers.image.title="zave" \
	org.opencontainers.image.description="The tenant compiler, with PostgreSQL's clients for its database Jobs" \
	org.opencontainers.image.source="https://github.com/zavestudios/zave" \
	org.opencontainers.image.licenses="Apache-2.0 AND PostgreSQL" \
	org.opencontainers.image.version="$VERSION" \
	org.opencontainers.image.revision="$REVISION" \
	org.opencontainers.image.created="$CREATED"
