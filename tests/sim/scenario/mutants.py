"""Scenarios with something wrong in them, by chance, and others with numbers at their bounds.

Their text is hurt as by a hand that slips (letters, words, lines), or a value is replaced by one of
another sort or size. A dice's seed gives the same ones, while the texts are the same.
"""

import random
import re
from collections.abc import Callable, Sequence
from importlib import resources
from io import StringIO

from ruamel.yaml import YAML

from sim.record.units import quantity
from sim.scenario import Scenario, load, shipped
from tests.docs.examples import PAGES, blocks

_LARGE = ("internet",)
"""Shipped scenarios with so many clients that each check of them takes a fifth of a second."""

EVERYTHING = """\
# Does it all fit together?
name: everything
duration: 20 min
seeds: [0, 1]
task: {name: none, model: 1 MB, steps: 5}
clients:
  count: 6
  step_time: {distribution: lognormal, median: 0.5 s, sigma: 0.6}
  round_jitter: 0.1
  merge_time: 10 ms
  memory: 64 MB
  groups:
    slow: {nodes: [client_4, client_5], step_time: 2 s, uplink: 2 Mbit/s, region: far}
    phones: {count: 1, local_time: 9 h}
network:
  regions:
    table: regions.csv
    clients: {near: 0.75, far: 0.25}
    server: near
    spread: 0.1
  packet_loss: 0.01
  transport: {kind: tcp}
server: {uplink: 1 Gbit/s, downlink: 1 Gbit/s, aggregation_time: 1 s}
failure_detection: {kind: heartbeat, interval: 5 s, timeout: 15 s}
topology: {kind: ring}
faults:
  crash: {kind: crash, node: server, at: 5 min, recovers_after: 2 min}
  churn: {kind: churn, nodes: clients, failure_rate: 4 / h, mean_time_to_repair: 2 min}
  lives:
    kind: churn
    groups: [[client_0, client_1], [client_2]]
    time_to_failure: {distribution: weibull, shape: 0.6, scale: 45 min}
    time_to_repair: {distribution: gamma, shape: 2, mean: 5 min}
    begins: equilibrium
    daily: {peak: 13 h, swing: 0.5}
  apart: {kind: partition, groups: [[client_0]], at: 1 min, heals_after: 1 min, every: 5 min}
  worse: {kind: degrade, nodes: slow, bandwidth: 0.1, at: 2 min, lasts: 1 min, every: 2 min}
  disks: {kind: disk_failure, nodes: clients, failure_rate: 1 / d, replaced_after: 10 min}
  lazy: {kind: slowdown, nodes: phones, factor: 3, at: 3 min, lasts: 4 min}
  late: {kind: join, nodes: client_3, at: 4 min}
  gone: {kind: leave, nodes: client_2, after_rounds: 3}
  failed: {kind: client_dropout, probability: 0.1}
protocols:
  braintorrent: {schedule: independent}
  fedavg: {deadline: 2 min, minimum_fraction: 0.5}
  standing: {kind: fedavg, deadline: 2 min, standbys: 1}
  gossip: {period: 1 min}
  d_psgd: {push_timeout: 1 min, receive_timeout: 1 min}
  local: {}
evaluation: {every: 1 min}
costs: {traffic: 0.09 / GB, energy_price: 0.30 / kWh, computing_power: 15 W}
sweep:
  clients.merge_time: 0 ms:10 ms:10 ms
"""
MATRIX = """\
# Are measured latencies read?
name: measured
duration: 5 min
seeds: [0]
task: {name: none, model: 1 MB, steps: 5}
clients: {count: 3, step_time: [1 s, 2 s, 500 ms]}
network:
  latency: {matrix: matrix.csv, unit: ms}
  uplink: [10 Mbit/s, 20 Mbit/s, 1 MB/s]
  downlink: 20 Mbit/s
topology: {kind: edges, pairs: edges.csv}
faults:
  away: {kind: availability, file: lives.csv, unit: s, lists: up}
protocols: {gossip: {period: 1 min}, d_psgd: {push_timeout: 1 min, receive_timeout: 1 min}}
evaluation: {every: 1 min}
"""
TABLES = {
    "regions.csv": "region,near,far,uplink,downlink,utc_offset\n"
    "near,10 ms,80 ms,20 Mbit/s,50 Mbit/s,1 h\nfar,,90 ms,5 Mbit/s,20 Mbit/s,-3 h\n",
    "matrix.csv": "0,20,30\n20,0,45.5\n30,4.55e1,0\n",
    "edges.csv": "client_0,client_1\nclient_1,client_2\n",
    "lives.csv": "node,from,until\nclient_0,0,100\nclient_1,20.5,1e3\nclient_2,0,5000\n",
}
"""What lies beside the scenarios."""

