# The image of the registry. It has no RUN line: everything is laid out by scripts/stage-image.mjs, so it builds
# without network and on a base without shell. docs/image.md tells how. In short:
#   node scripts/stage-image.mjs /tmp/tarn-image && buildah bud -t localhost/tarn -f Dockerfile /tmp/tarn-image
# BASE needs glibc 2.28 or newer and libstdc++; where no registry can be reached, scripts/make-base-image.mjs makes one.
ARG BASE=docker.io/library/debian:12-slim
FROM ${BASE}

# /usr/local/bin/{node,tarn}, /usr/bin/registry, /opt/tarn, /etc/docker/registry/config.yml, /var/lib/registry
COPY root/ /

ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    NODE_ENV=production

# It starts as root, as registry:2 does, so that a volume that root owns works; --user changes that.
VOLUME ["/var/lib/registry"]
EXPOSE 5000
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/tarn"]
CMD ["serve"]
