"""Files that bring a written repository to a machine or a cluster: Docker, Compose, KServe."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import ServingError
from ...files import write_atomically
from ..protocol.names import model_name
from .layout_options import LayoutOptions
from .onnx_models import ENGINE_CACHE

# Triton 2.53, the first image whose Python (3.12) is new enough for the copied code; the layouts
# are tested on 2.51.
TRITON_IMAGE = "nvcr.io/nvidia/tritonserver:24.12-py3"
# Triton's Python backend gives empty outputs with numpy 2, without an error.
NUMPY, PILLOW = "numpy==1.26.4", "pillow==13.0.0"
# The last for CUDA 12, which the image has.
RUNTIMES = {"cpu": "onnxruntime==1.32.0", "gpu": "onnxruntime-gpu[cuda,cudnn]==1.23.2"}
# TensorRT computes float32 with TF32 otherwise, and samples near a threshold leave elsewhere.
TENSORRT = f"""\
ENV NVIDIA_TF32_OVERRIDE=0
RUN install -d -o 1000 {ENGINE_CACHE}
"""
IMAGE_PATTERN = r"[a-z0-9][a-z0-9._/:-]*"
KUBERNETES_NAME_LENGTH = 63

DOCKERFILE = """\
# Written by `encas triton`. The context is the model repository:
#   docker build -t {image} -f {dockerfile} {context}
FROM {triton}
{install}COPY --chown=1000 . /models
# triton-server
USER 1000
EXPOSE 8000 8001 8002
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s \\
    CMD ["curl", "--fail", "--silent", "http://localhost:8000/v2/health/ready"]
CMD ["tritonserver", "--model-repository=/models"]
"""

COMPOSE = """\
# Written by `encas triton`: docker compose -f {compose} up --build
services:
  triton:
    image: {image}
    build:
      context: {context}
      dockerfile: {dockerfile}
    ports:
      - "127.0.0.1:8000:8000"
      - "127.0.0.1:8001:8001"
      - "127.0.0.1:8002:8002"
    shm_size: 1gb
    stop_grace_period: 40s
    restart: unless-stopped
{devices}"""

GPU_DEVICES = """\
    deploy:
      resources:
        reservations:
          devices:
            - driver: nvidia
              count: 1
              capabilities: [gpu]
"""

# Python models pass tensors through /dev/shm, of which a pod has 64 MB unless it says more. Loading
# may take long where TensorRT builds engines: hence the startup probe.
INFERENCE_SERVICE = """\
# Written by `encas triton`: push {image} to a registry of the cluster, then
#   kubectl apply -f {manifest}
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {name}
spec:
  predictor:
    minReplicas: 1
    maxReplicas: 4
    timeout: 60
    containers:
      - name: kserve-container
        image: {image}
        ports:
          - containerPort: 8000
            protocol: TCP
        startupProbe:
          httpGet:
            path: /v2/health/ready
            port: 8000
          periodSeconds: 5
          failureThreshold: 240
        readinessProbe:
          httpGet:
            path: /v2/health/ready
            port: 8000
          periodSeconds: 5
        livenessProbe:
          httpGet:
            path: /v2/health/live
            port: 8000
          periodSeconds: 10
        securityContext:
          allowPrivilegeEscalation: false
          runAsNonRoot: true
          runAsUser: 1000
        resources:
          requests:
            cpu: "{processors}"
            memory: 4Gi
          limits:
            cpu: "{processors}"
            memory: 4Gi
{gpu}        volumeMounts:
          - name: shm
            mountPath: /dev/shm
    volumes:
      - name: shm
        emptyDir:
          medium: Memory
          sizeLimit: 1Gi
"""

POD_PROCESSORS = 2
GPU_LIMIT = '            nvidia.com/gpu: "1"\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Where the files go, and what they name.

    Args:
        folder: to write into.
        image: the image that is built and run.

    Raises:
        ServingError: the image has a name that no registry takes.
    """

    folder: Path
    image: str = "encas-triton:latest"

    def __post_init__(self) -> None:
        if not re.fullmatch(IMAGE_PATTERN, self.image):
            raise ServingError(f"not the name of an image: {self.image!r}", where="deployment")


def within_pod(options: LayoutOptions) -> LayoutOptions:
    """The options with as many threads on a CPU as the pod has processors, where none are given.

    ONNX Runtime would take a thread for every core of the node, and the pod's quota stop them.
    """
    if options.target == "gpu" or options.threads is not None:
        return options
    return replace(options, threads=POD_PROCESSORS)


def packages(options: LayoutOptions) -> tuple[str, ...]:
    """What the models need that the image of Triton lacks, as pip names it."""
    needs_runtime = options.core == "python" or options.backend == "python"
    needs_images = options.layout == "ensemble"
    runtime = (RUNTIMES[options.target],) if needs_runtime else ()
    wanted = (*runtime, *((PILLOW,) if needs_images else ()))
    return (NUMPY, *wanted) if wanted else ()


def write_deployment(
    deployment: Deployment, repository: Path, options: LayoutOptions, names: Sequence[str]
) -> tuple[Path, ...]:
    """Writes Dockerfile, compose.yaml and inferenceservice.yaml for a repository.

    Args:
        deployment: where, and which image.
        repository: that was written.
        options: that it was written with.
        names: of its cascades; the first one names the service.
    """
    folder = deployment.folder
    dockerfile, compose = folder / "Dockerfile", folder / "compose.yaml"
    manifest = folder / "inferenceservice.yaml"
    is_gpu = options.target == "gpu"
    wanted = packages(options)
    values = {
        "image": deployment.image,
        "triton": TRITON_IMAGE,
        "install": _install(wanted) + (TENSORRT if options.tensorrt else ""),
        "devices": GPU_DEVICES if is_gpu else "",
        "gpu": GPU_LIMIT if is_gpu else "",
        "processors": max(POD_PROCESSORS, options.threads or 0),
        "name": _kubernetes_name(names[0]),
    }
    context = os.path.relpath(repository, folder)
    below = os.path.relpath(folder, repository)
    write_atomically(
        dockerfile,
        DOCKERFILE.format(dockerfile=dockerfile, context=repository, **values),
    )
    write_atomically(
        compose,
        COMPOSE.format(
            compose=compose, context=context, dockerfile=f"{below}/Dockerfile", **values
        ),
    )
    write_atomically(manifest, INFERENCE_SERVICE.format(manifest=manifest, **values))
    return dockerfile, compose, manifest


def _install(wanted: Sequence[str]) -> str:
    quoted = " ".join(f"'{package}'" for package in wanted)
    if not wanted:
        return ""
    return f"RUN PIP_BREAK_SYSTEM_PACKAGES=1 pip install --no-cache-dir {quoted}\n"


def _kubernetes_name(text: str) -> str:
    """A DNS label: small letters, digits and dashes."""
    name = re.sub(r"[^a-z0-9-]+", "-", model_name(text).lower()).strip("-")
    return name[:KUBERNETES_NAME_LENGTH].strip("-") or "cascade"
