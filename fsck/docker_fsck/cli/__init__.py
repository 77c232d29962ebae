"""Where the program begins and ends: parse, hand over, turn every end into an exit status; nothing heavy is imported before."""

import contextlib
import gc
import os
import sys

from docker_fsck import errors
from docker_fsck.cli import options
from docker_fsck.cli.interrupts import like_ctrl_c


def run() -> int:
    """The console script: the exit status of a run with the process's own arguments."""
    like_ctrl_c()
    gc.disable()  # a run is short, makes a million small values and no cycles: a fifth of the time on 20,000 layers
    status = main(sys.argv[1:])
    gc.freeze()  # nor has the interpreter to look for cycles when it ends: an eighth of the time on a small root
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        if stream is not None:  # None: the process was started without it
            try:
                stream.flush()
            except OSError:  # its reader went away, the disk is full; Python would complain when it flushes once more
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    return status


def main(argv: list[str]) -> int:
    """Run one command line; returns the bits of interface section 4. Never raises, save for what ends a test."""
    try:
        return _run(argv)
    except SystemExit as end:  # argparse after --help and --version
        return end.code if isinstance(end.code, int) else errors.USAGE
    except errors.FsckError as error:
        return _failed(argv, error)
    except KeyboardInterrupt:
        return _complain("interrupted; nothing was changed", errors.INTERRUPTED)
    except BrokenPipeError:  # only help and version write unguarded
        return 0
    except Exception as error:  # noqa: BLE001 - Python's own end of a run, a traceback and 1, would say that all is mended
        return _failed(argv, errors.Incomplete(_unexpected(error)))


def _run(argv: list[str]) -> int:
    command, given = options.parse(argv)
    from docker_fsck.cli.start import start  # noqa: PLC0415 - after parsing, so that --help and --version stay quick

    return start(command, given, argv)


def _failed(argv: list[str], error: errors.FsckError) -> int:
    try:
        _tell_monitoring(argv, error)
    except Exception as more:  # noqa: BLE001 - as in `main`
        _complain(_unexpected(more), errors.INCOMPLETE)
    return _complain(str(error), error.exit_bit)


def _unexpected(error: Exception) -> str:
    return f"internal error, the verdict is incomplete: {type(error).__name__}: {error}"


def _tell_monitoring(argv: list[str], error: errors.FsckError) -> None:
    """Write to the files of --report that there is no report, if any may have been asked for."""
    asked = any(word.startswith(("--report", "--format")) for word in argv) or "DOCKER_FSCK_REPORT" in os.environ
    if not asked and not os.path.exists("/etc/docker-fsck/config.toml"):  # noqa: PTH110 - before anything is imported
        return
    from docker_fsck.cli.terminal import Terminal  # noqa: PLC0415 - only where something was asked for
    from docker_fsck.cli.unreported import before_start  # noqa: PLC0415

    shown, problems = before_start(argv, os.environ, error)
    if shown:
        Terminal(os.environ).data(shown)
    for problem in problems:
        if problem != str(error):
            _complain(problem, error.exit_bit)


def _complain(message: str, bit: int) -> int:
    """One line on standard error, as far as that can be written."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(f"docker-fsck: {message}", file=sys.stderr)
    return bit
