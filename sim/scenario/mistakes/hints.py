"""What a user may have meant: each of the schema library's complaints in a researcher's words."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from sim.record.errors import Path, did_you_mean, shown

_Words = tuple[str, str]
"""What is wrong, and what is allowed."""

_BOUNDS = {
    "greater_than": ("is too small", "more than", "gt"),
    "greater_than_equal": ("is too small", "at least", "ge"),
    "less_than": ("is too large", "less than", "lt"),
    "less_than_equal": ("is too large", "at most", "le"),
}
_SWITCHES = {
    **dict.fromkeys(("yes", "on", "y"), "true"),
    **dict.fromkeys(("no", "off", "n"), "false"),
}
_OF_MANY = {
    "faults": "e.g. {server_crash: {kind: crash, node: server, at: 10 min}}",
    "protocols": "e.g. {braintorrent: {}, fedavg: {deadline: 2 min}}",
    "sweep": "e.g. {clients.count: [5, 10]}",
}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_PERCENT = re.compile(rf"({_NUMBER})\s*%", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+", re.ASCII)
_GROUPED = re.compile(r"[-+]?\d{1,3}(?:[_' ]\d{3})+", re.ASCII)


def words(kind: str, value: Any, context: Mapping[str, Any], path: Path, message: str) -> _Words:
    """For a complaint of that kind about the value at ``path``; ``message`` where none is known."""
    if kind in _BOUNDS:
        return _beyond(*_BOUNDS[kind], value, context)
    if (found := _WORDS.get(kind) or _WORDS.get(kind.split("_")[0])) is not None:
        return found(value, context, path)
    return f"{shown(value)} is not allowed", message


def _beyond(what: str, bound: str, key: str, value: Any, context: Mapping[str, Any]) -> _Words:
    most = context[key]
    percent = key in ("lt", "le") and most == 1 and 2 <= value <= 100
    meant = f", did you mean {value / 100:g}?" if percent else ""
    limit = f"{most:g}" if isinstance(most, float) else str(most)
    return f"{shown(value)} {what}{meant}", f"{bound} {limit}"


def _missing(value: Any, context: Mapping[str, Any], path: Path) -> _Words:
    """A setting, or an entry of a list of a given length."""
    if isinstance(path[-1], int):
        return "is missing", f"{_entries(path[-1] + 1)} or more"
    return "is missing", f"a value for {path[-1]}"


def _literal(value: Any, context: Mapping[str, Any], path: Path) -> _Words:
    names = re.findall("'([^']*)'", context["expected"])
    what = f"{shown(value)} is not known here{did_you_mean(value, names)}"
    return what, context["expected"].replace("'", "")


def _too_short(value: Any, context: Mapping[str, Any], path: Path) -> _Words:
    return "is too short", f"at least {_entries(context['min_length'])}"


def _too_long(value: Any, context: Mapping[str, Any], path: Path) -> _Words:
    return "is too long", f"at most {_entries(context['max_length'])}"


def _entries(count: int) -> str:
    return "one entry" if count == 1 else f"{count} entries"


def _infinite(value: Any, context: Mapping[str, Any], path: Path) -> _Words:
    return f"{shown(value)} is not finite", "a finite number"


def _name(value: Any, context: Mapping[str, Any], path: Path) -> _Words:
    return f"{shown(value)} is no name", "letters, digits, - and _"


def _text(value: Any, context: Mapping[str, Any], path: Path) -> _Words:
    return f"{shown(value)} is not text", "text"


def _number(value: Any, context: Mapping[str, Any], path: Path) -> _Words:
    percent = _PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    meant = f", did you mean {float(percent[1]) / 100:g}?" if percent else _number_meant(value)
    return f"{shown(value)} is not a number{meant}", "a number, e.g. 0.5"


def _whole_number(value: Any, context: Mapping[str, Any], path: Path) -> _Words:
    whole = isinstance(value, float) and value.is_integer()
    meant = f", did you mean {value:.0f}?" if whole else _number_meant(value)
    return f"{shown(value)} is not a whole number{meant}", "a whole number, e.g. 3"


def _number_meant(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    text = value.strip()
    if _DECIMAL_COMMA.fullmatch(text):
        return f", did you mean {text.replace(',', '.')}?"
    if _GROUPED.fullmatch(text):
        return f", did you mean {re.sub('[^-+0-9]', '', text)}?"
    return f": it is text, did you mean {text}?" if re.fullmatch(_NUMBER, text, re.ASCII) else ""


def _switch(value: Any, context: Mapping[str, Any], path: Path) -> _Words:
    near = _SWITCHES.get(value.casefold()) if isinstance(value, str) else None
    meant = f", did you mean {near}?" if near else ""
    return f"{shown(value)} is neither true nor false{meant}", "true or false"


def _mapping(value: Any, context: Mapping[str, Any], path: Path) -> _Words:
    example = _OF_MANY.get(str(path[-1]), "{} for none")
    return f"{shown(value)} is not a mapping", f"a mapping of names to values, {example}"


def _list(value: Any, context: Mapping[str, Any], path: Path) -> _Words:
    plain = isinstance(value, int | float | str) and not isinstance(value, bool)
    examples = [f"[{value}]"] if plain else []
    if path == ("seeds",):
        examples = [*(examples if isinstance(value, int) else []), "[0, 1, 2]"]
    example = f", e.g. {' or '.join(examples)}" if examples else ""
    return f"{shown(value)} is not a list", f"a list{example}"


_WORDS: Mapping[str, Callable[[Any, Mapping[str, Any], Path], _Words]] = {
    "missing": _missing,
    "literal_error": _literal,
    "too_short": _too_short,
    "too_long": _too_long,
    "finite_number": _infinite,
    "string_pattern_mismatch": _name,
    # All of one type: int_type, int_parsing, int_from_float and so on.
    "int": _whole_number,
    "float": _number,
    "string": _text,
    "bool": _switch,
    "dict": _mapping,
    "tuple": _list,
}
