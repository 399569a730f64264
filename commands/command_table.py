"""What can be typed: `encas NOUN VERB`, where the noun is what the first argument is.

Nothing of a command is imported before it runs, so that `encas --help` is quick. The short forms
are words of their own for what is typed often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEntry:
    """Where a command is defined.

    Args:
        module: under encas.commands.
        attribute: of the module.
        text: the first sentence of its help.
    """

    module: str
    attribute: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """A group of commands.

    Args:
        text: what it is about.
        verbs: its commands by name.
        default: the verb that is meant where options follow the noun, None for none.
    """

    text: str
    verbs: Mapping[str, CommandEntry] = field(default_factory=dict)
    default: str | None = None


def _entry(module: str, attribute: str, text: str) -> CommandEntry:
    return CommandEntry(module=module, attribute=attribute, text=text)


PROFILE = _entry(
    "runtime_command",
    "profile",
    "Measure the models of a pool, or a bundle's members, at batch sizes.",
)
DOCTOR = _entry(
    "runtime_command", "doctor", "Say what works on this machine, what does not, and the remedy."
)
DEMO = _entry(
    "demo_command",
    "demo",
    "Train a pool on scikit-learn's digits, search, export, verify, measure, report.",
)

NOUNS: Mapping[str, Noun] = {
    "pool": Noun(
        text="Stored outputs of many classifiers on one split.",
        verbs={
            "build": _entry(
                "pool_build_command",
                "build",
                "Run models over data and store their outputs as a pool.",
            ),
            "import": _entry(
                "pool_command", "import_", "Make a pool folder of the arrays in FILE.npz."
            ),
            "export": _entry(
                "pool_command",
                "export",
                "Write the arrays of a pool as FILE.npz, or one row per sample as FILE.parquet.",
            ),
            "show": _entry(
                "pool_command", "show", "Show the models of a pool: accuracy with interval, costs."
            ),
            "check": _entry(
                "pool_command", "check", "Read all of a pool and check its hashes and values."
            ),
            "split": _entry(
                "pool_tools_command",
                "split",
                "Split a pool into parts for search, selection and test.",
            ),
            "merge": _entry(
                "pool_tools_command",
                "merge",
                "Put the models of pools of the same samples into one pool.",
            ),
            "filter": _entry(
                "pool_tools_command", "filter_", "Keep some of a pool's models or samples."
            ),
            "dedup": _entry(
                "pool_tools_command",
                "dedup",
                "Leave out every model that answers almost as a cheaper one does.",
            ),
            "diff": _entry(
                "pool_tools_command",
                "diff",
                "Compare two pools: shared samples, and what changed in the answers.",
            ),
            "cost": _entry("pool_tools_command", "cost", "Add costs from a CSV file."),
            "calibrate": _entry(
                "pool_command", "calibrate", "Fit a temperature for each model of a pool."
            ),
            "compress": _entry(
                "pool_compress_command",
                "compress",
                "Store the few classes of each sample that can win: all that a search needs.",
            ),
            "quantize": _entry(
                "quantize_command",
                "quantize",
                "Add models in float16 or static int8 to a pool's models.",
            ),
            "search": _entry(
                "search_command",
                "search",
                "Search a pool for the trade-off front of its cascades.",
            ),
            "compare": _entry(
                "compare_command",
                "compare",
                "Compare search algorithms on one pool with one budget, over seeds.",
            ),
            "profile": PROFILE,
            "tune": _entry(
                "tune_command",
                "tune",
                "Find the cascades of a pool that are fast on a device, not on paper.",
            ),
        },
    ),
    "front": Noun(
        text="Cascades that do not dominate each other, out of a search.",
        verbs={
            "show": _entry(
                "front_command", "show", "Show the cascades of a front, the cheapest first."
            ),
            "evaluate": _entry(
                "front_command",
                "evaluate",
                "Score the cascades of a front on the samples of another pool.",
            ),
            "select": _entry(
                "select_command",
                "select",
                "Print the one cascade of a front that fits best; exit 1 if none does.",
            ),
            "export": _entry(
                "export_command",
                "export",
                "Export one cascade of a front as a bundle, and prove it.",
            ),
            "report": _entry(
                "report_command",
                "report",
                "Write fronts as one self-contained page: charts, tables, stages, latencies.",
            ),
        },
    ),
    "bundle": Noun(
        text="Exported cascades, proven and ready to run.",
        verbs={
            "verify": _entry(
                "export_command",
                "verify",
                "Verify a bundle: hashes, numbers, and every decision on data.",
            ),
            "run": _entry("runtime_command", "run", "Predict data with a bundle."),
            "bench": _entry(
                "runtime_command",
                "bench",
                "Measure the composed cascade, beside the prediction and its members.",
            ),
            "profile": PROFILE,
            "serve": _entry(
                "serve_command",
                "serve",
                "Serve bundles over HTTP and gRPC (Open Inference Protocol, v2).",
            ),
            "triton": _entry(
                "triton_command",
                "triton",
                "Write bundles as a model repository of NVIDIA Triton.",
            ),
        },
    ),
    "server": Noun(
        text="Servers of the protocol: this one, or Triton.",
        verbs={
            "ask": _entry(
                "client_command",
                "client",
                "Send data to a server and print accuracy, exits and latencies.",
            ),
        },
    ),
    "nat": Noun(
        text="Supernetworks: pools where no trained models exist yet.",
        verbs={
            "run": _entry(
                "nat_command",
                "run",
                "Adapt a supernetwork to data, and find its best subnets.",
            ),
            "joint": _entry(
                "nat_joint_command",
                "joint",
                "Adapt several supernetworks together, to the best cascades over them.",
            ),
            "pool": _entry("nat_pool_command", "pool", "Make a pool of the front subnets of runs."),
            "front": _entry(
                "nat_joint_command",
                "front",
                "Write the cascades of a joint run as the front of a pool made of it.",
            ),
            "profile": _entry(
                "nat_profile_command",
                "profile",
                "Measure random subnets, so that a run can search for short times.",
            ),
        },
        default="run",
    ),
}
ALONE: Mapping[str, CommandEntry] = {"demo": DEMO, "doctor": DOCTOR}
# Short form -> noun and verb.
SHORT: Mapping[str, tuple[str, str]] = {
    "search": ("pool", "search"),
    "compare": ("pool", "compare"),
    "tune": ("pool", "tune"),
    "profile": ("pool", "profile"),
    "select": ("front", "select"),
    "export": ("front", "export"),
    "report": ("front", "report"),
    "verify": ("bundle", "verify"),
    "run": ("bundle", "run"),
    "bench": ("bundle", "bench"),
    "triton": ("bundle", "triton"),
    "serve": ("bundle", "serve"),
    "client": ("server", "ask"),
}
# The stations of the loop, in the order in which data pass them.
STATIONS: Mapping[str, tuple[str, ...]] = {
    "Pools": ("pool",),
    "Pool -> front": ("search", "compare", "tune"),
    "Fronts": ("front",),
    "Front -> bundle": ("select", "export", "report"),
    "Bundles": ("bundle",),
    "Bundle -> numbers": ("verify", "run", "profile", "bench"),
    "Bundle -> server": ("serve", "triton", "client", "server"),
    "Supernetworks": ("nat",),
    "This machine": ("demo", "doctor"),
}
