"""A strict YAML 1.2 loader: plain values, and for each of them the place where it was written.

Values that a program gives become the same, without a place.
"""

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamStartEvent,
)

from sim.record.errors import Path, Place, ScenarioError, scenario_error
from sim.record.files import opened

LARGEST_BYTES = 1_000_000
LINE_END = re.compile("\r\n|\r|\n")
"""What ends a line for an editor, and so in all places that are told."""
DEEPEST = 20
"""Levels of a document."""
# By YAML, and what it takes for a line's end, and an editor doesn't.
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u2028\u2029]"
)
_INT = re.compile(r"[-+]?[0-9]{1,100}")
_MOST_BITS = 332  # Of a hundred digits.
_BASED = re.compile(r"0o[0-7]{1,30}|0x[0-9a-fA-F]{1,30}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}

_PROBLEMS = {
    "expected ',' or": "a bracket is not closed",
    "stream end": "the file ends too early",
    "end of stream": "a quotation mark is not closed",
    "document end": "the file ends too early",
    "'\\t'": "a tab, where YAML takes only spaces",
    "mapping values are not allowed": "a second ': ' in one line, or wrong indentation",
    "<block end>": "wrong indentation",
    "cannot start any token": "a value that begins with this character needs quotation marks",
}


@dataclass
class Document:
    """What one YAML file says: ``value``, and where each path's key and value stand."""

    source: str
    value: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    mappings: set[Path] = field(default_factory=set)

    def place(self, path: Path, at_key: bool = False) -> Place:
        """Where ``path`` was written, or the nearest part above it.

        That is its value's place, or its key's if ``at_key`` or if the value is a mapping, whose
        first entry alone would mislead.
        """
        for length in range(len(path), -1, -1):
            part = path[:length]
            if part in self.keys and (at_key or length < len(path) or part in self.mappings):
                return self.keys[part]
            if part in self.values:
                return self.values[part]
        return Place(self.source)


def unwritten(values: Mapping[str, Any], source: str) -> Document:
    """A document of values that stand in no file: what YAML has no word for is made plain."""
    return Document(source, plain(values), values={(): Place(source, 0)})


def plain(value: Any) -> Any:
    """A Python value as YAML would give it: tuples, ranges and arrays are lists, paths text."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(inner) for inner in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return f"{value:#x}"  # Text, as it is in YAML: Python itself doesn't write it in digits.
    if isinstance(value, set | frozenset):
        return repr(value)  # Refused as any text where a list belongs: it has no order.
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def scalar(text: str) -> bool | int | float | str | None:
    """A plain YAML scalar's value by the YAML 1.2 core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return -math.inf if text.startswith("-") else math.inf
    return text


def read_text(path: FilePath, largest_bytes: int = LARGEST_BYTES) -> str:
    """The text of a user's file; ScenarioError if it is missing, too large or no UTF-8 text."""
    what, allowed, place = "", "a readable text file", Place(str(path))
    try:
        with opened(path) as file:
            raw = file.read(largest_bytes + 1)
        if len(raw) > largest_bytes:
            what, allowed = "file is too large", f"up to {largest_bytes} bytes"
        elif b"\0" in raw:
            what = "is a binary file"
        else:
            return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8-sig").split("\n")
        place = Place(str(path), len(before), 1 + len(before[-1]))
        what, allowed = f"is no text in UTF-8, by byte 0x{error.object[error.start]:02x}", "UTF-8"
    except FileNotFoundError:
        what = "no such file"
    except IsADirectoryError:
        what = "is a folder"
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
    raise scenario_error(place, (), what, allowed)


def parse(text: str, source: str) -> Document:
    """The one document in ``text``; ``source`` names it in messages.

    Raises ScenarioError at the first mistake.
    """
    document, places = Document(source), _Places(source, text)
    _check_printable(text, source)
    try:
        # Plug-ins would be looked for in the file system, anew for each text.
        yaml = YAML(typ="safe", pure=True, plug_ins=[])
        reader = _Reader(document, places, yaml.parse(text))
        document.value = reader.document()
    except MarkedYAMLError as error:
        place = places.of(error.problem_mark or error.context_mark)
        what = f"not valid YAML ({_plainly(str(error.problem or error.context))})"
        raise scenario_error(place, (), what, "YAML 1.2") from None
    except (YAMLError, ValueError, AssertionError, RecursionError, AttributeError, TypeError):
        raise scenario_error(Place(source), (), "not valid YAML", "YAML 1.2") from None
    return document


def _plainly(problem: str) -> str:
    """The parser's complaint in a user's words."""
    for said, meant in _PROBLEMS.items():
        if said in problem:
            return meant
    return problem


def _check_printable(text: str, source: str) -> None:
    if (found := _UNPRINTABLE.search(text)) is None:
        return
    before = LINE_END.split(text[: found.start()])
    place = Place(source, len(before), len(before[-1]) + 1)
    what = f"unprintable character U+{ord(found[0]):04X}"
    raise scenario_error(place, (), what, "printable text")


class _Places:
    """Where the parser's marks are in a text, in lines and columns that an editor shows."""

    def __init__(self, source: str, text: str) -> None:
        self._source = source
        self._lines = LINE_END.split(text)

    def of(self, mark: Any) -> Place:
        """The place of a mark: of one behind a line's end, its last character."""
        if mark is None:
            return Place(self._source)
        line = min(mark.line, len(self._lines) - 1)
        return Place(self._source, line + 1, max(1, min(mark.column + 1, len(self._lines[line]))))


class _Reader:
    """Builds a document's value from the parser's events, noting places on the way."""

    def __init__(self, document: Document, places: _Places, events: Iterator[Event]) -> None:
        self.into = document
        self.places = places
        self.events = (e for e in events if not isinstance(e, (StreamStartEvent, DocumentEndEvent)))

    def document(self) -> Any:
        start = next(self.events)
        if not isinstance(start, DocumentStartEvent):
            raise self.error(start, (), "file is empty", "a scenario")
        value = self.value((), next(self.events))
        after = next(self.events)
        if isinstance(after, DocumentStartEvent):
            raise self.error(after, (), "a second document begins", "one document in a file")
        return value

    def error(self, event: Event, path: Path, what: str, allowed: str) -> ScenarioError:
        return scenario_error(self.places.of(event.start_mark), path, what, allowed)

    def value(self, path: Path, event: Event) -> Any:
        self.refuse(path, event)
        self.into.values[path] = self.places.of(event.start_mark)
        if isinstance(event, MappingStartEvent):
            return self.mapping(path)
        if isinstance(event, SequenceStartEvent):
            return self.sequence(path)
        assert isinstance(event, ScalarEvent)
        return scalar(event.value) if event.implicit[0] else event.value

    def refuse(self, path: Path, event: Event) -> None:
        if isinstance(event, AliasEvent):
            raise self.error(event, path, "an alias", "values written out, no & and *")
        if getattr(event, "anchor", None):
            raise self.error(event, path, "an anchor", "values written out, no & and *")
        if getattr(event, "tag", None):
            raise self.error(event, path, "a tag", "plain values, no !")
        if len(path) > DEEPEST:
            raise self.error(event, path[:3], "nested too deeply", f"{DEEPEST} levels")

    def mapping(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.into.mappings.add(path)
        while not isinstance(event := next(self.events), MappingEndEvent):
            self.refuse(path, event)
            if not isinstance(event, ScalarEvent):
                raise self.error(event, path, "a key that is no name", "names as keys")
            inner = (*path, event.value)
            if event.value in found:
                what = f"duplicate key, first given in line {self.into.keys[inner].line}"
                raise self.error(event, inner, what, "each key once")
            self.into.keys[inner] = self.places.of(event.start_mark)
            found[event.value] = self.value(inner, value := next(self.events))
            if value.start_mark.index == value.end_mark.index:  # nothing: the parser's mark is far
                self.into.values[inner] = self.into.keys[inner]
        return found

    def sequence(self, path: Path) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(self.events), SequenceEndEvent):
            found.append(self.value((*path, len(found)), event))
        return found
