import subprocess
import sys

import click
import pytest

from encas import cli, errors
from encas.cli import group, main
from encas.commands.command_table import ALONE, NOUNS, SHORT, STATIONS

PATHS = [(noun, verb) for noun, entry in NOUNS.items() for verb in entry.verbs]
PATHS += [(name,) for name in ALONE]
each_command = pytest.mark.parametrize("path", PATHS, ids=" ".join)


def found(*path: str) -> click.Command:
    """The command that these words name."""
    command: click.Command = group
    for word in path:
        command = command.get_command(click.Context(command), word)
    return command


def test_help_lists_every_name_under_its_station(encas):
    lines = encas("--help").out.splitlines()
    for station, names in STATIONS.items():
        below = lines[lines.index(f"{station}:") + 1 :]
        words = [line.split()[0] for line in below if line.startswith("  ") and line[2] != " "]
        assert tuple(words[: len(names)]) == names


def test_stations_hold_every_name_once():
    names = [name for names in STATIONS.values() for name in names]
    assert sorted(names) == sorted([*NOUNS, *SHORT, *ALONE])


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from encas.cli import group; group.main(['--help'], standalone_mode=False); "
        "assert not {'numpy', 'rich', 'encas.pools'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@each_command
def test_command_help_begins_as_the_table_says_and_has_an_example(path):
    first, *paragraphs = found(*path).help.split("\n\n")
    entry = NOUNS[path[0]].verbs[path[1]] if len(path) == 2 else ALONE[path[0]]
    assert " ".join(first.split()) == entry.text
    assert any(paragraph.strip().startswith("Example: encas ") for paragraph in paragraphs)


@each_command
def test_command_help_is_printed(encas, path):
    ran = encas(*path, "--help")
    assert ran.code == 0
    assert f"Usage: encas {' '.join(path)} " in ran.out


def test_noun_help_lists_its_verbs(encas):
    for noun, entry in NOUNS.items():
        out = encas(noun, "--help").out
        assert all(f"  {verb} " in out for verb in entry.verbs)


def test_option_of_one_name_has_one_help_text():
    texts: dict[str, set[str]] = {}
    for path in PATHS:
        for parameter in found(*path).params:
            if isinstance(parameter, click.Option):
                texts.setdefault(parameter.opts[0], set()).add(parameter.help or "")
    assert {name: text for name, text in texts.items() if len(text) > 1 or "" in text} == {}


@pytest.mark.parametrize("name", SHORT)
def test_short_form_is_the_command_of_its_noun(name):
    assert found(name) is found(*SHORT[name])


def test_options_behind_a_noun_are_those_of_its_default_verb(encas):
    assert (
        encas("nat", "--supernet", "no-such").err
        == encas("nat", "run", "--supernet", "no-such").err
    )
    assert "Commands:" in encas("nat", "--help").out


def test_noun_without_a_default_verb_refuses_options(encas):
    ran = encas("pool", "--out", "x")
    assert (ran.code, "No such option" in ran.err) == (2, True)


def test_unknown_verb_is_wrong_usage(encas):
    ran = encas("front", "nonsense")
    assert (ran.code, "No such command" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("encas fr", {"front"}),
        ("encas front s", {"show", "select"}),
        ("encas search --algo", {"--algorithm"}),
        ("encas search pool --algorithm mo", {"mo-gomea"}),
    ],
)
def test_shell_completion_knows_nouns_verbs_options_and_choices(
    words, completed, monkeypatch, capsys
):
    monkeypatch.setenv("_ENCAS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    with pytest.raises(SystemExit):
        main([])
    lines = capsys.readouterr().out.splitlines()
    assert {line.partition(",")[2] for line in lines} == completed


def test_version_is_printed(encas):
    assert encas("--version").out == f"encas, version {cli.__version__}\n"


def test_error_is_one_line_and_exit_one(encas, tmp_path):
    ran = encas("pool", "show", tmp_path / "none")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("Error: ")
    assert ran.err.count("\n") == 1


def test_debug_shows_the_traceback(encas, tmp_path):
    assert "Traceback" in encas("--debug", "pool", "show", tmp_path / "none").err


def test_wrong_usage_is_exit_two(encas):
    assert encas("pool", "show").code == 2
    assert encas("nonsense").code == 2


def test_unwritable_file_is_one_line(encas, tmp_path, monkeypatch):
    def refuse(*_arguments, **_keywords):
        raise PermissionError("no permission: x")

    monkeypatch.setattr(cli.group, "main", refuse)
    ran = encas("pool")
    assert (ran.code, ran.err) == (1, "Error: no permission: x\n")


def test_ctrl_c_is_exit_130(encas, monkeypatch):
    def interrupt(*_arguments, **_keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.group, "main", interrupt)
    ran = encas("pool")
    assert (ran.code, ran.err) == (130, "Aborted.\n")


def test_ctrl_c_says_how_to_go_on(encas, monkeypatch):
    @click.command()
    def stopped():
        raise KeyboardInterrupt("run holds what was done: go on with --resume")

    monkeypatch.setitem(cli.group.commands, "stopped", stopped)
    ran = encas("stopped")
    assert (ran.code, ran.err) == (
        130, "\nAborted. run holds what was done: go on with --resume\n",
    )  # fmt: skip


def test_encas_export_is_encas_export(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["encas-export", "--help"])
    with pytest.raises(SystemExit):
        cli.export_main()
    assert "encas export" in capsys.readouterr().out


def test_error_of_many_faults_counts_them():
    error = errors.PoolError("a", "b", where="file")
    assert str(error) == "file: 2 faults: a; b"
    assert error.faults == ("a", "b")


def test_main_without_arguments_shows_help(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["encas"])
    with pytest.raises(SystemExit):
        main()
    captured = capsys.readouterr()
    assert "Usage: encas" in captured.out + captured.err
