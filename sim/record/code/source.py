"""What `--code` names, as text: all modules of it, with where they stand."""

from __future__ import annotations

import ast
import hashlib
import importlib.machinery
import importlib.util
import io
import keyword
import sys
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sim.record.errors import ScenarioError
from sim.record.files import read_bytes

CODE_FOLDER = "code"
"""Of a result folder: the user's code that made it."""
OURS = ("analysis", "braintorrent", "models", "scenarios", "sim")
"""Names of packages that are braintorrent's own."""
_ROOT = Path(__file__).resolve().parents[3]
_MOST_FILES, _MOST_BYTES = 1_000, 5_000_000
_ALLOWED = "a .py file, a folder of them, or the name of a module that is installed"


@dataclass(frozen=True)
class Module:
    """One Python file: `name`, as it is imported; `path`, as messages name it; and its text."""

    name: str
    path: str
    text: str
    is_package: bool = False

    @property
    def file(self) -> str:
        """Where it lies below a folder that holds all of a user's code."""
        path = self.name.replace(".", "/")
        return f"{path}/__init__.py" if self.is_package else f"{path}.py"

    @property
    def data(self) -> bytes:
        """Its bytes, which Python reads as `text`, whatever encoding that says it has."""
        encoding, _ = tokenize.detect_encoding(io.BytesIO(self.text.encode()).readline)
        return self.text.encode(encoding)

    def tree(self) -> ast.Module:
        """Its syntax, a new tree. Raises ScenarioError if it's no Python."""
        try:
            with warnings.catch_warnings():
                # Python gives them, once, when the module is run.
                warnings.simplefilter("ignore", SyntaxWarning)
                return ast.parse(self.text, self.path)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None) or 1
            what = getattr(error, "msg", None) or str(error)
            version = ".".join(map(str, sys.version_info[:2]))
            raise ScenarioError(
                f"{self.path}:{line}: not valid Python ({what}); allowed: Python {version}"
            ) from None


@dataclass(frozen=True)
class Code:
    """A user's code as it was when it was read: what is sent to workers and kept with results.

    `modules` by name; `given`: the names of those that the user asked for, the others only help
    them.
    """

    modules: tuple[Module, ...] = ()
    given: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.modules)

    def __reduce__(self) -> tuple[type[Code], tuple[object, ...]]:
        # Without what is cached here.
        return Code, (self.modules, self.given)

    @cached_property
    def digest(self) -> str:
        """Names the text of it all, to the last comment."""
        parts = (part for one in self.modules for part in (one.file, one.path, one.text))
        return hashlib.sha256(repr((*parts, self.given)).encode()).hexdigest()

    @cached_property
    def by_name(self) -> dict[str, Module]:
        """The modules, by their names."""
        return {module.name: module for module in self.modules}

    def holds(self, name: str) -> bool:
        """Whether there is a module that `name` would be in."""
        try:
            return bool(self.definition(name))
        except KeyError:
            return False

    def definition(self, name: str) -> tuple[str, str]:
        """The module, and the name at its top, that `module.name` or `module.name.inner` is in.

        Raises KeyError if there is no such module.
        """
        parts = name.split(".")
        for end in range(len(parts) - 1, 0, -1):
            if (module := ".".join(parts[:end])) in self.by_name:
                return module, parts[end]
        raise KeyError(name)


NO_CODE = Code()


def read(arguments: Sequence[str]) -> Code:
    """The code that each argument of `--code` names: a file, a folder or an importable module.

    A file brings the modules beside it that it imports, a folder with an `__init__.py` is a
    package, any other folder holds modules. Nothing is run. Raises ScenarioError for what isn't
    there, is no Python, or bears a name that something else has.
    """
    found: dict[str, Module] = {}
    given: dict[str, None] = {}
    for argument in arguments:
        for name, modules in _all_named(argument):
            given[name] = None
            for module in modules:
                if found.setdefault(module.name, module).text != module.text:
                    raise _refusal(argument, f"{found[module.name].path} is called so, too")
    if sum(len(module.text) for module in found.values()) > _MOST_BYTES:
        raise _refusal(arguments[-1], f"code of more than {_MOST_BYTES} characters")
    for module in found.values():
        module.tree()
    return Code(tuple(found[name] for name in sorted(found)), tuple(given))


def kept(folder: Path) -> Code:
    """The code that a result folder keeps; empty if it keeps none. Raises ScenarioError."""
    modules = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        modules.append(_module(name, path, is_package=is_package))
    return Code(tuple(sorted(modules, key=lambda one: one.name)))


def _all_named(argument: str) -> list[tuple[str, list[Module]]]:
    try:
        return list(_named(argument))
    except OSError as error:
        raise _refusal(argument, f"cannot be read ({error.strerror})") from None


def _named(argument: str) -> Iterator[tuple[str, list[Module]]]:
    """The modules that an argument names, each with those that it comes with."""
    path = Path(argument)
    if not argument:
        raise _refusal("''", "names nothing")
    if path.is_file():
        if path.suffix != ".py":
            raise _refusal(argument, "is no Python file")
        yield from _file(argument, path)
    elif path.is_dir():
        yield from _folder(argument, path)
    elif path.suffix == ".py" or not all(part.isidentifier() for part in argument.split(".")):
        raise _refusal(argument, "no such file or folder")
    else:
        yield from _installed(argument)


