"""From a result folder's kept model to the segmentation of one subject, as files."""

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from numpy.linalg import norm

from models.prediction import (
    Cohort,
    GridName,
    Placed,
    Prediction,
    Subject,
    placed,
    predicted,
    volume,
)
from models.tasks import TASKS
from sim.compute import one_thread
from sim.record.errors import Place, Refusal, ScenarioError, scenario_error
from sim.record.folder import (
    MODEL_SUFFIX,
    MODELS_FOLDER,
    RUN_FILE,
    RUNS_FOLDER,
    SCENARIO_FILE,
    read_record,
    whole,
)
from sim.record.points import file_part, read_sweep
from sim.record.rows import AGGREGATE, CLIENT, POOLED, SERVER, STAGES, FinalModel
from sim.results import kept
from sim.results.folder import holds_sweep
from sim.runs.build import mistakes_placed
from sim.scenario import Scenario, load

ENDING = ".nii.gz"
_FIRST = (AGGREGATE, SERVER, POOLED)
_SHOWN = 20


@dataclass(frozen=True)
class Choice:
    """Which model and which subject; what is None is the only one, or the first."""

    point: str | None = None
    protocol: str | None = None
    seed: int | None = None
    node: str | None = None
    stage: str | None = None
    subject: str | None = None
    grid: str = "scan"
    """On whose voxels the file has its labels, of `GridName`."""


@dataclass(frozen=True)
class Segmented:
    """A subject, what a model made of it, and the files that tell of it."""

    scenario: str
    model: FinalModel
    subject: Subject
    structures: tuple[str, ...]
    prediction: Prediction
    written: Placed
    """What the file holds."""
    volume_file: Path
    labels_file: Path
    picture_file: Path
    """Where a picture of it belongs; nothing is drawn here."""

    @property
    def whose(self) -> str:
        """The node that has the model and, of a client's two, which."""
        node, stage = self.model.node, self.model.stage
        return f"{node} ({stage})" if stage and node.startswith(CLIENT) else node

    @property
    def grid(self) -> str:
        """On which voxels the file has its labels."""
        whose = "scan's own" if self.written.is_scan else "network's"
        return f"the {whose} grid of {' x '.join(map(str, self.written.labels.shape))} voxels"

    @property
    def title(self) -> str:
        """Whose model, which subject, and how well they agree on the network's grid."""
        model, subject, dice = self.model, self.subject, self.prediction.dice
        known = "held out" if subject.held_out else "trained on"
        agreed = (
            "no structure to find"
            if math.isnan(dice)
            else f"Dice {dice:.3f} on {_spacing(subject)}"
        )
        return (
            f"{self.scenario}: {model.protocol} seed {model.seed}, {self.whose}\n"
            f"{subject.name} (site {subject.site}, {known}): {agreed}"
        )


def _spacing(subject: Subject) -> str:
    """The network's grid, on which scores are taken, by the size of its voxels."""
    sizes_mm = dict.fromkeys(f"{size:.3g}" for size in norm(subject.affine[:3, :3], axis=0))
    return f"the network's {' x '.join(sizes_mm)} mm grid"


def cohort_in(scenario: Scenario, seed: int, tell: Callable[[str], None]) -> Cohort:
    """The subjects that a scenario's run of that seed has.

    Raises ScenarioError if there are none to be had.
    """
    if not scenario.task.segments:
        what = f"{scenario.task.name} has no subjects"
        raise scenario.mistake(("task", "name"), what, ", ".join(_segmenting()))
    with mistakes_placed(scenario, seed):
        return scenario.task.of_seed(seed).cohort(scenario.clients.count, tell)


def _segmenting() -> list[str]:
    """The names of the tasks that have subjects."""
    return [name for name, kind in TASKS.items() if kind.segments]


def segmented(
    folder: Path, choice: Choice, out: Path | None, tell: Callable[[str], None]
) -> Segmented:
    """Write a subject's segmentation and, beside it, what its numbers mean (id, name).

    On the grid of the subject's scan, or of the network where there is none or that is chosen.
    `out`: a .nii.gz file; by default in `folder`, named after the model and the subject. Raises
    ScenarioError for a choice that the folder doesn't have, and where nothing can be read or
    written.
    """
    if out is not None and not out.name.endswith(ENDING):
        raise ScenarioError(f"--out {out}: unknown ending; allowed: {ENDING}")
    if choice.grid not in (known := get_args(GridName)):
        raise ScenarioError(f"--grid {choice.grid}: unknown; allowed: {', '.join(known)}")
    scenario, place, point = _result(folder, choice.point)
    path, seed = _model_file(place, choice)
    cohort = cohort_in(scenario, seed, tell)
    with mistakes_placed(scenario, seed):
        subject = _subject(cohort, choice.subject)
        model, prediction = _prediction(scenario, path, cohort, subject)
        written = placed(prediction.labels, subject, cast(GridName, choice.grid))
        content = volume(written)
    run = [model.protocol, f"seed{model.seed}", path.stem, file_part(subject.name)]
    target = out or folder / ("-".join([*point, *run]) + ENDING)
    stem = target.name.removesuffix(ENDING)
    done = Segmented(
        scenario.name,
        model,
        subject,
        cohort.structures,
        prediction,
        written,
        target,
        target.with_name(f"{stem}.csv"),
        target.with_name(f"{stem}.png"),
    )
    _write(done, content)
    return done


