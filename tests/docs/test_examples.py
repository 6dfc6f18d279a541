"""Every example of the documents: scenarios are valid, commands exist, and what is short is run."""

import ast
import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from sim.cli import app
from sim.record.code import NO_CODE, activate, read
from sim.record.errors import ScenarioError
from sim.scenario import load
from tests.docs.examples import ROOT, Block, blocks, pages

ALL = [block for page in pages() for block in blocks(page)]
HELPERS = {"cat", "cd", "dask", "export", "git", "less", "python", "python3", "unzip"}


def those(*languages: str) -> list[object]:
    found = [block for block in ALL if block.language in languages]
    return [pytest.param(block, id=block.place) for block in found]


def test_every_block_says_what_it_is() -> None:
    known = {"csv", "json", "latex", "python", "sh", "text", "yaml", "bibtex"}
    assert [block.place for block in ALL if block.language not in known] == []


@pytest.mark.parametrize("block", those("yaml"))
def test_a_scenario_is_valid(block: Block, tmp_path: Path) -> None:
    """One with a title as it stands; a part of one in the place of the demo's."""
    text = (ROOT / "scenarios/server_crash.yaml").read_text(encoding="utf-8")
    if block.title:
        text = block.text
    else:
        whole, part = (YAML(typ="safe").load(one) for one in (text, block.text))
        text = "".join(f"{key}: {value!r}\n" for key, value in (whole | part).items())
    path = tmp_path / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    refused = pytest.raises(ScenarioError) if block.exit_code else nullcontext()
    with own_code(block.page, tmp_path), refused:
        load(path)


@contextmanager
def own_code(page: str, folder: Path) -> Iterator[None]:
    """The Python files of a page, as if each were given by `--code`."""
    files = [block for block in ALL if block.page == page and block.title.endswith(".py")]
    for block in files:
        (folder / block.title).write_text(block.text, encoding="utf-8")
    given = [str(folder / one.title) for one in files if not one.title.startswith("test_")]
    activate(read(given))
    try:
        yield
    finally:
        activate(NO_CODE)


@pytest.mark.parametrize("block", those("sh"))
def test_a_command_exists(block: Block) -> None:
    for words in block.commands():
        refuse_unknown(words)


def refuse_unknown(words: Sequence[str]) -> None:
    """Fail unless the command, its options and what it names exist."""
    program = Path(words[0]).name
    if program == "braintorrent":
        group: Any = get_command(app)
        if words[1].startswith("--"):
            assert any(words[1] in one.opts for one in group.params), words
        else:
            given = itertools.takewhile(lambda word: word != ">", words[2:])
            group.commands[words[1]].make_context(words[1], list(given))
    elif program == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        assert [word for word in words[1:] if "=" not in word and word not in targets] == []
    elif program == "pip":
        known = (ROOT / "setup.cfg").read_text("utf-8")
        for extra in re.findall(r"\[([a-z,]+)]", " ".join(words)):
            assert all(f"\n{name} =\n" in known for name in extra.split(","))
    else:
        assert program in HELPERS, words


@pytest.mark.parametrize("block", those("python"))
def test_a_script_is_python(block: Block) -> None:
    ast.parse(block.text)


def test_the_readme_shows_the_scenario_that_is_shipped() -> None:
    text = (ROOT / "scenarios/server_crash.yaml").read_text(encoding="utf-8")
    assert [one.text for one in ALL if one.page == "README.md" and one.language == "yaml"] == [text]


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size < 8192


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [pytest.param(one, id=str(one.relative_to(ROOT))) for one in pages()]
)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    """Files are written, commands and scripts run in one folder, from the page's top to its end."""
    printed = ""
    for block in blocks(page):
        if block.title:
            path = tmp_path / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language in ("sh", "python") and block.is_run:
            printed = run(block, tmp_path)
        elif block.language == "text" and printed:
            assert shown(block.text).search(printed), f"{block.place}:\n{printed}"
            printed = ""
        else:
            printed = ""


@pytest.mark.slow
def test_the_readme_shows_what_the_demo_prints(tmp_path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^demo:.*\n\t@\$\(RUN\) (.+)$", makefile, re.MULTILINE)
    (block,) = (one for one in ALL if one.page == "README.md" and one.language == "text")
    printed = output([sys.executable, "-m", *shlex.split(recipe)], block, tmp_path)
    assert shown(block.text).search(printed), printed


def run(block: Block, folder: Path) -> str:
    """What the block's script prints, or its commands: of these ours and Python's are run."""
    python = [sys.executable]
    if block.language == "python":
        return output([*python, "-c", block.text], block, folder)
    started = {"python": python, "braintorrent": [*python, "-m", "braintorrent"]}
    return "".join(
        output([*started[words[0]], *words[1:]], block, folder)
        for words in block.commands()
        if words[0] in started
    )


def output(words: Sequence[str], block: Block, folder: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    printed = done.stdout + done.stderr
    assert done.returncode == block.exit_code, f"{block.place}: {words}\n{printed}"
    return printed


def shown(text: str) -> re.Pattern[str]:
    """A pattern of the text, whatever its blanks; `...` stands for anything."""
    parts = (r"\s+".join(map(re.escape, part.split())) for part in text.split("..."))
    return re.compile(r"\s*.*?\s*".join(parts), re.DOTALL)
