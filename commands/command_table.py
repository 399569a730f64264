"""What can be typed: `encas NOUN VERB`, where the noun is what the first argument is.

Nothing of a command is imported before it runs, so that `encas --help` is quick. The short forms
are words of their own for what is typed often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Rows: TypeAlias = Mapping[str, tuple[str, str]]

# Verbs that no function of ours can be called: it has an underscore behind its name.
TAKEN = ("import", "filter")


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
    verbs: Mapping[str, CommandEntry]
    default: str | None = None


# Verb -> the file commands/NAME_command.py, whose function has the verb's name, and the first
# sentence of its help; a dash in a verb is an underscore there.
POOL: Rows = {
    "build": ("pool_build", "Run models over data and store their outputs as a pool."),
    "import": ("pool", "Make a pool folder of outputs in FILE.npz, .parquet, .csv or a folder."),
    "export": ("pool", "Write the arrays of a pool as FILE.npz, or its rows as FILE.parquet."),
    "export-models": ("export_models", "Write a pool whose models are ONNX files inside it."),
    "show": ("pool", "Show the models of a pool: accuracy with interval, costs."),
    "check": ("pool", "Read all of a pool and check its hashes and values."),
    "split": ("pool_tools", "Split a pool into parts for search, selection and test."),
    "merge": ("pool_tools", "Put the models of pools of the same samples into one pool."),
    "filter": ("pool_tools", "Keep some of a pool's models or samples."),
    "dedup": ("pool_tools", "Leave out every model that answers almost as a cheaper one does."),
    "diff": ("pool_tools", "Compare two pools: shared samples, and what changed in the answers."),
    "cost": ("pool_tools", "Add costs from a CSV file."),
    "calibrate": ("pool", "Fit a temperature for each model of a pool."),
    "compress": ("pool_compress", "Keep the classes that can win: all that a search needs."),
    "quantize": ("quantize", "Add models in float16 or static int8 to a pool's models."),
    "search": ("search", "Search a pool for the trade-off front of its cascades."),
    "compare": ("compare", "Compare search algorithms on one pool with one budget, over seeds."),
    "profile": ("runtime", "Measure the models of a pool, or a bundle's members, at batch sizes."),
    "tune": ("tune", "Find the cascades of a pool that are fast on a device, not on paper."),
}
FRONT: Rows = {
    "show": ("front", "Show the cascades of a front, the cheapest first."),
    "evaluate": ("front", "Score the cascades of a front on the samples of another pool."),
    "select": ("select", "Print the one cascade of a front that fits best; exit 1 if none does."),
    "export": ("export", "Export one cascade of a front as a bundle, and prove it."),
    "report": ("report", "Write fronts as one page: charts, tables, stages, latencies."),
}
BUNDLE: Rows = {
    "verify": ("export", "Verify a bundle: hashes, numbers, and every decision on data."),
    "run": ("runtime", "Predict data with a bundle."),
    "bench": ("runtime", "Measure the composed cascade, beside the prediction and its members."),
    "profile": ("runtime", "Measure the models of a pool, or a bundle's members, at batch sizes."),
    "serve": ("serve", "Serve bundles over HTTP and gRPC (Open Inference Protocol, v2)."),
    "triton": ("triton", "Write bundles as a model repository of NVIDIA Triton."),
}
SERVER: Rows = {
    "ask": ("client", "Send data to a server and print accuracy, exits and latencies."),
}
NAT: Rows = {
    "run": ("nat", "Adapt a supernetwork to data, and find its best subnets."),
    "joint": ("nat_joint", "Adapt several supernetworks together, to the best cascades over them."),
    "pool": ("nat_pool", "Make a pool of the front subnets of runs."),
    "front": ("nat_joint", "Write the cascades of a joint run as the front of a pool made of it."),
    "profile": ("nat_profile", "Measure random subnets, so that a run can search for short times."),
}
ON_THEIR_OWN: Rows = {
    "demo": ("demo", "Go the whole loop on scikit-learn's digits, in a few minutes."),
    "doctor": ("doctor", "Say what works on this machine, what does not, and the remedy."),
}


def _entries(rows: Rows) -> dict[str, CommandEntry]:
    return {
        verb: CommandEntry(
            module=f"{name}_command",
            attribute=verb.replace("-", "_") + ("_" if verb in TAKEN else ""),
            text=text,
        )
        for verb, (name, text) in rows.items()
    }


NOUNS: Mapping[str, Noun] = {
    "pool": Noun(text="Stored outputs of many classifiers on one split.", verbs=_entries(POOL)),
    "front": Noun(
        text="Cascades that do not dominate each other, out of a search.", verbs=_entries(FRONT)
    ),
    "bundle": Noun(text="Exported cascades, proven and ready to run.", verbs=_entries(BUNDLE)),
    "server": Noun(text="Servers of the protocol: this one, or Triton.", verbs=_entries(SERVER)),
    "nat": Noun(
        text="Supernetworks: pools where no trained models exist yet.",
        verbs=_entries(NAT),
        default="run",
    ),
}
ALONE: Mapping[str, CommandEntry] = _entries(ON_THEIR_OWN)
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