def _result(folder: Path, point: str | None) -> tuple[Scenario, Path, list[str]]:
    """The scenario of a run or of a sweep's point, its folder, and the point's name if any."""
    if holds_sweep(folder):
        points = [one.name for one in read_sweep(folder)[0].points]
        name = _chosen(folder, "point", point, points)
        place, named = folder / RUNS_FOLDER / name, [name]
        scenario = load(place / SCENARIO_FILE)
    else:
        scenario, place, named = load(folder / SCENARIO_FILE), folder, []
        if point is not None:
            raise ScenarioError(f"--point {point}: {folder} is no sweep; allowed: no --point")
    if not scenario.task.segments:
        what = f"the task {scenario.task.name} has no segmentation"
        allowed = f"results of the tasks {' and '.join(_segmenting())}"
        raise ScenarioError(f"{folder}: {what}; allowed: {allowed}")
    return scenario, place, named


def _model_file(place: Path, choice: Choice) -> tuple[Path, int]:
    """Where a kept model lies, and the seed of its run."""
    read_record(place / RUN_FILE)  # Refused, if it is of another format.
    models = place / MODELS_FOLDER
    if not any(models.glob(f"*/*/*{MODEL_SUFFIX}")):
        raise ScenarioError(
            f"{place}: keeps no models; allowed: results of a scenario with "
            "output: {keep_models: final}"
        )
    protocol = _chosen(place, "protocol", choice.protocol, _names(models))
    seed = None if choice.seed is None else str(choice.seed)
    seed = _chosen(place, "seed", seed, sorted(_names(models / protocol), key=int))
    with _damage_told():
        files = (models / protocol / seed).glob(f"*{MODEL_SUFFIX}")
        found = [kept.described(file) for file in files]
    # A reference's models have no stage, and count at either.
    stages = [stage for stage in STAGES if any(one.stage == stage for one in found)] or STAGES
    stage = _chosen(place, "stage", choice.stage, stages, default=stages[0])
    at_stage = {one.node: one for one in found if one.stage in ("", stage)}
    nodes = sorted(at_stage, key=_rank)
    node = _chosen(place, "node", choice.node, nodes, default=nodes[0])
    return kept.path_of(place, protocol, int(seed), node, at_stage[node].stage), int(seed)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def _rank(node: str) -> tuple[int, int, str]:
    """Models of all clients first, then the clients by number."""
    first = _FIRST.index(node) if node in _FIRST else len(_FIRST)
    return first, len(node), node


def _subject(cohort: Cohort, name: str | None) -> Subject:
    # Those that nobody has seen come first.
    order = {"test": 0, "validation": 1, "training": 2}
    subjects = sorted(cohort.subjects, key=lambda one: order[one.split])
    if name is None:
        return subjects[0]
    for subject in subjects:
        if subject.name == name:
            return subject
    raise ScenarioError(
        f"--subject {name}: not in the cohort; allowed: {_listed(one.name for one in subjects)}"
    )


def _chosen(
    folder: Path,
    what: str,
    chosen: str | None,
    among: Iterable[str],
    default: str | None = None,
) -> str:
    known = list(among)
    if chosen is None and len(known) == 1:
        return known[0]
    if chosen is None and default is None:
        raise ScenarioError(f"--{what}: is needed, one of several; allowed: {_listed(known)}")
    found = chosen or default
    if found not in known:
        raise ScenarioError(f"--{what} {found}: not in {folder}; allowed: {_listed(known)}")
    return found


def _listed(names: Iterable[str]) -> str:
    known: Sequence[str] = list(names)
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return ", ".join(known[:_SHOWN]) + more


def _prediction(
    scenario: Scenario, path: Path, cohort: Cohort, subject: Subject
) -> tuple[FinalModel, Prediction]:
    try:
        with _damage_told(), one_thread():
            model, tensors = kept.read(path)
            assert scenario.model is not None  # Who segments learns.
            return model, predicted(scenario.model, tensors, cohort, subject)
    except Refusal as refusal:
        raise scenario_error(
            Place(str(path), 0), refusal.path, refusal.what, refusal.allowed
        ) from None
    except ValueError as problem:
        raise ScenarioError(
            f"{path}: {problem}; allowed: a model of the scenario beside it"
        ) from None


@contextmanager
def _damage_told() -> Iterator[None]:
    """Let a file that is no kept model be a mistake of one line."""
    try:
        yield
    except kept.Damaged as problem:
        raise ScenarioError(f"{problem}; allowed: what `braintorrent` has written") from None


def _write(done: Segmented, content: bytes) -> None:
    try:
        done.volume_file.parent.mkdir(parents=True, exist_ok=True)
        with whole(done.labels_file) as path, path.open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("id", "name"))
            rows.writerows(enumerate(("background", *done.structures)))
        with whole(done.volume_file) as path:
            path.write_bytes(content)
    except OSError as error:
        what = error.strerror or str(error)
        raise ScenarioError(f"--out {done.volume_file}: cannot be written: {what}") from None