_LETTERS: Sequence[str] = (
    *"\"'[]{}:,#&*!|>%@`-?.\\_ \t\r\n0e",
    *("\0", "\x1b", "\x7f", "\x85", "\xa0", "\xad", "\u200b", "\u202e", "\u2028", "\ufeff"),
    *("\N{MINUS SIGN}", "\N{FULLWIDTH DIGIT ONE}", "\N{DEVANAGARI DIGIT ONE}", "e\u0301", "\u5bbd"),
    *("\N{GRINNING FACE}", "---\n", "...\n", "\r\n", "<<: *a\n", "&a "),
)
_NUMBERS = (
    *("0", "-0", "-1", "1", "2", "3", "0.5", "1e-320", "5e-324", "1e-12", "1e-9", "1e-3", "1e3"),
    *("1e9", "1e12", "1e18", "1e300", "1e308", "1.8e308", "1e400", "1e-400", "1e999", "007"),
    *("1_000", "1,5", "1e5.0", "0x10", "0o17", "0b1", "+5", "1.", ".5", ".inf", "-.inf", ".nan"),
    *("\N{DEVANAGARI DIGIT ONE}", "\N{FULLWIDTH DIGIT ONE}", "\N{MINUS SIGN}1", "inf", "nan"),
    *("infinity", "1/3", "50 %", "9" * 30, "9" * 101, "9" * 5000),
)
_UNITS = (
    *("", "s", "ms", "us", "\N{MICRO SIGN}s", "ns", "min", "h", "d", "week", "Ms", "kmin", "ks"),
    *("B", "kB", "KB", "MB", "mB", "Mb", "MiB", "GB", "TB", "bit", "B/s", "bit/s", "Mbit/s"),
    *("mbit/s", "Mbps", "MB/s", "Mbit/Ms", "/ s", "/ h", "/ d", "/h", "1 / h", "per hour"),
    *("/ GB", "/ kWh", "W", "kW", "mW", "Wh", "in", "cm", "s s", "\N{THIN SPACE}s", "\xa0s"),
)
_VALUES = (
    *("", "null", "~", "true", "no", "yes", "[]", "{}", "[[]]", "[{}]", "{a: {b: 1}}", "''", "' '"),
    *("x", "all", "clients", "server", "client_0", "client_99999999", "client_0..client_2"),
    *("client_2..client_0", "client_0..client_99999", "[client_0, client_0]", "[0, 0]", "[1]"),
    "{distribution: uniform, low: 0 s, high: 1e12 s}",
    "{distribution: constant, value: 0 s}",
    "{distribution: exponential, mean: 1e-9 s}",
    "{distribution: lognormal, median: 1 s, sigma: 10}",
    "{distribution: weibull, shape: 0.01, scale: 1e12 s}",
    "{distribution: gamma, shape: 100, mean: 1 s}",
    *("{kind: crash}", "{kind: none}", "{name: mlp}", "my_code.Kind", "../../etc/passwd", "/", "."),
    *("a" * 300, "a." * 300, "[" * 30, "{a: " * 30, "[[[[1]]]]", "'\\0'", '"\\0"', '"\\e[31m"'),
    *('"\\n"', "|\n  text\n  more", ">-\n  text", "!!python/object:os.system x", "&a [*a]", "*b"),
    *("12:30", "2026-11-26", "0:0.5:0.1", "1,2,...,1e9", "0:1e9:1e-9", "1 min,2 min,...,9 min"),
)
_BOUNDS = {
    "s": ("0", "1e-320", "1e-9", "1e-6", "1e-3", "0.3", "1e3", "1e6", "1e9", "1e12"),
    "B/s": ("1e-3", "1", "1e3", "1e9", "1e18"),
    "1/s": ("0", "1e-12", "3e-4", "1", "1e3", "1e6", "1e300"),
    "B": ("1", "1e3", "1e9", "1e18"),
    "": ("0", "1", "2", "3", "0.5", "1e-6", "1e-3", "0.999999", "10", "100", "1e6", "true", "all"),
}
"""By base unit what may stand in the place of a number; most of it is allowed somewhere."""

Dice = random.Random
Change = Callable[[str, Dice], str]
"""From a text, or a part of it, to another."""


def written() -> list[str]:
    """The scenarios that are hurt: those shipped, those of the documents, and two that use much."""
    folder = resources.files("scenarios")
    ours = [(folder / f"{name}.yaml").read_text() for name in shipped() if name not in _LARGE]
    told = [
        block.text
        for page in PAGES
        for block in blocks(page)
        if block.language == "yaml" and "\nduration:" in block.text and "my_" not in block.text
    ]
    return [*ours, *told, *[EVERYTHING, MATRIX] * 5]


