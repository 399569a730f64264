"""The whole server: models, HTTP, gRPC, signals, and a graceful end."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ServingError
from .http.http_listener import HttpListener
from .service.front_model import FrontOptions, front_opener
from .service.logs import logging_to
from .service.model_catalog import Catalog
from .service.network import NetworkOptions
from .service.opening import BundleSource, ModelOptions, Opener, bundle_openers
from .service.prometheus import Metrics
from .service.server_settings import LogSettings
from .service.service import Service
from .service.shared_memory import SharedMemory

SWITCH_INTERVAL_S = 0.0005
LOGGER = logging.getLogger("encas.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where a server really listens."""

    host: str
    http_port: int
    grpc_port: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What is served, and how.

    Args:
        sources: the bundles.
        models: how they are run.
        network: where clients come in.
        front: how the bundles serve together as one model that adapts to the load; None: not.
        verbose_level: 1: a line in the log for each request.
    """

    sources: tuple[BundleSource, ...]
    models: ModelOptions
    network: NetworkOptions
    front: FrontOptions | None = None
    verbose_level: int = 0

    def openers(self) -> dict[str, Opener]:
        """What opens each model: the bundles, and after them the front.

        Raises:
            ServingError: two models have the same name.
        """
        openers = bundle_openers(self.sources, self.models)
        if self.front is None:
            return openers
        if self.front.name in openers:
            raise ServingError(
                f"the model that adapts and a bundle are both called {self.front.name!r}",
                where="policy",
            )
        return {**openers, self.front.name: front_opener(self.front, self.models)}


class Server:
    """A server that can be started and stopped; both on a running event loop.

    Raises:
        ServingError: two bundles have one name, or the HTTP port is taken.
    """

    def __init__(self, options: ServerOptions) -> None:
        network = options.network
        memory, metrics = SharedMemory(is_allowed=network.is_local), Metrics()
        self._options = options
        n_workers = options.models.n_workers
        self._catalog = Catalog(
            options.openers(), n_workers=n_workers, memory=memory, metrics=metrics
        )
        logs = LogSettings(verbose_level=options.verbose_level)
        self._service = Service(self._catalog, memory=memory, metrics=metrics, logs=logs)
        self._http = HttpListener(self._service, network)
        self._grpc = None
        if network.grpc_port is not None:
            from .grpc.grpc_listener import GrpcListener  # noqa: PLC0415 - only where gRPC is wanted

            self._grpc = GrpcListener(self._service, network)

    async def start(self) -> Addresses:
        """Listens, and then loads the models; not ready until all are.

        Raises:
            EncasError: a port is taken, or a bundle cannot be served.
        """
        await self._http.start()
        if self._grpc is not None:
            await self._grpc.start()
        await self._catalog.open()
        return Addresses(
            host=self._options.network.host,
            http_port=self._http.port,
            grpc_port=self._grpc.port if self._grpc else None,
        )

    async def stop(self) -> None:
        """Answers what was accepted, refuses what comes, and ends."""
        self._service.is_draining = True
        drain_s = self._options.network.drain_s
        ends = [self._catalog.close(), self._http.stop()]
        if self._grpc is not None:
            ends.append(self._grpc.stop(drain_s))
        try:
            async with asyncio.timeout(drain_s):
                await asyncio.gather(*ends)
        except TimeoutError:
            LOGGER.warning("requests were still running", extra={"drain_s": drain_s})


def run_server(options: ServerOptions, *, on_ready: Callable[[Addresses], object]) -> None:
    """Serves until SIGTERM or SIGINT; a second signal ends at once.

    A signal that the process was started to ignore stays ignored.

    Args:
        options: what and how.
        on_ready: is told the addresses when requests are welcome.

    Raises:
        EncasError: the server cannot start.
    """
    # The workers and the event loop share the interpreter: neither shall wait 5 ms for the other.
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        with (
            logging_to(sys.stderr),
            asyncio.Runner(loop_factory=_loop_factory()) as runner,
        ):
            runner.run(_serve(options, on_ready))
    finally:
        sys.setswitchinterval(interval_s)


async def _serve(options: ServerOptions, on_ready: Callable[[Addresses], object]) -> None:
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    LOGGER.info("starting", extra={"models": [source.name for source in options.sources]})
    server = Server(options)
    signals = (signal.SIGTERM, signal.SIGINT)
    heeded = [number for number in signals if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heeded:
        loop.add_signal_handler(number, told.set)
    starting = asyncio.create_task(server.start())
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait((starting, waiting), return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        if starting.exception() is not None:
            await server.stop()
        addresses = starting.result()
        # What has been imported and loaded stays: the garbage collector need not walk over it.
        gc.freeze()
        LOGGER.info("ready", extra={"loop": type(loop).__module__, **_shown(addresses)})
        on_ready(addresses)
        await waiting
    for number in heeded:
        loop.remove_signal_handler(number)
    LOGGER.info("draining")
    starting.cancel()
    await server.stop()
    LOGGER.info("ended")


def _shown(addresses: Addresses) -> dict[str, object]:
    return {"host": addresses.host, "http": addresses.http_port, "grpc": addresses.grpc_port}


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not for every system
    except ImportError:
        return None
    return uvloop.new_event_loop
