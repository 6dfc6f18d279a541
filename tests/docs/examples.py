"""The examples of the documents: their fenced blocks, with what a page says of each.

A block with a title is a file that the reader writes, `sh` are commands, `python` without a title
is a script of its own, and `text` right after commands is what they print. A comment before a block
says how it differs: `<!-- not run: why -->` (`not run from here` for all that follow), or
`<!-- exit code 2 -->`.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WRITTEN = {"settings", "scenarios", "columns", "commands", "python", "code"}
"""The pages that `docs/pages.py` writes."""

_TITLE = re.compile(r'(\w*)(?: title="([^"]+)")?')
_NOT_RUN = re.compile(r"<!-- not run: .+ -->")
_EXIT = re.compile(r"<!-- exit code (\d+) -->")


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    title: str
    text: str
    is_run: bool
    exit_code: int

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> Iterator[list[str]]:
        """The words of each command, without comments."""
        for line in self.text.replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                yield words


def pages() -> Iterator[Path]:
    """The pages that people write."""
    return (
        page for page in PAGES if not (page.stem in WRITTEN and page.parent.name == "reference")
    )


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in its order."""
    said, from_here = "", False
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "fence":
            match = _TITLE.fullmatch(token.info.strip())
            assert match and token.map, f"{page}: {token.info}"
            code, not_run = _EXIT.search(said), _NOT_RUN.search(said)
            yield Block(
                str(page.relative_to(ROOT)),
                token.map[0] + 1,
                match[1],
                match[2] or "",
                token.content,
                not (not_run or from_here),
                int(code[1]) if code else 0,
            )
        said = token.content if token.type == "html_block" else ""
        from_here = from_here or "<!-- not run from here:" in said
