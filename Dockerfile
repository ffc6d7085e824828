# The CPU:  docker build -t gatelab .
# CUDA:     docker build -t gatelab --build-arg BASE=nvidia/cuda:13.0.1-base-ubuntu24.04 --build-arg TORCH=https://download.pytorch.org/whl/cu130 .
#           docker run --rm -v "$PWD":/data:ro -v outputs:/work/outputs gatelab train data=csv data.path=/data/reviews.csv   # with --gpus all on CUDA
ARG BASE=python:3.13-slim
FROM ${BASE}
ARG TORCH=https://download.pytorch.org/whl/cpu

# A base without Python is one for CUDA, where Triton compiles what starts its kernels.
# hadolint ignore=DL3008
RUN command -v python3 > /dev/null \
    || (apt-get update \
        && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv python3-dev gcc libc6-dev \
        && rm -rf /var/lib/apt/lists/*)
RUN python3 -m venv /opt/gatelab \
    && useradd --create-home --uid 10001 gatelab \
    && install -d -o gatelab -g gatelab /work /work/outputs /home/gatelab/.cache /home/gatelab/.cache/gatelab

WORKDIR /tmp/source
COPY . ./
RUN /opt/gatelab/bin/pip install --no-cache-dir --constraint constraints.txt --extra-index-url "${TORCH}" .

USER 10001
WORKDIR /work
ENV PATH=/opt/gatelab/bin:$PATH
VOLUME ["/work/outputs", "/home/gatelab/.cache/gatelab"]
ENTRYPOINT ["gatelab"]
CMD ["--help"]
