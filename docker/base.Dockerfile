# A base from Debian packages alone, where no registry is in reach: `edgekit package --base debian`.
FROM scratch
ADD base.tar /
ENV PATH=/usr/local/bin:/usr/bin:/bin
USER 65532:65532
