# Tidemill's images, one target each by what runs in it: platform, components, model-server. `make images` builds all.
# Everything is pinned by constraints/; what is installed changes rarely and comes first, our own code last.
FROM python:3.11-slim AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    MLFLOW_DISABLE_TELEMETRY=true \
    DO_NOT_TRACK=1 \
    HOME=/tmp \
    PATH=/opt/tidemill/bin:$PATH
# `python3 -m venv` leaves the interpreter where it was: the same base is under every target.
WORKDIR /project

FROM base AS build
RUN python3 -m venv /opt/tidemill
WORKDIR /src
# Our own code alone; what it needs stands in constraints/image-<target>.txt, to the last version. Each has a layer of its
# own, so that a new release is a few megabytes to pull and seconds to build.
FROM build AS ours
COPY pyproject.toml README.md LICENSE ./
COPY platform platform
COPY components components
COPY pipelines pipelines
RUN pip install --no-cache-dir --no-deps --prefix /ours .

FROM build AS build-platform
COPY constraints/image-platform.txt requirements.txt
RUN pip install --no-cache-dir --no-deps -r requirements.txt

FROM build AS build-components
COPY constraints/image-components.txt requirements.txt
RUN pip install --no-cache-dir --no-deps -r requirements.txt

FROM build AS build-model-server
COPY constraints/image-model-server.txt requirements.txt
RUN pip install --no-cache-dir --no-deps -r requirements.txt

# Controller, server, gateway: which one is said by its argument. They mostly wait: what a busy moment took of memory is
# given back (the C library keeps it otherwise, for each thread on its own).
FROM base AS platform
ENV MALLOC_ARENA_MAX=2 \
    MALLOC_TRIM_THRESHOLD_=131072
COPY --from=build-platform /opt/tidemill /opt/tidemill
RUN echo "tidemill:x:65532:65532::/tmp:/usr/sbin/nologin" >>/etc/passwd
COPY --from=ours /ours /opt/tidemill
USER 65532:65532
ENTRYPOINT ["tidemill"]

# The steps of a pipeline; a project's own image is built FROM this one, its code in /project.
# Kubeflow's launcher keeps artifacts below these folders, and older releases do not mount them.
FROM base AS components
COPY --from=build-components /opt/tidemill /opt/tidemill
ENV PYTHONPATH=/project
RUN echo "tidemill:x:65532:65532::/tmp:/usr/sbin/nologin" >>/etc/passwd && mkdir -p /minio /s3 /gcs && chown 65532:65532 /minio /s3 /gcs /project
COPY --from=ours /ours /opt/tidemill
USER 65532:65532

# One version of one model, for models that need nothing but scikit-learn; others are served from their project's image.
FROM base AS model-server
COPY --from=build-model-server /opt/tidemill /opt/tidemill
RUN echo "tidemill:x:65532:65532::/tmp:/usr/sbin/nologin" >>/etc/passwd
COPY --from=ours /ours /opt/tidemill
USER 65532:65532
ENTRYPOINT ["tidemill", "model-server"]
