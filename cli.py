# click hands a context to every method of a group, whether it needs one or not.
# ruff: noqa: ARG002
"""The commands `encas` and `encas-export`: parse, call, print; every error is one line."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Mapping, Sequence

import click

from .commands.command_table import ALONE, NOUNS, SHORT, STATIONS, CommandEntry, Noun
from .errors import EncasError
from .version import __version__

HELP = {"help_option_names": ["-h", "--help"]}


class NounGroup(click.Group):
    """The verbs of a noun, each imported only when it runs."""

    def __init__(self, name: str, noun: Noun) -> None:
        super().__init__(name, help=noun.text, context_settings=HELP)
        self._noun = noun

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of the table."""
        return list(self._noun.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a verb, imported now."""
        entry = self._noun.verbs.get(cmd_name)
        return _imported(entry) if entry else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts the default verb before options that follow the noun."""
        is_option = bool(args) and args[0].startswith("-") and args[0] not in ctx.help_option_names
        if self._noun.default and is_option:
            args = [self._noun.default, *args]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the verbs without importing their commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.text) for name, entry in self._noun.verbs.items()])


class LoopGroup(click.Group):
    """The nouns, their short forms, and the commands that stand alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the loop."""
        return [name for names in STATIONS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The noun, or the command of a short form, imported now."""
        if cmd_name in NOUNS:
            return NounGroup(cmd_name, NOUNS[cmd_name])
        entry = _short_entries().get(cmd_name)
        return _imported(entry) if entry else super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands by the loop's stations, without importing them."""
        entries = _short_entries()
        for station, names in STATIONS.items():
            with formatter.section(station):
                formatter.write_dl([(name, _line(name, entries)) for name in names])


def _short_entries() -> dict[str, CommandEntry]:
    short = {name: NOUNS[noun].verbs[verb] for name, (noun, verb) in SHORT.items()}
    return {**short, **ALONE}


def _line(name: str, entries: Mapping[str, CommandEntry]) -> str:
    if name in NOUNS:
        return f"{NOUNS[name].text} Verbs: {', '.join(NOUNS[name].verbs)}."
    return entries[name].text


def _imported(entry: CommandEntry) -> click.Command:
    module = importlib.import_module(f"{__package__}.commands.{entry.module}")
    return getattr(module, entry.attribute)


@click.group(cls=LoopGroup, context_settings=HELP, subcommand_metavar="NOUN VERB [ARGS]...")
@click.version_option(__version__, prog_name="encas")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def group(debug: bool) -> None:
    """Cascades of image classifiers: search, export, prove, run, measure, serve.

    A noun is what the first argument is. `search`, `export`, `run` and the like are short for
    `pool search`, `front export`, `bundle run`, ...
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point of `encas`."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        code = group.main(args=arguments, prog_name="encas", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt) as stop:
        # click makes an Abort of a KeyboardInterrupt, which may say how to go on.
        click.echo(f"Aborted. {stop.__cause__ or stop}".rstrip(), err=True)
        code = 130
    except (EncasError, OSError) as error:
        if debug:
            traceback.print_exc()
        click.echo(f"Error: {error}", err=True)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def export_main() -> None:
    """The entry point of `encas-export`, the same as `encas export`."""
    main(["export", *sys.argv[1:]])
