import ast
from pathlib import Path

import click
import pytest

from encas.commands import option_texts
from encas.commands.option_texts import TEXTS, option

FOLDER = Path(option_texts.__file__).parent


def test_option_has_the_text_of_its_name():
    @click.command()
    @option("--seed", default=3)
    def command(seed: int) -> None:
        del seed

    (parameter,) = command.params
    assert parameter.help == TEXTS["--seed"]
    assert parameter.default == 3


def test_option_without_a_text_is_refused():
    with pytest.raises(KeyError, match="--nobody-knows-it"):
        option("--nobody-knows-it")


def test_texts_are_sorted_sentences_that_some_command_uses():
    assert list(TEXTS) == sorted(TEXTS)
    assert all(text[0].isalnum() and text[-1] in ".]" for text in TEXTS.values())
    used = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "option":
                used.add(ast.literal_eval(node.args[0]))
            assert "click.option" not in ast.unparse(node) or path.name == "option_texts.py"
    assert used == set(TEXTS)
