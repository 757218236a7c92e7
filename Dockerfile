# docker build -t xairank .                          on the CPU
# docker build -t xairank --build-arg TORCH=cu130 .  on a GPU, with `docker run --gpus all`
# docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" xairank xairank.train experiment=demo
FROM python:3.12-slim-bookworm

ARG TORCH=cpu
ENV PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/${TORCH} \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore

# The compiler is for two functions that are compiled where they are used; without it they are only slower.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*

# PyTorch is most of the image, and in a layer that a change of xairank keeps.
COPY constraints.txt /source/
RUN python -m pip install -c /source/constraints.txt torch torchvision
COPY . /source
RUN python -m pip install -c /source/constraints.txt "/source[dashboard]"

# Whoever runs it, also an id without a name, has a folder for caches and compiled functions.
ENV HOME=/tmp USER=xairank
RUN useradd --uid 1000 --no-create-home xairank && install -d -o xairank /work
USER 1000
WORKDIR /work
ENTRYPOINT ["python", "-m"]
CMD ["xairank"]
