"""The commands `encas` and `encas-export`: parse, call, print; every error is one line."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence

import click

from .errors import EncasError
from .version import __version__

# command -> (module under encas.commands, attribute); a module is imported when its command runs.
COMMANDS = {
    "bench": ("runtime", "bench"),
    "demo": ("demo", "demo"),
    "doctor": ("runtime", "doctor"),
    "export": ("export", "export"),
    "front": ("front", "front"),
    "pool": ("pool", "pool"),
    "profile": ("runtime", "profile"),
    "report": ("report", "report"),
    "run": ("runtime", "run"),
    "search": ("search", "search"),
    "select": ("front", "select"),
    "verify": ("export", "verify"),
}


class LazyGroup(click.Group):
    """A group whose commands are imported only when asked for, so that `encas` starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, attribute = COMMANDS[cmd_name]
        return getattr(importlib.import_module(f"{__package__}.commands.{module}"), attribute)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="encas")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def group(debug: bool) -> None:
    """Cascades of image classifiers: search, export, prove, run, measure, serve."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point of `encas`."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        group.main(args=arguments, prog_name="encas", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Aborted.", err=True)
        sys.exit(130)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except EncasError as error:
        if debug:
            traceback.print_exc()
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


def export_main() -> None:
    """The entry point of `encas-export`, the same as `encas export`."""
    main(["export", *sys.argv[1:]])
