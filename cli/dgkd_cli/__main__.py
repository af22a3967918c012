"""`python -m dgkd_cli` is `dgkd-cache`, and starts here; nothing is imported from the current folder.

`python -m` puts that folder first on the module path: a torch.py in it would run in place of torch. It is taken out
before anything is imported that Python has not loaded itself; even `__future__` is a file, which may lie there.
"""

import os
import sys


def _leave_out_the_current_folder() -> None:
    try:
        here = os.getcwd()
    except OSError:  # deleted: Python has put nothing there
        return
    if not sys.flags.safe_path and sys.path[:1] == [here]:
        del sys.path[0]


def entry() -> None:
    """The console script. Ctrl-C while modules are loaded is a clean stop, too: nothing was begun."""
    try:
        from dgkd_cli.main import entry as run
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: nothing was begun\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    _leave_out_the_current_folder()
    entry()
