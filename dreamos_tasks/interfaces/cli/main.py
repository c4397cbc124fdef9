"""The entry point of `dreamos-tasks` and `dt`: parses, runs a verb, and turns whatever happens into an exit code."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

import click

import dreamos_tasks
from dreamos_tasks.errors import DreamosError, UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.lazy_group import SHORT_HELP, LazyGroup
from dreamos_tasks.interfaces.cli.option import Option
from dreamos_tasks.interfaces.cli.output import OutputLost
from dreamos_tasks.interfaces.cli.streams import open_streams, text_arguments
from dreamos_tasks.interfaces.cli.verb import global_options

INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it


class InternalError(DreamosError):
    """Something nobody thought of."""

    code = "internal"


@click.pass_context
def _root(ctx: click.Context, version: bool) -> None:
    if version:
        _show_version(ctx.obj)
    elif ctx.invoked_subcommand is None:
        ctx.obj.out.line(SHORT_HELP)


root = LazyGroup(
    "dt",
    callback=_root,
    invoke_without_command=True,
    params=[*global_options(), Option(["--version"], is_flag=True, help="Show the version.")],
)


def main() -> None:
    """Run the command that the program was called with, and exit with its code."""
    open_streams()
    code = run(sys.argv[1:])
    if threading.active_count() > 1:
        sys.exit(code)
    # All is closed and flushed. Taking the interpreter apart would take as long again as a command that agents call in a loop.
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


def run(args: Sequence[str]) -> int:
    """Run one command; gives its exit code (see the errors' `exit_code`). Whatever is to be said has been said."""
    call = Call()
    call.out.as_json = _asks_for_json(args)  # for errors of the parsing itself
    try:
        code = _run(call, args)
        call.out.flush()
        return code
    except BrokenPipeError:
        _send_stdout_nowhere()
        return call.exit_code  # nobody reads on; what was done is done
    except OutputLost as error:
        _send_stdout_nowhere()
        return _say(call, error)
    finally:
        call.close()


def _run(call: Call, args: Sequence[str]) -> int:
    program = _program_name()
    if f"_{program.upper().replace('-', '_')}_COMPLETE" in os.environ:
        root.main(list(args), prog_name=program, obj=call)  # writes completions and exits
    try:
        with root.make_context(program, text_arguments(args), obj=call) as ctx:
            root.invoke(ctx)
        return call.exit_code
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.UsageError as error:
        return _say(call, _usage_error(error))
    except click.ClickException as error:
        return _say(call, UsageError(error.format_message()))
    except OutputLost:
        raise
    except DreamosError as error:
        if call.debug:
            _show_traceback()
        return _say(call, error)
    except (KeyboardInterrupt, click.exceptions.Abort):
        call.out.note("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  a person is told in one line, whatever it was
        if call.debug:
            _show_traceback()
        words = str(error).partition("\n")[0]
        unexpected = InternalError(
            f"something unexpected happened: {type(error).__name__}" + (f": {words}" if words else ""),
            cause="a fault in dreamos-tasks, or in what surrounds it",
            fix="the same command with --debug shows where; dt doctor checks the machine",
        )
        return _say(call, unexpected)


def _send_stdout_nowhere() -> None:
    """What is left in the buffer goes to /dev/null: Python would try to write it once more at its end, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    sys.stdout.flush()


def _say(call: Call, error: DreamosError) -> int:
    call.out.error(error)
    return error.exit_code


def _usage_error(error: click.UsageError) -> UsageError:
    """click's complaint in our form."""
    path = error.ctx.command_path if error.ctx is not None else "dt"
    fix = f"{path} --help"
    examples = getattr(error.ctx.command, "examples", ()) if error.ctx is not None else ()
    if examples:
        fix = f"for example: {examples[0]} ({fix} lists all there is to say)"
    if isinstance(error, click.NoSuchOption | click.exceptions.NoSuchCommand):
        message = error.message
        if error.possibilities:
            fix = f"did you mean {' or '.join(error.possibilities)}? ({path} --help lists all)"
    else:
        message = error.format_message()
    return UsageError(message[:1].lower() + message[1:].rstrip("."), fix=fix)


def _asks_for_json(args: Sequence[str]) -> bool:
    before_operands = args[: args.index("--")] if "--" in args else args
    return "--json" in before_operands or "--jsonl" in before_operands


def _program_name() -> str:
    name = os.path.basename(sys.argv[0])
    return name if name in ("dt", "dreamos-tasks") else "dt"


def _show_traceback() -> None:
    import traceback

    traceback.print_exc()


def _show_version(call: Call) -> None:
    if not call.out.as_json:
        call.out.line(f"dreamos-tasks {dreamos_tasks.__version__}")
        return
    import apsw

    python = ".".join(map(str, sys.version_info[:3]))
    call.out.document({"version": dreamos_tasks.__version__, "python": python, "sqlite": apsw.sqlite_lib_version()})


if __name__ == "__main__":
    main()
