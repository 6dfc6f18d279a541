"""What decides the bits of a model beside its learner's description: one name for all of it."""

import functools
import importlib
import platform
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import torch

from models.arithmetic.compiled import compiler_version
from models.bits import devices
from models.bits.code import digest, library_version
from models.training import TrainingSettings
from sim.record.errors import Refusal
from sim.record.settings.base import Settings

_TOWER = Path(__file__).parents[1]
_OURS = ("models", "sim")


def fingerprint(
    training: TrainingSettings, libraries: Sequence[str], modules: Sequence[str] = ()
) -> str:
    """Names what decides bits beside a learner's description: code, libraries, CPU, compiler.

    `libraries`: the names of those that compute; `modules`: of the Python files outside this tower
    that do (see `modules_of`).

    Raises Refusal if the machine lacks the device or, in batched arithmetic, a compiler.
    """
    found = sha256(_code(tuple(modules)))
    for library in libraries:
        found.update(library_version(library).encode())
    compiled_by = compiler_version() if training.arithmetic == "batched" else "nothing"
    found.update(
        f"{platform.machine()} cpu={torch.backends.cpu.get_cpu_capability()} threads=1 "
        f"layout=channels_last arithmetic={training.arithmetic} compiler={compiled_by} "
        f"device={devices.described(training.device)}".encode()
    )
    return found.hexdigest()


def environment(
    trainings: Sequence[TrainingSettings], libraries: Sequence[str], modules: Sequence[str] = ()
) -> dict[str, str]:
    """What decides bits, in words that people can compare, by what it is.

    Equal in two processes if the same operation gives the same bits in both. `trainings`: those
    that will be done here; device and compiler matter only as far as they use them. `libraries`,
    `modules`: as in `fingerprint`. Raises Refusal as it does.
    """
    prints = sorted({fingerprint(training, libraries, modules)[:12] for training in trainings})
    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        **{name: library_version(name) for name in libraries},
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "fingerprint": " ".join(prints),
    }


def modules_of(*settings: Settings) -> tuple[str, ...]:
    """The modules outside the project that define these kinds and those chosen within them."""
    classes = {one for each in settings for one in type(each).__mro__ if issubclass(one, Settings)}
    modules = {one.__module__ for one in classes if one.__module__.partition(".")[0] not in _OURS}
    within = [value for each in settings for _, value in each if isinstance(value, Settings)]
    return tuple(sorted(modules.union(modules_of(*within) if within else ())))


@functools.cache
def _code(modules: tuple[str, ...]) -> bytes:
    found = sha256()
    for path in sorted(_TOWER.rglob("*.py"), key=lambda path: path.relative_to(_TOWER).as_posix()):
        found.update(path.relative_to(_TOWER).as_posix().encode())
        found.update(digest(path))
    for name in modules:
        for path in _files(name):
            found.update(f"{name} {path.name}".encode())
            found.update(digest(path))
    return found.digest()


def _files(module: str) -> list[Path]:
    """A module's file, and all others of its folder if that is a package: they may help it."""
    found = importlib.import_module(module)
    file = getattr(found, "__file__", None)
    if file is None or module == "__main__":
        what = f"a kind is defined in {module}, which worker processes can't import"
        raise Refusal(what, "a module of its own", ("task", "name"))
    return sorted(Path(file).parent.rglob("*.py")) if found.__package__ else [Path(file)]
