"""Files that bring a written repository to a machine or a cluster: Docker, Compose, KServe."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ServingError
from ..files import write_atomically
from .layout_options import LayoutOptions
from .names import model_name
from .onnx_models import ENGINE_CACHE

# Triton 2.51: the version that the layouts are tested on.
TRITON_IMAGE = "nvcr.io/nvidia/tritonserver:24.10-py3"
NUMPY = "numpy<2"
ENGINE_FOLDER = f"RUN install -d -o triton-server {ENGINE_CACHE}\n"
IMAGE_PATTERN = r"[a-z0-9][a-z0-9._/:-]*"
KUBERNETES_NAME_LENGTH = 63

DOCKERFILE = """\
# Written by `encas triton`. The context is the model repository:
#   docker build -t {image} -f {dockerfile} {context}
FROM {triton}
{install}COPY --chown=triton-server . /models
USER triton-server
EXPOSE 8000 8001 8002
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s \\
    CMD curl --fail --silent http://localhost:8000/v2/health/ready || exit 1
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
        readinessProbe:
          httpGet:
            path: /v2/health/ready
            port: 8000
          initialDelaySeconds: 5
          periodSeconds: 5
        resources:
          requests:
            cpu: "2"
            memory: 4Gi
          limits:
            cpu: "2"
            memory: 4Gi
{gpu}"""

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


def packages(options: LayoutOptions) -> tuple[str, ...]:
    """What the models need that the image of Triton lacks, as pip names it."""
    runtime = "onnxruntime-gpu[cuda,cudnn]" if options.target == "gpu" else "onnxruntime"
    needs_runtime = options.core == "python" or options.backend == "python"
    needs_images = options.layout == "ensemble"
    wanted = (*([runtime] if needs_runtime else []), *(["pillow"] if needs_images else []))
    # With numpy 2 this version of Triton's Python backend gives empty outputs without an error.
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
        "install": _install(wanted) + (ENGINE_FOLDER if options.tensorrt else ""),
        "devices": GPU_DEVICES if is_gpu else "",
        "gpu": GPU_LIMIT if is_gpu else "",
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
    return f"RUN pip install --no-cache-dir {quoted}\n" if wanted else ""


def _kubernetes_name(text: str) -> str:
    """A DNS label: small letters, digits and dashes."""
    name = re.sub(r"[^a-z0-9-]+", "-", model_name(text).lower()).strip("-")
    return name[:KUBERNETES_NAME_LENGTH].strip("-") or "cascade"
