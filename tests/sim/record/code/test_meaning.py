"""Which edit of a user's code changes what a definition does, and which doesn't."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.record.code import Code, Module, differences, meaning

MINE = """\
import helpers as h
import math
import torch
from helpers import Base, doubled
from torch import nn


WIDTH = 3


class Net(Base):
    '''A network.'''

    def __init__(self, width: int = WIDTH) -> None:
        self.width = doubled(width) + h.OFFSET


class Gossip:
    period = 20
"""
HELPERS = """\
OFFSET = 1
UNUSED = 2


class Base:
    depth = 1


def doubled(number):
    return FACTOR * number


def unused(number):
    return number


FACTOR = 2
"""


def code(**texts: str) -> Code:
    """Modules by their names; `pkg__sub` is `pkg.sub`, and what holds others is a package."""
    named = {name.replace("__", "."): text for name, text in texts.items()}
    packages = {name.rpartition(".")[0] for name in named}
    modules = (Module(name, f"{name}.py", text, name in packages) for name, text in named.items())
    return Code(tuple(modules))


def digest(name: str = "mine.Net", **texts: str) -> str:
    return meaning(code(**texts), [name]).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("WIDTH = 3", "WIDTH = 4"),
        ("class Net(Base):", "class Net(h.Base):"),
        ("doubled(width)", "(width)"),
        ("width: int = WIDTH", "width: int = 3"),
    ],
)
def test_a_change_in_the_definition_is_noticed(old: str, new: str) -> None:
    assert digest(mine=MINE.replace(old, new), helpers=HELPERS) != digest(
        mine=MINE, helpers=HELPERS
    )


@pytest.mark.parametrize("old", ["OFFSET = 1", "depth = 1", "FACTOR = 2", "FACTOR * number"])
def test_a_change_in_what_it_uses_is_noticed(old: str) -> None:
    changed = HELPERS.replace(old, old.replace("1", "7").replace("2", "7").replace("*", "+"))
    assert digest(mine=MINE, helpers=changed) != digest(mine=MINE, helpers=HELPERS)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("'''A network.'''", "'''The best of all networks.'''"),
        ("'''A network.'''", "# No docstring"),
        ("WIDTH = 3", "WIDTH = 3  # neurons"),
        ("WIDTH = 3", "WIDTH = (\n    3\n)"),
        ("period = 20", "period = 30"),
        ("class Gossip:", "import numpy\n\n\ndef other():\n    return numpy\n\n\nclass Gossip:"),
        ("class Gossip:", "LATER = math.pi\n\n\nclass Gossip:"),
        ("import math\n", ""),
    ],
)
def test_what_only_people_read_or_others_use_changes_nothing(old: str, new: str) -> None:
    assert MINE.replace(old, new) != MINE
    assert meaning(code(mine=MINE.replace(old, new), helpers=HELPERS), ["mine.Net"]) == meaning(
        code(mine=MINE, helpers=HELPERS), ["mine.Net"]
    )


@pytest.mark.parametrize("old", ["UNUSED = 2", "return number\n"])
def test_a_helper_that_it_does_not_use_is_no_part_of_it(old: str) -> None:
    changed = HELPERS.replace(old, old.replace("2", "7").replace("return ", "return -"), 1)
    if old.startswith("return"):
        changed = HELPERS.replace("    return number\n", "    return -number\n")
    assert changed != HELPERS
    assert digest(mine=MINE, helpers=changed) == digest(mine=MINE, helpers=HELPERS)


NET = "class Net:\n    width = {}\n"
# How a definition may come by `secret`, whose value is X; each is edited, and must be noticed.
WAYS: dict[str, dict[str, str]] = {
    "a function": {"mine": "def secret():\n    return X\n" + NET.format("secret()")},
    "a class": {"mine": "class Secret:\n    x = X\n" + NET.format("Secret.x")},
    "a base class": {"mine": "class Base:\n    x = X\nclass Net(Base):\n    pass\n"},
    "a base's base": {
        "mine": "from a import B\nclass Net(B):\n    pass\n",
        "a": "import b\nclass B(b.C):\n    pass\n",
        "b": "class C:\n    x = X\n",
    },
    "a decorator": {
        "mine": "def wide(kind):\n    kind.width = X\n    return kind\n"
        "@wide\nclass Net:\n    pass\n"
    },
    "a default": {"mine": "SECRET = X\nclass Net:\n    def f(self, x=SECRET):\n        return x\n"},
    "an annotation": {
        "mine": "from typing import Annotated\nT = Annotated[int, X]\nclass Net:\n    x: T\n"
    },
    "a type in quotes": {
        "mine": "from typing import Annotated\nT = Annotated[int, X]\nclass Net:\n    x: 'T'\n"
    },
    "a chain of constants": {"mine": "A = X\nB = A + 1\nC = [B]\n" + NET.format("C[0]")},
    "a constant made twice": {"mine": "A = 1\nA = X\n" + NET.format("A")},
    "a sum": {"mine": "A = 1\nA += X\n" + NET.format("A")},
    "an unpacked one": {"mine": "A, (B, *C) = 1, (2, X)\n" + NET.format("C")},
    "an alias": {"mine": "def secret():\n    return X\nother = secret\n" + NET.format("other()")},
    "an import": {"mine": "import h\n" + NET.format("h.secret"), "h": "secret = X\n"},
    "an import as": {"mine": "import h as g\n" + NET.format("g.secret"), "h": "secret = X\n"},
    "from": {"mine": "from h import secret\n" + NET.format("secret"), "h": "secret = X\n"},
    "from as": {"mine": "from h import secret as s\n" + NET.format("s"), "h": "secret = X\n"},
    "star": {"mine": "from h import *\n" + NET.format("secret"), "h": "secret = X\n"},
    "a star's star": {
        "mine": "from g import *\n" + NET.format("secret"),
        "g": "from h import *\n",
        "h": "secret = X\n",
    },
    "an import in a function": {
        "mine": "class Net:\n    def f(self):\n        from h import secret\n"
        "        return secret\n",
        "h": "secret = X\n",
    },
    "an import in a function as": {
        "mine": "class Net:\n    def f(self):\n        import h as g\n        return g.secret\n",
        "h": "secret = X\n",
    },
    "a module under another name": {
        "mine": "import h\ng = h\n" + NET.format("g.secret"),
        "h": "secret = X\n",
    },
    "a module that is handed on": {
        "mine": "import h\ndef f(g):\n    return g.secret\n" + NET.format("f(h)"),
        "h": "secret = X\n",
    },
    "getattr": {
        "mine": "import h\n" + NET.format("getattr(h, 'sec' + 'ret')"),
        "h": "secret = X\n",
    },
    "a module's dict": {"mine": "import h\n" + NET.format("h.__dict__['s']"), "h": "s = X\n"},
    "a module's __getattr__": {
        "mine": "import h\n" + NET.format("h.secret"),
        "h": "def __getattr__(name):\n    return X\n",
    },
    "a module in a package": {
        "mine": "import p.q\n" + NET.format("p.q.secret"),
        "p": "",
        "p__q": "secret = X\n",
    },
    "a module from a package": {
        "mine": "from p import q\n" + NET.format("q.secret"),
        "p": "",
        "p__q": "secret = X\n",
    },
    "a module that a package imports": {
        "mine": "import p\n" + NET.format("p.q.secret"),
        "p": "from . import q\n",
        "p__q": "secret = X\n",
    },
    "what a package hands on": {
        "mine": "from p import secret\n" + NET.format("secret"),
        "p": "from .q import secret\n",
        "p__q": "from . import r\nsecret = r.secret\n",
        "p__r": "secret = X\n",
    },
    "a module by another": {
        "mine": "import g\n" + NET.format("g.i.secret"),
        "g": "import h as i\n",
        "h": "secret = X\n",
    },
    "a module by another, from": {
        "mine": "from g import i\n" + NET.format("i.secret"),
        "g": "import h as i\n",
        "h": "secret = X\n",
    },
    "a relative import": {
        "p__mine": "from .q import secret\n" + NET.format("secret"),
        "p": "",
        "p__q": "secret = X\n",
    },
    "a package's __init__": {
        "p__mine": "import os\n" + NET.format("os.environ"),
        "p": "import os\nos.environ['SECRET'] = 'X'\n",
    },
    "globals": {"mine": "SECRET = X\n" + NET.format("globals()['SEC' + 'RET']")},
    "vars of a module": {"mine": "import h\n" + NET.format("vars(h)['s' + 'q']"), "h": "sq = X\n"},
    "sys.modules": {
        "mine": "import h\nimport sys\n" + NET.format("sys.modules['h'].secret"),
        "h": "secret = X\n",
    },
    "sys.modules under another name": {
        "mine": "import h\nfrom sys import modules as m\n" + NET.format("m['h'].secret"),
        "h": "secret = X\n",
    },
    "importlib": {
        "mine": "from importlib import import_module\n" + NET.format("import_module('h').secret"),
        "h": "secret = X\n",
    },
    "eval": {"mine": "SECRET = X\n" + NET.format("eval('SEC' + 'RET')")},
    "a table": {"mine": "def a():\n    return X\nTABLE = {'a': a}\n" + NET.format("TABLE['a']()")},
    "a registry by decorator": {
        "mine": "TABLE = {}\ndef put(f):\n    TABLE[f.__name__] = f\n    return f\n"
        "@put\ndef a():\n    return X\n" + NET.format("TABLE['a']()")
    },
    "a registry in another module": {
        "mine": "import plugins\nfrom h import TABLE\n" + NET.format("TABLE['a']()"),
        "h": "TABLE = {}\ndef put(f):\n    TABLE[f.__name__] = f\n    return f\n",
        "plugins": "from h import put\n@put\ndef a():\n    return X\n",
    },
    "a registry by a call": {
        "mine": "TABLE = {}\ndef a():\n    return X\n_ = TABLE.setdefault('a', a)\n"
        + NET.format("TABLE['a']()")
    },
    "a registry by __init_subclass__": {
        "mine": "import plugins\nfrom h import Base\n" + NET.format("Base.kinds['A'].x"),
        "h": "class Base:\n    kinds = {}\n    def __init_subclass__(cls):\n"
        "        Base.kinds[cls.__name__] = cls\n",
        "plugins": "from h import Base\nclass A(Base):\n    x = X\n",
    },
    "subclasses": {
        "mine": "class Base:\n    pass\nclass A(Base):\n    x = X\n"
        + NET.format("Base.__subclasses__()[0].x")
    },
    "a metaclass": {
        "mine": "TABLE = []\nclass Meta(type):\n"
        "    def __init__(cls, *a):\n        TABLE.append(cls)\n"
        "class Base(metaclass=Meta):\n    pass\nclass A(Base):\n    x = X\n"
        "class Net(Base):\n    def f(self):\n        return TABLE[1].x\n"
    },
    "single dispatch": {
        "mine": "import functools\n@functools.singledispatch\ndef f(x):\n    return 0\n"
        "@f.register\ndef _(x: int):\n    return X\n" + NET.format("f(1)")
    },
    "a try": {
        "mine": "try:\n    import nothing\n    A = 1\nexcept ImportError:\n    A = X\n"
        + NET.format("A")
    },
    "a condition": {"mine": "if 1 < X:\n    A = 1\nelse:\n    A = 2\n" + NET.format("A")},
    "a call on a condition": {
        "mine": "T = []\ndef a():\n    return X\nif T == []:\n    B = 1\n    T.append(a)\n"
        + NET.format("T[0]()")
    },
    "a monkeypatch": {
        "mine": "import h\nh.secret = X\n" + NET.format("h.secret"),
        "h": "secret = 1\n",
    },
    "a monkeypatched class": {
        "mine": "class Net:\n    pass\ndef f(self):\n    return X\nNet.f = f\n"
    },
    "setattr": {"mine": "class Net:\n    pass\ndef f(self):\n    return X\nsetattr(Net, 'f', f)\n"},
    "a walrus": {"mine": "B = (A := X) + 1\n" + NET.format("A")},
    "a walrus in a condition": {"mine": "if (A := X) > 1:\n    B = 2\n" + NET.format("A")},
    "a loop": {"mine": "A = 0\nfor B in range(X):\n    A = A + B\n" + NET.format("A")},
    "a loop's variable": {"mine": "for A in [X]:\n    pass\n" + NET.format("A")},
    "with": {
        "mine": "import io\nwith io.StringIO('X') as A:\n    B = A.read()\n" + NET.format("B")
    },
    "match": {"mine": "match 1:\n    case 1:\n        A = X\n" + NET.format("A")},
    "a deleted name": {"mine": "A = X\nB = A\ndel A\n" + NET.format("B")},
    "a dataclass": {
        "mine": "from dataclasses import dataclass\n@dataclass\nclass S:\n    x: int = X\n"
        + NET.format("S().x")
    },
    "a cached function": {
        "mine": "import functools\n@functools.cache\ndef s():\n    return X\n" + NET.format("s()")
    },
    "a nested function": {
        "mine": "def s():\n    def inner():\n        return X\n    return inner\n"
        + NET.format("s()()")
    },
    "a global statement": {
        "mine": "A = 1\ndef set_a():\n    global A\n    A = X\nset_a()\n" + NET.format("A")
    },
    "a name that only a function makes": {
        "mine": "def set_a():\n    global A\n    A = X\n"
        "class Net:\n    def f(self):\n        return A\n"
    },
    "lambdas in a table": {"mine": "T = {'a': lambda: S}\nS = X\n" + NET.format("T['a']()")},
    "a comprehension": {"mine": "S = X\nT = [S * n for n in range(3)]\n" + NET.format("T")},
    "a partial": {
        "mine": "import functools\ndef make(x):\n    return x\nNet = functools.partial(make, X)\n"
    },
    "a factory of classes": {
        "mine": "def make(x):\n    class Made:\n        width = x\n    return Made\nNet = make(X)\n"
    },
    "a format": {"mine": "S = X\n" + NET.format("f'{S}'")},
    "a class in a class": {"mine": "class Net:\n    class Inner:\n        x = X\n"},
    "a class in another's": {
        "mine": "class Outer:\n    class Inner:\n        x = X\n" + NET.format("Outer.Inner.x")
    },
    "an import by type checkers": {
        "mine": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    S = int\nelse:\n"
        "    S = X\n" + NET.format("S")
    },
    "async": {"mine": "async def s():\n    return X\n" + NET.format("s")},
}


@pytest.mark.parametrize("way", WAYS)
def test_it_is_noticed_by_whichever_way_a_definition_comes_by_a_value(way: str) -> None:
    name = "p.mine.Net" if "p__mine" in WAYS[way] else "mine.Net"
    one, other = (
        {module: text.replace("X", value) for module, text in WAYS[way].items()}
        for value in ("4", "5")
    )
    assert one != other
    assert digest(name, **one) != digest(name, **other)


UNTOUCHED: dict[str, dict[str, str]] = {
    "another function": {"mine": NET.format(1) + "def f():\n    return X\n"},
    "another class": {"mine": NET.format(1) + "class Gossip:\n    x = X\n"},
    "a dataclass": {
        "mine": "from dataclasses import dataclass\n@dataclass\nclass Message:\n    x: int = X\n"
        + NET.format(1)
    },
    "a module method": {
        "mine": "class Net:\n    def f(self):\n        return list(self.modules())\n"
        "class Gossip:\n    x = X\n"
    },
    "eval mode": {
        "mine": "class Net:\n    def f(self):\n        self.eval()\nclass Gossip:\n    x = X\n"
    },
    "a logger": {
        "mine": "import logging\nlog = logging.getLogger('X')\n" + NET.format(1),
    },
    "main": {"mine": NET.format(1) + "if __name__ == '__main__':\n    print(X)\n"},
    "another module": {"mine": "import h\n" + NET.format("h.a"), "h": "a = 1\nb = X\n"},
    "a module that nothing imports": {"mine": NET.format(1), "h": "b = X\n"},
    "a module in a package": {
        "mine": "import p.q\n" + NET.format("p.q.a"),
        "p": "",
        "p__q": "a = 1\nb = X\n",
    },
    "a type's name": {"mine": "T = int\n" + NET.format(1) + "class Gossip:\n    x: T = X\n"},
    "__all__": {"mine": "__all__ = ['Net', 'X']\n" + NET.format(1)},
    "a text of its own": {"mine": '"""X"""\n' + NET.format(1) + '"""X"""\n'},
    "a description": {
        "mine": "from pydantic import Field\n" + NET.format("Field(default=1, description='X')")
    },
}


@pytest.mark.parametrize("way", UNTOUCHED)
def test_what_a_definition_does_not_use_is_not_in_it(way: str) -> None:
    one, other = (
        {module: text.replace("X", value) for module, text in UNTOUCHED[way].items()}
        for value in ("4", "5")
    )
    assert digest(**one) == digest(**other)


def test_libraries_are_those_that_it_uses() -> None:
    text = "import math\nimport numpy as np\nimport torch\nfrom torch import nn\n"
    text += "from braintorrent.extend import Network\n"
    text += "class Net(nn.Module):\n    def f(self):\n        import scipy.ndimage as s\n"
    text += "        return math.pi, s\nclass Other:\n    x = np.pi\n"
    assert meaning(code(mine=text), ["mine.Net"]).libraries == ("scipy", "torch")
    assert meaning(code(mine=text), ["mine.Other"]).libraries == ("numpy",)
    by_another = {"mine": "import h\n" + NET.format("h.np.pi"), "h": "import numpy as np\n"}
    assert meaning(code(**by_another), ["mine.Net"]).libraries == ("numpy",)
    fallback = "try:\n    from fast import f\nexcept ImportError:\n    from h import f\n"
    both = meaning(code(mine=fallback + NET.format("f"), h="f = 1\n"), ["mine.Net"])
    assert both.libraries == ("fast",) and "h.f" in both.parts


def test_a_definition_inside_another_means_that_one() -> None:
    made = code(mine="def make():\n    class Made:\n        x = 1\n    return Made\n")
    assert list(meaning(made, ["mine.make.<locals>.Made"]).parts) == ["mine.make"]
    with pytest.raises(KeyError):
        meaning(made, ["yours.Net"])


def test_differences_are_told_by_name() -> None:
    names = ["mine.Net"]
    before = meaning(code(mine=MINE, helpers=HELPERS), names)
    text = MINE.replace("WIDTH = 3", "WIDTH = 4").replace(" + h.OFFSET", " + math.pi")
    after = meaning(code(mine=text, helpers=HELPERS), names)
    assert differences(before, after) == [
        "mine.Net has changed",
        "mine.WIDTH has changed",
        "mine.math is new",
        "helpers.OFFSET is gone",
        "mine.h is gone",
    ]
    assert differences(before, before) == []


def test_two_thousand_lines_are_read_in_less_than_a_second() -> None:
    body = "    for each in range(3):\n        total = helper_{0}(each) if each else {0}\n" * 3
    one = "def helper_{1}(x):\n    total = 0\n" + body + "    return total + x\n\n"
    texts = {
        f"p__m{n}": f"from .m{n - 1} import *\n" * (n > 0)
        + "".join(one.format(k, k + 1) for k in range(20))
        for n in range(10)
    }
    texts |= {"p": "", "mine": "from p import m9\n" + NET.format("m9.helper_20(1)")}
    assert sum(text.count("\n") for text in texts.values()) > 1_900
    bundle = code(**texts)
    started_s = time.process_time()
    meaning(bundle, ["mine.Net"])
    assert time.process_time() - started_s < 1


Program = tuple[list[int], list[list[tuple[int, str]]]]
HOW = ("import", "as", "from", "inside")


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """For each definition the module it is in, and those before it that it uses, and how."""
    homes = draw(st.lists(st.integers(0, 2), min_size=2, max_size=8))
    return homes, [
        [
            (other, draw(st.sampled_from(HOW)))
            for other in draw(st.sets(st.integers(0, number - 1), max_size=3) if number else NONE)
        ]
        for number in range(len(homes))
    ]


NONE: st.SearchStrategy[set[int]] = st.just(set())


def written(program: Program, edited: int) -> Code:
    homes, uses = program
    tops: dict[int, list[str]] = {0: [], 1: [], 2: []}
    bodies: dict[int, list[str]] = {0: [], 1: [], 2: []}
    for number, home in enumerate(homes):
        body = [f"def d{number}():", f"    x = {7 if number == edited else 1}"]
        for other, how in uses[number]:
            top, line = _use(home, homes[other], other, how)
            tops[home] += top
            body.append(f"    {line}")
        bodies[home] += body
    return code(**{f"m{home}": "\n".join(tops[home] + bodies[home]) + "\n" for home in tops})


def _use(home: int, other_home: int, other: int, how: str) -> tuple[list[str], str]:
    """A line at the top, and one in a function, that use a definition of another module."""
    if home == other_home:
        return [], f"x += d{other}()"
    match how:
        case "import":
            return [f"import m{other_home}"], f"x += m{other_home}.d{other}()"
        case "as":
            return [f"import m{other_home} as n{other_home}"], f"x += n{other_home}.d{other}()"
        case "from":
            return [f"from m{other_home} import d{other} as e{other}"], f"x += e{other}()"
    return [], f"from m{other_home} import d{other}; x += d{other}()"


@given(programs(), st.data())
def test_an_edit_is_noticed_by_exactly_those_who_use_it(
    program: Program, data: st.DataObject
) -> None:
    homes, uses = program
    edited = data.draw(st.integers(0, len(homes) - 1))
    users = {edited}
    for number in range(edited + 1, len(homes)):
        if any(other in users for other, _ in uses[number]):
            users.add(number)
    before, after = written(program, -1), written(program, edited)
    for number, home in enumerate(homes):
        names = [f"m{home}.d{number}"]
        assert (meaning(before, names) != meaning(after, names)) == (number in users)
