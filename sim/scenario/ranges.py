"""Lists of values as people write them: "10 min,20 min", "0:0.5:0.1", "3 min,6 min,...,24 min".

A value stays text here, as written and with its unit: what it means is the scenario's business.
"""

import json
import re
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any

from sim.record.errors import Refusal, shown

MOST_VALUES = 10_000

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,2})?"
_AMOUNT = re.compile(rf"({_NUMBER})\s*([^\d\s].*|)", re.ASCII)
_ELLIPSES = ("...", "…")
_RANGE = "start:end:step, e.g. 0:0.5:0.1 or '0 min:24 min:3 min'"
_SERIES = "two values before and the last one after, e.g. '3 min,6 min,...,24 min'"
# Enough for exact sums and quotients of what _AMOUNT and _LONGEST let through.
_DIGITS = 400
_LONGEST = 64


def values(written: Any) -> tuple[str, ...]:
    """The values in ``written``, each as YAML text: a list's entries, or those in one text.

    Raises Refusal for no values, a value left empty, a malformed range or series, and more than
    ``MOST_VALUES``.
    """
    if written is None or written == []:
        raise Refusal("has no values", "a list of values, or a range")
    if isinstance(written, dict):
        raise Refusal("is a mapping", "a list of values, or a range")
    if isinstance(written, str):
        parts = _split(written)
    else:
        parts = [
            _text(one) for one in (written if isinstance(written, list | tuple) else [written])
        ]
    return _expanded([part.strip() for part in parts])


def plain(text: str) -> Any:
    """A value as one would write it in YAML; ``values([plain(text)])`` is ``(text,)`` again."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, str) or _text(value) != text else value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)  # JSON is YAML in one line.
    except TypeError:
        what = f"{shown(value)} is no plain value"
        raise Refusal(what, "text, numbers, lists and mappings") from None


def _split(text: str) -> list[str]:
    """The parts between commas, but for commas inside brackets and quotation marks."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'" and (depth or not parts[-1].strip()):
            quote = letter
        elif letter in "[{":
            depth += 1
        elif letter in "]}":
            depth -= 1
        elif letter == "," and depth == 0:
            parts.append("")
            continue
        parts[-1] += letter
    return parts


def _expanded(parts: Sequence[str]) -> tuple[str, ...]:
    found: list[str] = []
    for index, part in enumerate(parts):
        if not part:
            raise Refusal("has an empty value", "values, separated by commas")
        if part in _ELLIPSES:
            if len(found) < 2 or index + 1 == len(parts):
                raise Refusal("a series lacks its ends", _SERIES)
            found += _between(found[-2], found[-1], parts[index + 1])
        elif ":" in part and part[0] not in "[{\"'":
            found += _range(part)
        else:
            found.append(part)
        if len(found) > MOST_VALUES:
            raise _too_many(len(found))
    return tuple(found)


def _range(text: str) -> list[str]:
    """The values from start to end, the end included if a step hits it."""
    parts = text.split(":")
    if len(parts) != 3:
        raise Refusal(f"{text!r} is no range", _RANGE)
    (start, end, step), unit = _amounts(parts, _RANGE)
    if step == 0:
        raise Refusal(f"{text!r} has a step of zero", _RANGE)
    if (end - start) * step < 0:
        raise Refusal(f"{text!r} steps away from its end", _RANGE)
    with localcontext(prec=_DIGITS):
        steps = int((end - start) // step)
    return _series(start, step, steps + 1, unit)


def _between(first: str, second: str, last: str) -> list[str]:
    """What the ellipsis in "first,second,...,last" stands for; ``last`` itself is not in it."""
    (start, following, end), unit = _amounts((first, second, last), _SERIES)
    with localcontext(prec=_DIGITS):
        step = following - start
        steps, rest = divmod(end - following, step) if step else (Decimal(), Decimal(1))
    if rest or steps < 1:
        written = f"'{first},{second},...,{last}'"
        raise Refusal(f"{written} misses its last value", _SERIES)
    return _series(following, step, int(steps), unit)[1:]


def _amounts(texts: Sequence[str], allowed: str) -> tuple[list[Decimal], str]:
    """The numbers, and the one unit that they are in; it need not stand at each of them."""
    numbers, units = [], []
    for text in texts:
        match = _AMOUNT.fullmatch(text.strip()) if len(text) <= _LONGEST else None
        if match is None:
            raise Refusal(f"{text!r} is no number", allowed)
        numbers.append(Decimal(match[1]))
        if match[2] and match[2] not in units:
            units.append(match[2])
    if len(units) > 1:
        raise Refusal(f"mixes the units {' and '.join(units)}", "one unit in a range")
    return numbers, units[0] if units else ""


def _series(start: Decimal, step: Decimal, count: int, unit: str) -> list[str]:
    if count > MOST_VALUES:
        raise _too_many(count)
    with localcontext(prec=_DIGITS):
        numbers = [(start + step * index).normalize() for index in range(count)]
    return [f"{number:f} {unit}".rstrip() for number in numbers]


def _too_many(count: int) -> Refusal:
    return Refusal(f"has {count} values", f"at most {MOST_VALUES}")
