from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from encas.commands.nat_options import plan_of, settings_of, shared_options
from encas.data.preprocessing import Preprocessing
from encas.nat.nat_session import Origin
from encas.nat.nat_settings import PRESETS
from encas.nat.task import DataPlan

SMALL = [Origin(supernet="small-fused")]
LARGE = [Origin(supernet="alphanet", checkpoint=Path("w.pt"))]


def given(*words):
    """What a command with the shared options is given."""
    found = {}

    @click.command()
    @shared_options
    def command(**options):
        found.update(options)

    ran = CliRunner().invoke(command, ["--data", "d", "--out", "o", *words])
    assert ran.exit_code == 0, ran.output
    return found


def test_plan_without_options_is_the_default_one():
    assert plan_of(given()) == DataPlan(train="d")


def test_plan_has_what_the_options_say(tmp_path):
    steps = tmp_path / "steps.json"
    steps.write_text('{"size": [8, 8]}')
    words = ("--search-data", "s", "--search-share", "0.5", "--samples", "7", "--size", "12",
             "--preprocessing", str(steps), "--download")  # fmt: skip
    assert plan_of(given(*words)) == DataPlan(
        train="d", search="s", search_share=0.5, n_train=7, size=12,
        preprocessing=Preprocessing(size=(8, 8)), download=True,
    )  # fmt: skip


def test_small_supernetworks_have_a_preset_of_their_own():
    assert settings_of(SMALL, given()) == PRESETS["small"]
    mixed = [*SMALL, Origin(supernet="alphanet")]
    assert settings_of(mixed, given()).archive_size == PRESETS["cifar10"].archive_size
    imagenet = settings_of(SMALL, given("--preset", "imagenet"))
    assert imagenet == PRESETS["imagenet"]


def test_options_change_the_preset():
    words = ("--iterations", "2", "--archive-size", "9", "--surrogate-evaluations", "11",
             "--epochs", "3", "--warm-up-epochs", "4")  # fmt: skip
    expected = replace(
        PRESETS["small"], iterations=2, archive_size=9, evaluations=11, epochs=3, warm_up_epochs=4
    )
    assert settings_of(SMALL, given(*words)) == expected


def test_weights_that_are_given_are_not_warmed_up_unless_that_is_asked_for():
    trained = [Origin(supernet="small-fused", checkpoint=Path("w.pt"))]
    assert settings_of(trained, given()).warm_up_epochs == 0
    assert settings_of(trained, given("--warm-up-epochs", "5")).warm_up_epochs == 5
    half = [*trained, Origin(supernet="small-mobile")]
    assert settings_of(half, given()).warm_up_epochs == PRESETS["small"].warm_up_epochs


@pytest.mark.parametrize(
    ("words", "precision"),
    [
        ((), "float32"),
        (("--device", "cuda"), "float16"),
        (("--device", "cuda", "--precision", "bfloat16"), "bfloat16"),
        (("--precision", "float16"), "float16"),
    ],
)
def test_precision_is_that_of_the_device_unless_it_is_said(words, precision):
    settings = settings_of(LARGE, given(*words))
    assert (settings.warm_up.precision, settings.training.precision) == (precision, precision)


def test_batch_size_is_of_both_trainings_and_the_learning_rate_of_the_rounds():
    settings = settings_of(SMALL, given("--training-batch-size", "5", "--learning-rate", "0.25"))
    assert (settings.warm_up.batch_size, settings.training.batch_size) == (5, 5)
    assert settings.training.learning_rate == 0.25
    assert settings.warm_up.learning_rate == PRESETS["small"].warm_up.learning_rate
