"""Runs `dgkd-cache` as `python -m dgkd_cli`; nothing is imported from the current folder.

`python -m` puts that folder first on the module path: a torch.py in it would run instead of torch. It is removed before
any import that Python has not made itself; even `__future__` could be a file there.
"""

import os
import sys


def _leave_out_the_current_folder() -> None:
    try:
        here = os.getcwd()
    except OSError:  # deleted: Python has added nothing for it
        return
    if not sys.flags.safe_path and sys.path[:1] == [here]:
        del sys.path[0]


def entry() -> None:
    """Runs the console script. Ctrl-C while modules are loaded is a clean stop, too."""
    try:
        from dgkd_cli.main import entry as run
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: nothing was begun\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    _leave_out_the_current_folder()
    entry()
