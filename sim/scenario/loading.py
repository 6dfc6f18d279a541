"""Scenarios as files: found by path or name, completed by the files they name, and written."""

import importlib.resources
import io
import json
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

from ruamel.yaml import YAML

from sim.record.errors import Mistakes, Place, nearest, scenario_error
from sim.record.settings import Schema
from sim.scenario import paths
from sim.scenario.files import complete, tables
from sim.scenario.scenario import Scenario, validated
from sim.scenario.yaml_loader import Document, parse, read_text


def shipped() -> tuple[str, ...]:
    """The names of the scenarios that come with the package, sorted."""
    folder = importlib.resources.files("scenarios")
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name[:-5] for name in names if name.endswith(".yaml")))


def load(path_or_name: str | FilePath, overrides: Sequence[str] = ()) -> Scenario:
    """The scenario in a YAML file, or the shipped one of that name, with ``PATH=VALUE`` overrides.

    Raises ScenarioError with all mistakes, each with its place and what is allowed.
    """
    document, folder = _document(str(path_or_name))
    mistakes, overriding = Mistakes(), Mistakes()
    for override in overrides:
        with overriding.collected():
            paths.apply(document, override)
    if not isinstance(document.value, dict):
        raise scenario_error(document.place(()), (), "is not a scenario", "a mapping")
    told = tables(document)
    with mistakes.collected():
        complete(document, folder)
        told.clear()
    with mistakes.collected():
        scenario = validated(document, told)
    with mistakes.collected():
        overriding.tell()
    mistakes.tell()
    return scenario


def _document(source: str) -> tuple[Document, FilePath]:
    """The parsed file and the folder to which its paths are relative."""
    path = FilePath(source)
    if source in shipped() and not path.is_file():
        entry = importlib.resources.files("scenarios") / f"{source}.yaml"
        text, label = entry.read_text(encoding="utf-8"), f"scenarios/{source}.yaml"
    else:
        _check_there(path)
        text, label = read_text(path), source
    document = parse(text, label)
    question = first_comment(text)
    if isinstance(document.value, dict) and question:
        document.value.setdefault("question", question)
    return document, path.parent


def _check_there(path: FilePath) -> None:
    """Raise ScenarioError, naming what may be meant, if there is nothing at `path`."""
    if "\0" in str(path) or os.path.lexists(path):
        return
    beside = sorted(str(file) for file in path.parent.glob("*.y*ml"))
    near = nearest(str(path), beside) or nearest(path.stem, shipped())
    what = "no such file or shipped scenario" + (f", did you mean {near}?" if near else "")
    raise scenario_error(Place(str(path), 0), (), what, f"a YAML file, or {', '.join(shipped())}")


def first_comment(text: str) -> str | None:
    """The block of comment lines that a file begins with, as one line: the scenario's question.

    But for a line by which an editor finds the schema.
    """
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# yaml-language-server:"):
            lines.append(line.lstrip("#").strip())
    return " ".join(lines).strip() or None


def dump(scenario: Scenario) -> str:
    """The scenario as YAML with every default spelled out; loading it gives an equal one."""
    content = scenario.model_dump(mode="json", exclude_none=True)
    return "".join(_dumped(name, json.dumps(value)) for name, value in content.items())


@lru_cache(maxsize=4096)
def _dumped(name: str, value: str) -> str:
    """One of a scenario's own settings, whose value is given as JSON.

    The points of a sweep share all but one or two, and to write a scenario whole takes 5 ms.
    """
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.width = 1_000_000
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    # Beside a mapping, without which a mapping of plain values would get braces.
    yaml.dump({name: json.loads(value), "_": {}}, stream)
    return stream.getvalue().removesuffix("_: {}\n")


def schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Scenario.model_json_schema(schema_generator=Schema),
    }
