import click
import pytest
from click.testing import CliRunner

from encas.commands.measuring_options import (
    GIB,
    batch_sizes_option,
    exporter_option,
    placement_options,
    protocol_options,
    taken_placement,
    taken_protocol,
)
from encas.runtime.clock import StabilityProtocol
from encas.runtime.placement import Placement


def parsed(*words):
    """What a command with all of these options is given, or what it says."""
    given = {}

    @click.command()
    @exporter_option
    @batch_sizes_option
    @protocol_options
    @placement_options
    def command(**options):
        given.update(options)

    ran = CliRunner().invoke(command, words)
    return given if ran.exit_code == 0 else ran.output


def test_defaults_are_those_of_the_values():
    options = parsed("--batch-size", "1")
    assert taken_placement(options) == Placement()
    assert taken_protocol(options) == StabilityProtocol()
    assert options == {"batch_sizes": (1,), "exporter": "dynamo"}


def test_values_are_taken_out_of_the_options():
    options = parsed(
        "--batch-size", "4", "--batch-size", "2", "--device", "cuda:1", "--threads", "3",
        "--cuda-graphs", "--gpu-memory-gb", "1.5", "--window", "7", "--max-windows", "3",
        "--pace-ms", "0.5", "--exporter", "legacy",
    )  # fmt: skip
    assert taken_placement(options) == Placement(
        device="cuda:1", n_threads=3, cuda_graphs=True, gpu_memory_bytes=3 * GIB // 2
    )
    assert taken_protocol(options) == StabilityProtocol(window=7, max_windows=3, pace_ms=0.5)
    assert options == {"batch_sizes": (4, 2), "exporter": "legacy"}


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ((), "Missing option '--batch-size'"),
        (("--batch-size", "0"), "0 is not in the range x>=1"),
        (("--batch-size", "1", "--threads", "0"), "0 is not in the range x>=1"),
        (("--batch-size", "1", "--window", "0"), "0 is not in the range x>=1"),
        (("--batch-size", "1", "--max-windows", "2"), "2 is not in the range x>=3"),
        (("--batch-size", "1", "--exporter", "x"), "'x' is not one of 'dynamo', 'legacy'"),
    ],
)
def test_impossible_numbers_are_wrong_usage(words, fault):
    assert fault in parsed(*words)
