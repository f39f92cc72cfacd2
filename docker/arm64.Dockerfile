# 64-bit ARM: Raspberry Pi 3 to 5, Jetson, Rockchip; LiteRT or ONNX Runtime.
# Nothing runs during the build, so that any machine builds it. `edgekit package --docker` makes
# the context. The base: CPython 3.11 and libstdc++ of Debian 12, without a shell.
ARG BASE=gcr.io/distroless/python3-debian12:nonroot
FROM ${BASE}
ARG TITLE
ARG VERSION
ARG CREATED
ARG REVISION
ARG RUNTIME
LABEL org.opencontainers.image.title="${TITLE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.description="A network and ${RUNTIME}, built by EdgeKit" \
      org.opencontainers.image.documentation="file:///opt/edgekit/sbom.cdx.json"
ADD site.tar /
ADD app.tar /
ENV PATH=/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/edgekit/agent.pyz:/opt/edgekit/site \
    PYTHONSAFEPATH=1 \
    EDGEKIT_HOST=0.0.0.0 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python3", "-m", "edgekit_agent.serving.main", "health"]
ENTRYPOINT ["python3", "-m", "edgekit_agent.serving.main"]
CMD ["info"]
