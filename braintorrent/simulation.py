"""Runs and sweeps from a program: the same work as the commands do, and the same bytes.

What is heavy is imported when something is run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sim.cli.terminal import STORE_LIMIT
from sim.faults import FAULTS, Fault
from sim.protocols import PROTOCOLS, Protocol
from sim.record.code import activate, read
from sim.record.errors import ScenarioError
from sim.scenario import Scenario, grid, load

if TYPE_CHECKING:
    from analysis import Results
    from sim.cli.work import Finished

__all__ = [
    "RunsFailed",
    "Scenario",
    "ScenarioError",
    "load_scenario",
    "run",
    "show",
    "sweep",
    "use_code",
]

One = TypeVar("One", str, int)
Work = Scenario | Mapping[str, Any] | str | Path
"""A scenario, its settings as in YAML, or a file's or a shipped one's name."""
Code = str | Path | type
"""A file, a folder or an importable module with code of the user's own, or a class of it."""


class RunsFailed(RuntimeError):
    """Some runs could not be done; the text says which, and why.

    All else is written, and `results` has it: what has failed is among its `missing`.
    """

    def __init__(self, text: str, results: Results) -> None:
        super().__init__(text)
        self.results = results


def use_code(code: Code | Sequence[Code]) -> None:
    """Let scenarios name kinds of the user's own, until other code is given.

    Those of a file `my_code.py` are called `my_code.Gossip`, a class that a notebook defines
    `Gossip`. What computes numbers (a network, task, partition, metric or loss) has to be in a
    file: models are named by what it does, and workers need it. Raises ScenarioError for code that
    can't be read.
    """
    given = [code] if isinstance(code, str | Path | type) else list(code)
    classes = _by_name([one for one in given if isinstance(one, type)])
    activate(read([str(one) for one in given if not isinstance(one, type)]), classes)


def _by_name(classes: Sequence[type]) -> dict[str, type]:
    """Each by its own name. Raises ScenarioError for what can't be used under that alone."""
    found: dict[str, type] = {}
    for one in classes:
        name = one.__name__
        if not issubclass(one, Protocol | Fault):
            what = "is neither a protocol nor a fault"
        elif name in PROTOCOLS or name in FAULTS:
            what = "is the name of one of braintorrent's own"
        elif found.setdefault(name, one) is not one:
            what = "is the name of two"
        else:
            continue
        raise ScenarioError(
            f"code: {name} {what}; allowed: its file, in which it is called file.{name}"
        )
    return found


def load_scenario(
    path_or_name: str | Path,
    overrides: Sequence[str] = (),
    *,
    code: Code | Sequence[Code] | None = None,
) -> Scenario:
    """The scenario in a YAML file, or the shipped one of that name; `overrides` as "PATH=VALUE".

    `code`: see `use_code`. Raises ScenarioError with all mistakes, a line each.
    """
    if code is not None:
        use_code(code)
    return load(path_or_name, overrides)


def run(
    scenario: Work,
    *,
    code: Code | Sequence[Code] | None = None,
    accept_code: bool = False,
    out: str | Path | None = None,
    protocols: str | Sequence[str] = (),
    seeds: int | Sequence[int] = (),
    workers: int | Literal["auto"] = "auto",
    store_limit: str = STORE_LIMIT,
    scheduler: str | None = None,
    progress: bool = True,
) -> Results:
    """Run a scenario, or continue it, and load its results; a finished one is only loaded.

    `scenario`: one that was built or loaded, its settings as in YAML, or a file's or a shipped
    one's name. `code`: see `use_code`. `accept_code`: where that has changed since, make the
    folder's tables anew. `out`: the result folder, `results/<name>` by default. `protocols`,
    `seeds`: only these of the scenario's. `workers`: processes, 0 for none beside this one, "auto"
    for one a core where that is done sooner. `store_limit`: how much disk the models under way may
    take. `scheduler`: a Dask cluster's address, or its scheduler file, to train there instead.
    `progress`: whether to show on standard error how far it is, and to say the cautions at its end.

    Raises ScenarioError for a mistake, before anything is run, and RunsFailed when all the rest is
    done. What KeyboardInterrupt breaks off, the same call continues.
    """
    from sim.cli import work

    means = work.Means(workers, store_limit, scheduler, accept_code=accept_code, progress=progress)
    wanted = _scenario(scenario, code)
    done = work.run(wanted, _folder(out), means, _several(protocols), _several(seeds))
    return _results(done, progress)


def sweep(
    scenario: Work,
    vary: Mapping[str, Any] | None = None,
    *,
    code: Code | Sequence[Code] | None = None,
    accept_code: bool = False,
    tune: str | Sequence[str] = (),
    seeds: int | None = None,
    protocols: str | Sequence[str] = (),
    out: str | Path | None = None,
    workers: int | Literal["auto"] = "auto",
    store_limit: str = STORE_LIMIT,
    scheduler: str | None = None,
    progress: bool = True,
) -> Results:
    """Run a scenario over a grid of settings; what its points share is trained once. See `run`.

    `vary`: by path its values, a list, or text as "0:0.5:0.1"; several paths are crossed, with each
    other and with those of the scenario's own `sweep`. `tune`: varied paths whose best value, on
    validation data, counts. `seeds`: the seeds 0 to seeds - 1 instead of the scenario's. `out`:
    `results/<name>_sweep` by default.
    """
    from sim.cli import work

    means = work.Means(workers, store_limit, scheduler, accept_code=accept_code, progress=progress)
    chosen = _several(protocols)
    wanted = grid(_scenario(scenario, code), (), vary or {}, seeds, chosen, tune=_several(tune))
    return _results(work.sweep(wanted, _folder(out), means), progress)


def show(results: Results) -> None:
    """Print the tables that the commands end with, and the cautions: what came of each protocol."""
    from sim.cli.reading import show as print_tables

    print_tables(results)


def _scenario(work: Work, code: Code | Sequence[Code] | None) -> Scenario:
    if code is not None:
        use_code(code)
    if isinstance(work, Scenario):
        return work
    return Scenario(**work) if isinstance(work, Mapping) else load(work)


def _folder(out: str | Path | None) -> Path | None:
    return None if out is None else Path(out)


def _several(chosen: One | Sequence[One]) -> list[One]:
    return [chosen] if isinstance(chosen, str | int) else list(chosen)


def _results(finished: Finished, cautions: bool) -> Results:
    """What is in the folder now. Raises RunsFailed if not all of it could be done."""
    from analysis import load
    from sim.cli.cautions import caution_lines
    from sim.cli.terminal import say

    results = load(finished.folder)
    for line in caution_lines(results) if cautions else ():
        say(line)
    if failures := list(finished.failures()):
        raise RunsFailed("\n".join(failures), results)
    return results
