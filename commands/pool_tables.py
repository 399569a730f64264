"""Pools as tables for people."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from ..evaluate.pool_summary import PoolSummary
from ..fronts.diversity import Diversity
from ..pools.pool_difference import Comparison


def summary_table(
    summary: PoolSummary,
    diversity: Diversity | None = None,
    uses: Mapping[str, int] | None = None,
) -> Table:
    """A row for each model: accuracy with its interval, costs, how its outputs are stored."""
    title = (
        f"{summary.name}: {len(summary.models)} models, {summary.n_samples} samples, "
        f"{summary.n_classes} classes"
    )
    table = Table(title=title, title_justify="left")
    further = (["ECE"] if diversity else []) + (["cascades"] if uses is not None else [])
    for column in ("model", "accuracy", "95 % interval", "MACs", "stored", *further):
        table.add_column(column, justify="left" if column in ("model", "stored") else "right")
    for index, model in enumerate(summary.models):
        low, high = model.interval
        table.add_row(
            model.name,
            f"{model.accuracy:.4f}",
            f"{low:.4f} .. {high:.4f}",
            f"{model.costs['macs']:,.0f}" if "macs" in model.costs else "not known",
            f"{model.kind} {model.dtype}",
            *([f"{diversity.ece[index]:.4f}"] if diversity else []),
            *([str(uses[model.name])] if uses is not None else []),
        )
    return table


def details_tables(
    summary: PoolSummary, diversity: Diversity | None, uses: Mapping[str, int] | None
) -> list[Table | str]:
    """The table of models, and what there is to say of the pool as a whole."""
    tables: list[Table | str] = [summary_table(summary, diversity, uses)]
    if diversity is None:
        return tables
    low, high = diversity.oracle_interval
    tables.append(
        f"Some model is right on {diversity.oracle:.4f} of the samples ({low:.4f} .. {high:.4f}); "
        f"two models are both wrong on {diversity.mean_double_fault:.4f} on average, "
        f"exactly one is right on {diversity.mean_disagreement:.4f}."
    )
    pairs = Table("least alike", "and", "both wrong", title_justify="left")
    for first, second, share in diversity.least_alike:
        pairs.add_row(first, second, f"{share:.4f}")
    return [*tables, pairs]


def comparison_table(comparison: Comparison, first: str, second: str) -> Table:
    """A row for each model that is in both pools."""
    title = (
        f"{comparison.n_shared} of {comparison.n_samples[0]} samples of {first} are in {second} "
        f"(by {comparison.known_by}); classes' shares differ by {comparison.class_shift:.4f}"
    )
    columns = (
        f"{name} (n = {n})" for name, n in zip((first, second), comparison.n_samples, strict=True)
    )
    table = Table("model", *columns, "difference", "95 % interval", "confidences (KS)")
    table.title, table.title_justify = title, "left"
    for model in comparison.models:
        low, high = model.interval
        table.add_row(
            model.name,
            f"{model.accuracies[0]:.4f}",
            f"{model.accuracies[1]:.4f}",
            f"{model.difference:+.4f}",
            f"{low:+.4f} .. {high:+.4f}",
            f"{model.ks:.4f}{' drift' if model.is_drifting else ''}",
        )
    return table
