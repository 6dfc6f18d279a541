"""The site: what the code can tell stands in it, it builds without a warning, and asks nobody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from docs import pages
from sim.protocols import PROTOCOLS
from sim.record.rows import TRACE_KINDS
from sim.scenario.scenario import Scenario
from tests.analysis.report.browser import CHROMIUM, NO_CHROMIUM, Page, browser
from tests.docs.examples import ROOT

FIELD = "document.querySelector('.md-search__input')"
ANSWER = """new Promise(found => {
  const look = () => {
    const answers = document.querySelectorAll('.md-search-result__link');
    answers.length ? found([...answers].map(one => one.href)) : setTimeout(look, 50);
  };
  look();
})"""


def test_every_protocol_has_a_page_of_its_own() -> None:
    folder = ROOT / "docs/reference/protocols"
    assert {page.stem for page in folder.glob("*.md")} == set(PROTOCOLS)


def test_every_kind_and_each_of_its_settings_stands_in_the_reference() -> None:
    text = "\n".join(pages.settings())
    models: list[type[BaseModel]] = [Scenario]
    models += [kind for registry in pages.KINDS.values() for kind in registry.values()]
    for model in models:
        for name in set(model.model_fields) - pages.CHOOSERS:
            assert f"\n| `{name}` |" in text, (model, name)
    assert "| `stall_timeout` |" in text and "| `30.0 s` |" in text


def test_every_kind_of_the_trace_and_every_command_stands_in_the_reference() -> None:
    columns, commands = "\n".join(pages.columns()), "\n".join(pages.commands())
    assert all(f"| `{kind}` |" in columns for kind in TRACE_KINDS)
    assert all(f"## `braintorrent {name}`" in commands for name in ("run", "sweep", "plot"))


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_asks_nobody(tmp_path: Path) -> None:
    pages.main()
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir"]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    subprocess.run([*build, tmp_path / "site"], cwd=ROOT, env=quiet, check=True)
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    with browser(tmp_path / "profile") as page:
        # That of a missing page has addresses that only a server knows.
        for each in sorted({*(tmp_path / "site").rglob("*.html")} - {tmp_path / "site/404.html"}):
            page.open(each)
        assert any("timeouts.html" in url for url in search(page, "stall_timeout"))
        assert [url for url in page.asked if not url.startswith(("file:", "data:"))] == []
        assert page.complaints == []


def search(page: Page, text: str) -> list[str]:
    """Where the answers of the page's own search lead."""
    page.value(f"{FIELD}.focus()")
    page.call("Input.insertText", text=text)
    page.value(f"{FIELD}.dispatchEvent(new KeyboardEvent('keyup', {{bubbles: true}}))")
    found: list[str] = page.value(ANSWER)
    return found