def _file(argument: str, path: Path) -> Iterator[tuple[str, list[Module]]]:
    _check_name(argument, path.stem, path)
    modules = {path.stem: _module(path.stem, path)}
    waiting = list(modules.values())
    while waiting:
        for top in _tops(waiting.pop()):
            if top in modules or top in sys.stdlib_module_names or _is_ours(path.parent / top):
                continue
            beside = {one.name: one for one in _beside(argument, top, path.parent)}
            if beside:
                _check_name(argument, top, path.parent / top)
            modules |= beside
            waiting += beside.values()
    yield path.stem, list(modules.values())


def _tops(module: Module) -> list[str]:
    """The first parts of what a module imports, in order."""
    tops = []
    for node in ast.walk(module.tree()):
        if isinstance(node, ast.Import):
            tops += [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            tops.append(node.module.partition(".")[0])
    return tops


def _beside(argument: str, name: str, folder: Path) -> list[Module]:
    """The module or package of that name in a folder; empty if there is none."""
    file, package = folder / f"{name}.py", folder / name
    if file.is_file():
        return [_module(name, file)]
    return _package(argument, name, package) if any(package.rglob("*.py")) else []


def _folder(argument: str, folder: Path) -> Iterator[tuple[str, list[Module]]]:
    if _is_package(folder):
        name = folder.resolve().name
        _check_name(argument, name, folder)
        yield name, _package(argument, name, folder)
        return
    inside = [path for path in _entries(folder) if path.suffix == ".py" or _is_package(path)]
    for path in inside:
        _check_name(argument, path.stem, path)
        yield path.stem, _beside(argument, path.stem, folder)
    if not inside:
        raise _refusal(argument, "holds no Python file")


def _installed(name: str) -> Iterator[tuple[str, list[Module]]]:
    top = name.partition(".")[0]
    if top in OURS or top in sys.stdlib_module_names:
        raise _refusal(name, "is no code of yours")
    spec = importlib.machinery.PathFinder.find_spec(top)
    if spec is None or spec.origin is None:
        raise _refusal(name, "no such file, folder or module")
    path = Path(spec.origin)
    is_package = spec.submodule_search_locations is not None
    modules = _package(name, top, path.parent) if is_package else [_module(top, path)]
    if name not in {module.name for module in modules}:
        raise _refusal(name, f"{top} has no such module")
    yield name, modules


def _is_package(folder: Path) -> bool:
    return (folder / "__init__.py").is_file()


def _package(
    argument: str, name: str, folder: Path, above: frozenset[Path] = frozenset()
) -> list[Module]:
    """All modules of a package, its own first; a folder in it is a package, too."""
    own, here = folder / "__init__.py", folder.resolve()
    modules = [_module(name, own, is_package=True) if own.is_file() else Module(name, "", "", True)]
    for path in _entries(folder) if here not in above else ():  # A link may lead back.
        if path.is_dir() and any(path.rglob("*.py")):
            modules += _package(argument, f"{name}.{path.name}", path, above | {here})
        elif path.suffix == ".py" and path != own:
            modules.append(_module(f"{name}.{path.stem}", path))
        if len(modules) > _MOST_FILES:
            raise _refusal(argument, f"holds more than {_MOST_FILES} Python files")
    return modules


def _entries(folder: Path) -> list[Path]:
    """What a folder holds under names that can be imported, in order."""
    return sorted(path for path in folder.iterdir() if _imported_as(path).isidentifier())


def _imported_as(path: Path) -> str:
    """A file's name without its end; a folder's name has none."""
    return path.name if path.is_dir() else path.stem


def _module(name: str, path: Path, *, is_package: bool = False) -> Module:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _refusal(str(path), f"code of more than {_MOST_BYTES} characters")
        # Python's own rule for a file's encoding.
        text = importlib.util.decode_source(read_bytes(path))
    except OSError as error:
        raise ScenarioError(f"--code {path}: cannot be read ({error.strerror})") from None
    except (SyntaxError, UnicodeDecodeError):
        raise ScenarioError(f"--code {path}: is no text; allowed: Python in UTF-8") from None
    return Module(name, str(path), text, is_package)


def _is_ours(path: Path) -> bool:
    """Whether a package is braintorrent's own, beside which a user's file may lie, too."""
    return path.name in OURS and path.resolve().parent == _ROOT


def _check_name(argument: str, name: str, path: Path) -> None:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise _refusal(argument, f"{name!r} can't be a module's name", "letters, digits and _")
    if name in OURS or _elsewhere(name, path.parent):
        raise _refusal(argument, f"Python has another module {name}", "a name of its own")


def _elsewhere(name: str, folder: Path) -> bool:
    """Whether `import name` means something that doesn't lie in (or is) this folder."""
    if name in sys.stdlib_module_names:
        return True
    # What lies where the program was started is in nobody's way.
    here = Path.cwd()
    path = [each for each in sys.path if Path(each).resolve() != here]
    spec = importlib.machinery.PathFinder.find_spec(name, path)
    if spec is None or spec.origin is None:
        return False
    file = Path(spec.origin).resolve()
    return folder.resolve() not in (file.parent, file.parent.parent)


def _refusal(argument: str, what: str, allowed: str = _ALLOWED) -> ScenarioError:
    return ScenarioError(f"--code {argument}: {what}; allowed: {allowed}")
