"""Runs a click program: errors become one line and an exit code, never a traceback.

Results go to stdout, everything else to stderr. Both programs end here.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from types import FrameType
from typing import NoReturn

import click

from degradekit.errors import DegradekitError

INTERRUPTED = 130
OUR_BUG = 1
#: Environmental faults a user can mend and then run the same command again.
STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO}
USAGE = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOENT, errno.ENAMETOOLONG}


def run(program: click.Command) -> NoReturn:
    """Run ``program`` on the command line's arguments and exit with the code its outcome has.

    ``--debug`` anywhere on the command line prints the traceback as well.
    """
    debug = "--debug" in sys.argv[1:]
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        program.main(arguments, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort) as error:
        say(f"interrupted; {str(error) or 'the same command goes on from here'}")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): not an error, but Python would complain on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except DegradekitError as error:
        fail(str(error), error.exit_code, debug)
    except OSError as error:
        if error.errno in STORAGE:
            fail(f"{_about(error)}; nothing finished is lost, the same command resumes", 3, debug)
        if error.errno in USAGE:
            fail(_about(error), 2, debug)
        _our_bug(error, debug)
    except Exception as error:
        _our_bug(error, debug)
    sys.exit(0)


def say(text: str) -> None:
    """Print a line for people, on stderr."""
    click.echo(text, err=True)


def fail(text: str, code: int, debug: bool = False) -> NoReturn:
    """Print one error line and exit with ``code``."""
    if debug:
        traceback.print_exc()
    say(click.style("error: ", fg="red", bold=True) + text)
    sys.exit(code)


def _about(error: OSError) -> str:
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return f"{names[-1]}: {error.strerror}" if names else str(error.strerror or error)


def _our_bug(error: Exception, debug: bool) -> NoReturn:
    where = traceback.extract_tb(error.__traceback__)[-1]
    text = f"internal error, {type(error).__name__}: {error} ({where.filename}:{where.lineno})"
    fail(text + "" if debug else text + "; this is our mistake, --debug shows more", OUR_BUG, debug)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
