"""Finds the models that `run` and `run --remake` would make, and why. Reads the data set, makes nothing.

It finds states as `run` does, and refuses what `run` refuses before it trains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dgkd_cache.errors import DgkdError, Incomplete
from dgkd_cache.progress import Progress
from dgkd_cache.workspace.chain_check import check_chain, damaged_runs
from dgkd_cache.workspace.chain_state import ChainState, ModelState
from dgkd_cache.workspace.run_inputs import Change
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["ModelPreview", "preview_chain"]


@dataclass(frozen=True, kw_only=True)
class ModelPreview:
    """One model: its state, and what would become of it.

    `state` is `done`, `missing`, `begun`, `stale` or `damaged`. `train` and `dump` say what `run --remake`
    would do: `keep`, `make`, `continue`, `again`, or for a store that no later model needs, "". Unless
    `exit_code` is 0, `run` alone would stop at this model with it.
    """

    model: str
    guides: tuple[str, ...]
    state: str
    why: str
    changes: tuple[Change, ...]
    train: str
    dump: str
    exit_code: int
    adopt: str = ""
    """The command that `run` cannot do without, even with `--remake`: for a model that is to be adopted (again)."""
    after: tuple[str, ...] = ()
    """Guides, and its source, that are made before it: a finished run is kept if they come out as they were."""

    @property
    def line(self) -> str:
        """The preview in words, after the model's name."""
        if self.adopt:
            why = "not adopted" if self.state == "missing" else f"{self.state} ({self.why})"
            return f"{why}: `{self.adopt}` adopts it"
        again = _again(self.train, self.dump)
        if self.state == "damaged":
            return f"damaged ({self.why}): {again}"
        if self.exit_code and self.train == "keep":
            why = self.why.replace("the store's ", "its ")
            return f"its store is stale because {why}: {again}"
        if self.exit_code:
            return f"stale because {self.why}: {again}"
        then = ", then dumped" if self.dump else ""
        under = f" under {', '.join(self.guides)}" if self.guides else ""
        begun = self.state == "begun"
        if self.train == "make":
            return f"missing: would be trained{under}{then}"
        if self.train == "again":
            kind = "guide" if set(self.after) <= set(self.guides) else "model"
            guides = kind if len(self.after) == 1 else f"{kind}s"
            return f"{'begun' if begun else 'done'}: {again}, after its {guides} {', '.join(self.after)}"
        if self.after:
            kept = "begun: continued" if begun else "done: kept"
            got = "the store of {} gets the seal" if len(self.after) == 1 else "the stores of {} get the seals"
            if not set(self.after) <= set(self.guides):
                got = "{} comes out" if len(self.after) == 1 else "{} come out"
                return f"{kept} if {got.format(', '.join(self.after))} as it was, else {_again('again', self.dump)}"
            stores = got.format(", ".join(self.after))
            return f"{kept} if {stores} that it was made with, else {_again('again', self.dump)}"
        if self.train == "continue":
            return f"begun: its training would be continued{then}"
        return {
            "make": "done, not dumped: would be dumped",
            "continue": "done, its dump is begun: would be continued",
        }.get(self.dump, "done, kept")


def preview_chain(ws: Workspace, *, device: str, progress: Progress) -> list[ModelPreview]:
    """Returns a preview of each model of the chain; changes and locks nothing.

    Raises what `run_chain` raises before it trains, but for what is stale or damaged.
    """
    damaged = damaged_runs(ws)
    state = ChainState(ws, device, without=damaged)
    check_chain(ws, trained=state.trained, to_dump=state.to_dump, progress=progress)
    found: dict[str, ModelPreview] = {}
    for name in ws.chain:
        found[name] = _preview(ws, name, state.of(name), damaged.get(name), list(found.values()))
    return list(found.values())


def _preview(
    ws: Workspace, name: str, state: ModelState, damage: DgkdError | None, before: Sequence[ModelPreview]
) -> ModelPreview:
    guides, teaches = ws.guides_for(name), ws.teaches(name)
    source = ws.member(name).what if ws.member(name).kind == "pruned" else None
    needed = [one for one in before if one.model in guides or one.model == source]
    remade = [one for one in needed if "again" in (one.train, one.dump if one.model in guides else "")]
    again = tuple(one.model for one in remade if one.state != "damaged")
    opened = [one for one in needed if (one.dump if one.model in guides else one.train) != "keep" or one.after]
    open_ = tuple(one.model for one in opened)
    told, why, after = state.state, _why(state), tuple[str, ...]()
    train, dump = {"done": "keep", "begun": "continue"}.get(state.run, "make"), ""
    if state.waits_for:
        train = "keep" if state.kept else "continue"
        told = "begun" if not state.kept else "done" if told != "stale" else told
    if damage is not None:
        told, why, train = "damaged", damage.problem, "again"
    elif state.run == "stale":
        train = "again"
    elif again and train != "make":
        train, after = "again", again
    elif train != "make":  # the weights of a damaged guide may come out as they were
        after = open_
    if teaches:
        stored = {"done": "keep", "missing": "make", "begun": "continue", "stale": "again"}[state.store]
        dump = stored if train == "keep" else "again" if train == "again" else "make"
    adopt, code = "", damage.exit_code if damage is not None else 13 if state.state == "stale" else 0
    if ws.member(name).kind == "adopted" and (damage is not None or state.run != "done"):
        adopt, train = ws.adopt_command(ws.run_name(name)), "keep"
        code = code or Incomplete.exit_code
    return ModelPreview(
        model=name,
        guides=guides,
        state=told,
        why=why,
        changes=state.changes,
        train=train,
        dump=dump,
        exit_code=code,
        adopt=adopt,
        after=after,
    )


def _why(state: ModelState) -> str:
    return "it is a model of unknown inputs" if state.run == "stale" and not state.changes else state.why


def _again(train: str, dump: str) -> str:
    what = "dump it" if (train, dump) == ("keep", "again") else "train and dump it" if dump else "train it"
    return f"`--remake` would {what} again"
