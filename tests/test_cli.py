import click
import pytest

from encas import cli, errors
from encas.cli import COMMANDS, main


def test_help_lists_every_command(encas):
    ran = encas("--help")
    assert ran.code == 0
    for name in COMMANDS:
        assert f"  {name} " in ran.out


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_help_has_an_example(encas, name):
    ran = encas(name, "--help")
    assert ran.code == 0
    subcommands = [line.split()[0] for line in ran.out.partition("Commands:\n")[2].splitlines()]
    pages = [encas(name, sub, "--help").out for sub in subcommands] or [ran.out]
    assert all("Example: encas" in page for page in pages)


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
