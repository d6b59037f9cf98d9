# syntax=docker/dockerfile:1
# Two stages: compilers and pip stay behind, the process runs as nobody in particular.

FROM python:3.11-slim-bookworm AS build
# the package index with torch's CPU build, as pytorch.org shows it; without it, CUDA comes along
ARG TORCH_INDEX
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/mnemolite
WORKDIR /src
COPY constraints.txt pyproject.toml README.md LICENSE ./
# torch alone first: it is by far the largest layer, and rarely changes
RUN /opt/mnemolite/bin/pip install -c constraints.txt \
    ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch
COPY config config
COPY schema schema
COPY tasks tasks
COPY search search
COPY workers workers
COPY mnemolite mnemolite
RUN /opt/mnemolite/bin/pip install -c constraints.txt .

FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git ca-certificates libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /var/lib/mnemolite mnemolite \
    && install -d -o mnemolite -g mnemolite /var/lib/mnemolite/models
COPY --from=build /opt/mnemolite /opt/mnemolite
ENV PATH=/opt/mnemolite/bin:$PATH MNEMO_HOME=/var/lib/mnemolite
USER 10001
WORKDIR /var/lib/mnemolite
ENTRYPOINT ["mnemo"]
CMD ["--help"]
