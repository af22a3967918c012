"""`dgkd-cache doctor`: checks this machine, and says what to change."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from dgkd_cache.device.allocator import describe_freed_memory
from dgkd_cache.device.openmp import describe_waiting
from dgkd_cache.paths import cache_folder
from dgkd_cli.app import App, json_option, pass_app
from dgkd_cli.columns import terminal_width, wrapped
from dgkd_cli.console import print_json
from dgkd_cli.humanize import size_text

__all__ = ["Finding", "doctor"]

LITTLE_DISK = 10**9
_PACKAGES = ("torch", "torchvision", "numpy", "numcodecs", "pydantic", "safetensors")
_FORMATS = {"zarr": "`GuideStore.to_zarr()`", "h5py": "`export` to HDF5 and `GuideStore.to_h5py()`"}
"""Installed with dgkd-cache, and what of it needs each: training, dumps and checks do without."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one check; `state` is ok, note (works, could be better) or problem (does not work)."""

    what: str
    found: str
    state: str = "ok"
    do: str = ""
    figures: Mapping[str, float | str | bool] = field(default_factory=dict)
    """Measured figures, for `--json`."""


@click.command()
@json_option
@pass_app
def doctor(app: App, as_json: bool) -> None:
    """Check this machine and this installation.

    Exit code 1 if something does not work. What `precision` and `channels_last` mean where they are "auto" follows
    from what the processor or GPU can do, by a table of measured reasons; nothing is measured here.

    \b
    Examples:
      dgkd-cache doctor
      dgkd-cache -w demo doctor --json
    """
    findings = [*_software(), *_processor(), *_devices(), *_decoders(), _compiler(), *_memory()]
    findings += [*_folder(app.folder), _kept()]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        lines = [(one.what, one.found, one.state, one.do) for one in findings]
        click.echo(wrapped(("check", "found", "state", "what to do"), lines, terminal_width()))
    if any(finding.state == "problem" for finding in findings):
        raise click.exceptions.Exit(1)


def _software() -> Iterator[Finding]:
    yield Finding(what="python", found=platform.python_version())
    for package in ("dgkd-cache", *_PACKAGES):
        yield _package(package, "problem", "install again: `pip install dgkd-cache`")
    for package, what in _FORMATS.items():
        yield _package(package, "note", f"{what} needs it: `pip install {package}`")
    yield _package("scikit-learn", "note", 'only the digits data set needs it: `pip install "dgkd-cache[demo]"`')


def _package(name: str, lacking: str, do: str) -> Finding:
    """Returns the version of a package; if it is not installed, the state `lacking`, and what to do."""
    try:
        return Finding(what=name, found=version(name))
    except PackageNotFoundError:
        return Finding(what=name, found="not installed", state=lacking, do=do)


def _processor() -> Iterator[Finding]:
    usable, all_of_them = len(os.sched_getaffinity(0)), os.cpu_count()
    yield Finding(what="cores", found=f"{usable} of {all_of_them} ({platform.machine()})")
    yield Finding(what="threads wait", found=describe_waiting(os.environ))
    yield Finding(what="freed memory", found=describe_freed_memory(os.environ))


def _devices() -> Iterator[Finding]:
    try:
        import torch

        from dgkd_cache.device.autotune import rule_for
        from dgkd_cache.device.device import bf16_is_native, choose, unit_of
    except (ImportError, OSError) as error:
        reason = str(error).splitlines()[0]
        yield Finding(what="import torch", found=reason, state="problem", do="install torch again")
        return
    yield Finding(what="vector unit", found=torch.backends.cpu.get_cpu_capability())
    names = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    for name in names:
        native = bf16_is_native(torch.device(name))
        title = "" if name == "cpu" else f"{torch.cuda.get_device_name(name)}, "
        yield Finding(what=name, found=f"{title}{'bf16' if native else 'no bf16'}")
        chosen, unit = choose(torch.device(name)), unit_of(torch.device(name))
        yield Finding(
            what=f'"auto" on {name}',
            found=f'precision = "{chosen.precision}", channels_last = {str(chosen.channels_last).lower()} '
            f"({unit}: {rule_for(unit).because})",
            figures={"precision": chosen.precision, "channels_last": chosen.channels_last},
        )
    if len(names) == 1:
        yield Finding(what="gpu", found="none that torch can use", do="cores do for small chains")


def _decoders() -> Iterator[Finding]:
    """Tells the libraries that decode images, by the names that `decoder` in [views] has for them."""
    try:
        from dgkd_cache.datasets.decoders import decoder_names, library_version
    except (ImportError, OSError):  # torch does not load, which is told elsewhere
        return
    for name in decoder_names():
        what = f"decoder {name}"
        try:
            yield Finding(what=what, found=library_version(name))
        except LookupError as error:
            do = f'only decoder = "{name}" needs it: `pip install "dgkd-cache[jpeg]"`'
            yield Finding(what=what, found=str(error.args[0]), state="note", do=do)


def _compiler() -> Finding:
    """Checks the compiler that torch.compile needs on a CPU."""
    wanted = os.environ.get("CXX", "clang++" if platform.system() == "Darwin" else "g++")
    found = shutil.which(wanted)
    return Finding(
        what="C++ compiler",
        found=found or f"no {wanted}",
        state="ok" if found else "note",
        do="" if found else "only training.compile needs it: install one, or name it in CXX",
    )


def _memory() -> Iterator[Finding]:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = min(total, _cgroup_limit() or total)
    container = " (limit of this container)" if limit < total else ""
    yield Finding(what="memory", found=size_text(limit) + container)


def _cgroup_limit() -> int | None:
    try:
        text = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _folder(folder: Path) -> Iterator[Finding]:
    here = folder
    while not here.is_dir():
        here = here.absolute().parent
    free = shutil.disk_usage(here).free
    yield Finding(
        what="disk",
        found=f"{size_text(free)} free in {here.resolve()}",
        state="ok" if free > LITTLE_DISK else "note",
        do="" if free > LITTLE_DISK else "guide stores may not fit; -w names another folder",
    )
    problem = _mapping_problem(here)
    yield Finding(
        what="memory mapping",
        found=problem or "works",
        state="problem" if problem else "ok",
        do="put the workspace on a disk where files can be written and mapped" if problem else "",
    )


def _kept() -> Finding:
    """Tells what is kept of image files, which can be made again."""
    try:
        from dgkd_cache.datasets.kept_files import kept_files
    except (ImportError, OSError):  # torch does not load, which is told elsewhere
        return Finding(what="kept files", found="unknown, since torch cannot be loaded", state="note")
    folder = cache_folder()
    found = kept_files(folder)
    told = ", ".join(f"{one.what} {size_text(one.nbytes)}" for one in found)
    return Finding(
        what="kept files",
        found=f"{told} in {folder}; `dgkd-cache datasets --forget` removes them",
        figures={one.what: one.nbytes for one in found},
    )


def _mapping_problem(folder: Path) -> str:
    """Returns the problem with a file that is written, synced, renamed and mapped like a store's, or ""."""
    import numpy as np

    rows_BC = np.arange(64, dtype="<f2").reshape(8, 8)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".dgkd-doctor-") as name:
            partial, path = Path(name) / "rows.partial", Path(name) / "rows"
            with partial.open("xb") as file:
                file.write(rows_BC.tobytes())
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
            mapped_BC = np.memmap(path, dtype="<f2", mode="r", shape=rows_BC.shape)
            same = bool((mapped_BC == rows_BC).all())
            del mapped_BC
    except OSError as error:
        return f"{error.strerror}: {folder.resolve()}"
    return "" if same else "a mapped file differs from what was written"