def unlearned() -> list[str]:
    """Those shipped, where nobody learns, as they are written out, and the two that use much."""
    ours = [_unlearned(load(name)) for name in shipped() if name not in _LARGE]
    return [*ours, *[EVERYTHING, MATRIX] * 5]


def _unlearned(scenario: Scenario) -> str:
    content = scenario.model_dump(mode="json", exclude_none=True)
    content["task"] = {"name": "none", "model": "1 MB", "steps": 10}
    for name in ("model", "training", "stop_when", "output", "sweep", "tune"):
        content.pop(name, None)
    content["evaluation"].pop("target", None)
    for protocol in content["protocols"].values():
        protocol.pop("training", None)
    for fault in content["faults"].values():
        if fault.pop("tied_to", None):
            fault.pop("fails_sooner", None)
    stream, yaml = StringIO(), YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.dump(content, stream)
    return stream.getvalue()


def mutant(text: str, dice: Dice) -> str:
    """A text hurt once, or a few times."""
    for _ in range(dice.choice((1, 1, 1, 1, 2, 3))):
        text = dice.choice(_WAYS)(text, dice)
    return text


def mutant_table(text: str, dice: Dice) -> str:
    """The same of a table."""
    for _ in range(dice.choice((1, 1, 2))):
        text = dice.choice((_letters, _lines, _CELL))(text, dice)
    return text


def extreme(text: str, dice: Dice) -> str:
    """A text with one to three of its numbers at a bound."""
    for _ in range(dice.choice((1, 1, 2, 3))):
        text = _NUMBER(text, dice)
    return text


def _parts(pattern: str, change: Change) -> Change:
    """Change one of what the first group of a pattern finds."""

    def changed(text: str, dice: Dice) -> str:
        found = list(re.finditer(pattern, text))
        if not found:
            return text
        match = dice.choice(found)
        return text[: match.start(1)] + change(match[1], dice) + text[match.end(1) :]

    return changed


def _letters(text: str, dice: Dice) -> str:
    at = dice.randrange(len(text) + 1)
    return text[:at] + dice.choice(_LETTERS) + text[at + dice.randrange(3) :]


def _lines(text: str, dice: Dice) -> str:
    lines = text.splitlines(keepends=True) or [""]
    one, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    match dice.randrange(5):
        case 0:
            lines[one], lines[other] = lines[other], lines[one]
        case 1:
            lines.insert(one, lines[other])
        case 2:
            del lines[one]
        case 3:
            lines[one] = dice.choice(("  ", "    ", "\t", "- ")) + lines[one]
        case 4:
            lines[one] = lines[one].lstrip()
    return "".join(lines)


def _misspelt(name: str, dice: Dice) -> str:
    at = dice.randrange(len(name))
    made = (name[:at] + name[at + 1 :], name[:at] + name[at] + name[at:], name.upper(), name + "x")
    return dice.choice((*made, "kind", "name", "nodes", "at", "<<", "1", "''", "a.b", '"\\0"'))


def _nested(value: str, dice: Dice) -> str:
    pairs = (("[", "]"), ("{", "}"), ("{value: ", "}"), ("[[", "]]"), ('"', '"'))
    before, after = dice.choice(pairs)
    return before + value + after


def _word(text: str, dice: Dice) -> str:
    return dice.choice((*_NUMBERS, *_UNITS, *_VALUES, "", text * 2, text[::-1]))


def _another(text: str, dice: Dice) -> str:
    """A value in the place of that one: often of the same unit."""
    unit = re.sub(r"^[-+.\deE]*\s*", "", text) if dice.random() < 0.6 else dice.choice(_UNITS)
    made = f"{dice.choice(_NUMBERS)} {unit}".strip()
    return made if dice.random() < 0.7 else dice.choice(_VALUES)


def _at_a_bound(text: str, dice: Dice) -> str:
    _, base = quantity(text.strip("'")) or (0.0, "")
    return (
        f"{dice.choice(_BOUNDS[base])} {base.replace('1/', '/ ')}".strip()
        if base in _BOUNDS
        else text
    )


_VALUE = r": +([^\s:{}\[\],#][^:{}\[\],#\n]*)"
_CELL = _parts(r"([^,\n]+)", _word)
_NUMBER = _parts(r"[:\[,] *('?[-+.\deE]+(?: ?[A-Za-z/ ]+)?'?)(?=[,\]}\n])", _at_a_bound)
_WAYS: Sequence[Change] = (
    _letters,
    _lines,
    _parts(r"(\S+)", _word),
    _parts(r"([A-Za-z_]\w*):(?= |\n)", _misspelt),
    _parts(_VALUE, _nested),
    *[_parts(_VALUE, _another)] * 4,
    _parts(r": +([{\[].*[}\]])\n", lambda value, dice: dice.choice(_VALUES)),
)
