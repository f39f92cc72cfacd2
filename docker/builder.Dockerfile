# EdgeKit with its whole toolchain, where a machine should not carry it itself:
#
#   docker build -f docker/builder.Dockerfile -t edgekit/builder .
#   docker run --rm -v $PWD:/project edgekit/builder build --target raspberrypi
#   docker run --rm -v $PWD:/project -v /var/run/docker.sock:/var/run/docker.sock \
#     --user root edgekit/builder package --docker build/raspberrypi
#
# Behind certificates of your own: --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt
ARG BASE=debian:bookworm-slim
FROM ${BASE}
LABEL org.opencontainers.image.title="EdgeKit builder" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      ca-certificates docker.io gcc libc6-dev openssh-client python3 python3-venv \
      qemu-user qemu-user-static \
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/venv && useradd --create-home --uid 1000 edgekit
COPY requirements.lock /src/
RUN --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/pip \
    if [ -e /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    /opt/venv/bin/pip install --quiet --require-hashes --no-deps \
      --requirement /src/requirements.lock
COPY . /src
RUN /opt/venv/bin/pip install --quiet --no-deps --no-build-isolation /src
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin
USER edgekit
WORKDIR /project
ENTRYPOINT ["edgekit"]
CMD ["--help"]
