"""From exceptions to exit codes: one clear message on stderr, never a traceback for what a user or the world did."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from petra.errors import InputError, PetraError

DONE, BROKEN_PROMISE, BAD_INPUT, WORLD_FAILED, INTERRUPTED = 0, 1, 2, 3, 130


@contextmanager
def guarded() -> Iterator[None]:
    """Run a verb's body; end with the exit code that its failure deserves."""
    try:
        yield
    except InputError as error:
        for problem in error.problems:
            typer.echo(f"petra: {problem}", err=True)
        raise typer.Exit(BAD_INPUT) from error
    except PetraError as error:
        typer.echo(f"petra: {error}", err=True)
        raise typer.Exit(WORLD_FAILED) from error
    except KeyboardInterrupt as error:
        typer.echo("petra: stopped by Ctrl-C; nothing was kept", err=True)
        raise typer.Exit(INTERRUPTED) from error
