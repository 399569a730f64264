"""What the executor costs beside its members, and what a cascade gains.

    python benchmarks/executor_overhead.py --data ../shared/data --part overhead
    python benchmarks/executor_overhead.py --data ../shared/data --part torch
    python benchmarks/executor_overhead.py --data ../shared/data --part single

overhead: the executor's time against the sum of bare ONNX Runtime calls on the very rows that
    reach each member. Claim: at most 1.05 times for batches of 8 and more, whose members take
    5 ms and more, and at most 0.1 ms more at batch 1.
torch: the same cascade of the same networks in plain torch, eager, rows picked by boolean masks.
single: the cheapest cascade that is as accurate on 3,000 validation images as the best single
    model, against that model; both on 3,000 test images.

Both sides are timed in turns on the same batches in one run. Prints JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
import torch
from cifar10 import REPOSITORY, arguments, machine
from resnets import opened, resnet_pool

from encas.cascade import Cascade, decide
from encas.fronts.scoring import evaluate_front
from encas.intervals import wilson_interval
from encas.pools.models.source_model import SourceModel
from encas.runtime.bench import batches_of
from encas.runtime.executor import Runner
from encas.runtime.loading import Batching
from encas.search.front_finding import find_front

BATCH_SIZES = (1, 8, 32)
CASCADE = Cascade(members=("resnet20", "resnet32", "resnet56"), thresholds=(0.8, 0.7))
TURNS = 16
MAX_RATIO, MAX_EXTRA_MS, MIN_MEMBER_MS = 1.05, 0.1, 5.0

Call = Callable[[], object]


def main() -> None:
    options = arguments(__doc__, part="overhead", threads=1)
    torch.set_num_threads(options.threads)
    pool = resnet_pool(options.data, "test")
    with tempfile.TemporaryDirectory() as folder:
        models, dataset = opened(pool, Path(folder), options.threads)
        part = {"overhead": overhead, "torch": beside_torch, "single": beside_single}[options.part]
        rows = part(models, dataset, options)
    print(
        json.dumps(
            {**machine(), "threads": options.threads, "part": options.part, **rows}, indent=2
        )
    )
    if options.part == "overhead":
        _assert_overhead(rows["sizes"])


def overhead(models: Any, dataset: Any, _options: Any) -> dict[str, Any]:
    sessions = {name: models.open(name) for name in CASCADE.members}
    sizes = []
    for size in BATCH_SIZES:
        runner = _runner(CASCADE, sessions, size)
        batches = _batches(dataset, size)
        bare = [_bare_calls(CASCADE, sessions, batch) for batch in batches]
        times = in_turns([[partial(runner, batch) for batch in batches], bare])
        member_ms = _member_ms(bare)
        sizes.append(
            {
                "batch_size": size,
                "n_batches": len(batches),
                "executor_ms": times[0],
                "bare_sessions_ms": times[1],
                "ratio": times[0] / times[1],
                "extra_ms": times[0] - times[1],
                "smallest_member_ms": member_ms,
            }
        )
    return {"cascade": CASCADE.members, "thresholds": CASCADE.thresholds, "sizes": sizes}


def beside_torch(_models: Any, dataset: Any, options: Any) -> dict[str, Any]:
    """Two stages: resnet20 with its real weights decides who goes on, so exits are real."""
    sys.path.insert(0, str(REPOSITORY / "examples" / "cifar10"))
    from resnet import resnet  # noqa: PLC0415 - the example's folder is on the path now

    weights = options.data / "cifar10" / "weights" / "resnet20-12fca82f.th"
    state = torch.load(weights, map_location="cpu", weights_only=True)["state_dict"]
    nets = {"resnet20": resnet(depth=20).eval(), "resnet56": resnet(depth=56).eval()}
    nets["resnet20"].load_state_dict({k.removeprefix("module."): v for k, v in state.items()})
    cascade = Cascade(members=tuple(nets), thresholds=(0.8,))
    with tempfile.TemporaryDirectory() as folder:
        sessions = {
            name: _session(net, name, Path(folder), options.threads) for name, net in nets.items()
        }
        sizes = []
        for size in BATCH_SIZES:
            runner = _runner(cascade, sessions, size)
            batches = _batches(dataset, size)
            eager = [_eager_call(cascade, list(nets.values()), batch) for batch in batches]
            answers = [(runner(batch), call()) for batch, call in zip(batches, eager, strict=True)]
            agree = [bool((ours.stage == theirs.stage).all()) for ours, theirs in answers]
            times = in_turns([[partial(runner, batch) for batch in batches], eager])
            sizes.append(
                {
                    "batch_size": size,
                    "executor_ms": times[0],
                    "torch_eager_ms": times[1],
                    "speed_up": times[1] / times[0],
                    "batches_with_equal_stages": sum(agree) / len(agree),
                }
            )
    return {"cascade": cascade.members, "torch": torch.__version__, "sizes": sizes}


def beside_single(models: Any, dataset: Any, options: Any) -> dict[str, Any]:
    val, test = resnet_pool(options.data, "val"), resnet_pool(options.data, "test")
    accuracies = [float((output.argmax(1) == val.label).mean()) for output in val.outputs]
    best = val.names[int(np.argmax(accuracies))]
    front = find_front(val, max_members=3)
    chosen = next(s for s in front.cascades if s.accuracy >= max(accuracies))
    on_test = evaluate_front(front.with_cascades([chosen]), test).cascades[0]
    single = float((test.outputs[test.index(best)].argmax(1) == test.label).mean())
    names = {best, *chosen.cascade.members}
    sessions = {name: models.open(name) for name in names}
    sizes = []
    for size in BATCH_SIZES:
        runner = _runner(chosen.cascade, sessions, size)
        alone = _runner(Cascade(members=(best,), thresholds=()), sessions, size)
        batches = _batches(dataset, size)
        times = in_turns([[partial(r, batch) for batch in batches] for r in (runner, alone)])
        sizes.append(
            {
                "batch_size": size,
                "cascade_ms": times[0],
                "single_ms": times[1],
                "speed_up": times[1] / times[0],
            }
        )
    return {
        "single": best,
        "cascade": chosen.cascade.members,
        "thresholds": chosen.cascade.thresholds,
        "n_test": test.n_samples,
        "test_accuracy": {
            "single": [single, wilson_interval(round(single * test.n_samples), test.n_samples)],
            "cascade": [
                on_test.accuracy,
                wilson_interval(round(on_test.accuracy * test.n_samples), test.n_samples),
            ],
        },
        "mean_test_reach": on_test.reach,
        "sizes": sizes,
    }


def in_turns(sides: Sequence[Sequence[Call]]) -> list[float]:
    """For each side the mean over its calls of the median time in ms; sides alternate."""
    times = [np.empty((len(calls), TURNS)) for calls in sides]
    for turn in range(-1, TURNS):
        for i in range(len(sides[0])):
            # Whoever runs second finds the samples in the caches: the sides take turns at that.
            for side, calls in list(enumerate(sides))[:: 1 if turn % 2 else -1]:
                start = perf_counter_ns()
                calls[i]()
                if turn >= 0:
                    times[side][i, turn] = (perf_counter_ns() - start) / 1e6
    return [float(np.median(table, axis=1).mean()) for table in times]


def _bare_calls(cascade: Cascade, sessions: Any, batch: Any) -> Call:
    """ONNX Runtime's own `run`, on the rows that reach each member, and nothing between."""
    feeds: list[tuple[Any, Any]] = []

    def outputs(j: int, rows: Any) -> Any:
        session = sessions[cascade.members[j]]
        if len(rows):
            feeds.append((session._session, np.ascontiguousarray(batch[rows])))
        return session.run(batch[rows])

    decide(cascade, outputs, n_samples=len(batch))

    def run() -> None:
        for session, x in feeds:
            session.run(["probabilities"], {"input": x})

    run.feeds = feeds  # type: ignore[attr-defined]
    return run


