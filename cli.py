"""The commands `encas` and `encas-export`: parse, call, print; every error is one line."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence

import click

from .errors import EncasError
from .version import __version__

# command -> (module under encas.commands, attribute, help); a module is imported when it runs.
COMMANDS = {
    "bench": (
        "runtime_command",
        "bench",
        "Measure a bundle, beside the prediction and its members.",
    ),
    "client": ("client_command", "client", "Ask a server about data: accuracy, exits, latencies."),
    "compare": (
        "compare_command",
        "compare",
        "Compare algorithms over seeds: plots, tests, tables.",
    ),
    "demo": ("demo_command", "demo", "The whole loop on real data, in a few minutes."),
    "doctor": ("runtime_command", "doctor", "What works on this machine, and how to get the rest."),
    "export": ("export_command", "export", "Turn a cascade of a front into a proven bundle."),
    "front": ("front_command", "front", "Fronts: show, evaluate on another pool."),
    "nat": ("nat_command", "nat", "Adapt supernetworks to data: pools without trained models."),
    "pool": ("pool_command", "pool", "Pools of stored outputs: build, import, split, show, ..."),
    "profile": ("runtime_command", "profile", "Measure members' latencies on a device."),
    "report": ("report_command", "report", "Write fronts as one HTML page that opens offline."),
    "run": ("runtime_command", "run", "Run a bundle over data."),
    "search": ("search_command", "search", "Search a pool for a front of cascades."),
    "select": ("select_command", "select", "Choose one cascade of a front, and certify it."),
    "serve": ("serve_command", "serve", "Serve bundles over HTTP and gRPC (protocol v2)."),
    "triton": ("triton_command", "triton", "Write bundles as a model repository of NVIDIA Triton."),
    "tune": ("tune_command", "tune_command", "Search, measure and correct until times are true."),
    "verify": ("export_command", "verify", "Prove a bundle again: hashes, numbers, decisions."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported only when they run, so that `encas` starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, attribute, _ = COMMANDS[cmd_name]
        return getattr(importlib.import_module(f"{__package__}.commands.{module}"), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the table of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][2]) for name in self.list_commands(ctx)])


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