def _member_ms(bare: Sequence[Any]) -> float:
    """The median time of the fastest member on the rows that reach it."""
    times: dict[int, list[float]] = {}
    for call in bare:
        for session, x in call.feeds:
            start = perf_counter_ns()
            session.run(["probabilities"], {"input": x})
            times.setdefault(id(session), []).append((perf_counter_ns() - start) / 1e6)
    return min(float(np.median(values)) for values in times.values())


def _eager_call(cascade: Cascade, nets: Sequence[Any], batch: Any) -> Call:
    def outputs(j: int, rows: Any) -> Any:
        with torch.inference_mode():
            x = torch.from_numpy(batch if len(rows) == len(batch) else batch[rows])
            return torch.softmax(nets[j](x), dim=1).numpy()

    return lambda: decide(cascade, outputs, n_samples=len(batch))


def _session(net: Any, name: str, folder: Path, n_threads: int) -> Any:
    from encas.export.onnx_export import export_member  # noqa: PLC0415
    from encas.export.onnx_model import save_model  # noqa: PLC0415
    from encas.runtime.ort_session import OrtSession  # noqa: PLC0415
    from encas.runtime.placement import Placement  # noqa: PLC0415

    source = SourceModel(spec=name, build=lambda: net)
    exported = export_member(source, input_shape=(3, 32, 32), exporter="legacy")
    save_model(exported.model, folder / f"{name}.onnx")
    return OrtSession(
        folder / f"{name}.onnx",
        name=name,
        input_shape=(3, 32, 32),
        n_classes=10,
        placement=Placement(n_threads=n_threads),
    )


def _runner(cascade: Cascade, sessions: Any, size: int) -> Runner:
    members = [sessions[name] for name in cascade.members]
    runner = Runner(cascade, members, batching=Batching.on("cpu", max_batch_size=size))
    runner.warm_up()
    return runner


def _batches(dataset: Any, size: int) -> list[Any]:
    rows = batches_of(dataset.n_samples, size, rng=np.random.default_rng(0))
    return [dataset.samples(batch) for batch in rows[:64]]


def _assert_overhead(sizes: Sequence[dict[str, Any]]) -> None:
    for row in sizes:
        if row["batch_size"] == 1:
            assert row["extra_ms"] <= MAX_EXTRA_MS, row
        elif row["smallest_member_ms"] >= MIN_MEMBER_MS:
            assert row["ratio"] <= MAX_RATIO, row


if __name__ == "__main__":
    main()
