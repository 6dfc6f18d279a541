"""Writes the pages of the reference that the code itself can tell: `python -m docs.pages`.

Settings come from the scenario's JSON Schema, columns and kinds from the record, commands from the
command line's own help, names from the package's docstrings. `make docs` runs it before each build,
so they are never older than the code, and git doesn't keep them.
"""

import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import click
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from typer.cli import get_docs_for_click
from typer.main import get_command

import braintorrent
from braintorrent import extend, testing
from sim.cli.commands import app
from sim.compute import Lineage
from sim.record.rows import TRACE_KINDS, Column, RunRecord, ScoreRow, TraceRow
from sim.scenario.catalogue import SECTIONS
from sim.scenario.loading import first_comment, shipped
from sim.scenario.scenario import Scenario
from sim.world import Detector, Machine, Network, Streams, Topology
from sim.world.node import Storage

HERE = Path(__file__).parent / "reference"
QUANTITIES = {
    "20 s": "duration",
    "2 s": "duration",
    "20 Mbit/s": "bandwidth",
    "0.5 / h": "rate",
    "4 GB": "size",
    "15 W": "power",
    "0.09 / GB": "price",
    "0.30 / kWh": "price",
    "client_0": "node",
    "8 h": "time of day",
    "-3 h": "offset",
    "20 kB": "size",
}
"""What a quantity is, by the example that its schema gives."""
PARTS = "parts of a scenario"
KINDS: Mapping[str, Mapping[str, type[BaseModel]]] = {PARTS: SECTIONS[PARTS], **SECTIONS}
FIRST = ("load_scenario", "Scenario", "run", "sweep", "show", "use_code", "load", "Results")
BASES = ("Protocol", "Running", "World", "Node", "Transfer", "Seen", "Fault")
MET: Mapping[str, type] = {
    "node.storage": Storage,
    "node.machine": Machine,
    "node.streams": Streams,
    "world.network": Network,
    "world.detector": Detector,
    "world.topology": Topology,
    "world.lineage": Lineage,
}
"""What one meets in a world beside what `braintorrent.extend` names."""
EXAMPLE = re.compile(r"^(>>> .*(?:\n.+)*)", re.MULTILINE)
MODULES = re.compile(r"\b(?:[a-z_]+\.)+(?=[A-Z])")
NOTHING = " -> None"
SELF = re.compile(r"^\(self(?:, )?")
QUOTED = re.compile(r"(: |-> )'([^']*)'")
WIDEST = 70
OWN, OWN_TEXT = r"\.", "your own"
"""What the schema says of names like `my_code.Gossip`: that they have a dot."""
CHOOSERS = frozenset({"kind", "name", "distribution"})


def main() -> None:
    """Write all of them."""
    for name, lines in {
        "settings": settings(),
        "scenarios": scenarios(),
        "columns": columns(),
        "commands": commands(),
        "python": python(),
        "code": code(),
    }.items():
        (HERE / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


# -- settings ----------------------------------------------------------------------------------


def settings() -> Iterator[str]:
    """Each section of a scenario, and each kind, with a table of its settings."""
    yield "# Settings\n"
    yield (
        "Every setting of a scenario. A quantity is text with a unit: `150 ms`, `2 h`, "
        "`20 Mbit/s`, `0.5 / h`; a plain number is refused where a unit is needed. "
        "`braintorrent list` prints the kinds, `braintorrent schema` all of it for "
        "[an editor](../how-to/editor.md).\n"
    )
    yield "## The scenario {#scenario}\n"
    yield from table(Scenario)
    for section, registry in KINDS.items():
        yield f"\n## {section.capitalize()} {{#{slug(section)}}}\n"
        for name, kind in registry.items():
            yield f"\n### `{name}` {{#{anchor(section, name)}}}\n"
            yield f"{summary(kind)}\n"
            yield from table(kind)


def table(model: type[BaseModel]) -> Iterator[str]:
    """The settings of one model, one a row."""
    schema = model.model_json_schema()
    fields = {name: info for name, info in model.model_fields.items() if name not in CHOOSERS}
    if model is Scenario:
        fields = dict(model.model_fields)
    if not fields:
        yield "No settings."
        return
    yield from ("| setting | what it is | values | default |", "|---|---|---|---|")
    for name, info in fields.items():
        values = described(schema["properties"][name], schema.get("$defs", {}))
        yield f"| `{name}` | {cell(str(info.description))} | {cell(values)} | {default(info)} |"


def described(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """In words, the values that a part of a JSON Schema allows."""
    if "$ref" in schema:
        return described(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if schema.get("pattern") == OWN:
        return OWN_TEXT
    if "const" in schema:
        return f"`{json.dumps(schema['const']).strip(chr(34))}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "oneOf" in schema or "anyOf" in schema:
        return choice(schema.get("oneOf") or schema["anyOf"], definitions)
    if "prefixItems" in schema:
        return "list of " + ", ".join(described(one, definitions) for one in schema["prefixItems"])
    if schema.get("examples"):
        example = schema["examples"][0]
        return f"{QUANTITIES.get(example, 'text')}, e.g. `{example}`"
    match schema.get("type"):
        case "array":
            return f"list, each: {described(schema.get('items', {}), definitions)}"
        case "object":
            return mapping(schema, definitions)
        case "integer" | "number" as kind:
            return number("whole number" if kind == "integer" else "number", schema)
        case "boolean":
            return "`true`, `false`"
        case "string":
            return "text"
    return "YAML"


def choice(options: Iterable[Mapping[str, Any]], definitions: Mapping[str, Any]) -> str:
    """Each of several possible values, once; not the bare names of kinds that are linked, too."""
    texts = [described(one, definitions) for one in options if one.get("type") != "null"]
    names = [one.get("enum", ()) for one in options if one.get("type") != "null"]
    linked = " ".join(texts)
    told = (
        text
        for text, known in zip(texts, names, strict=True)
        if not known or not all(f"[`{name}`](" in linked for name in known)
    )
    return ", ".join(dict.fromkeys(told))


def mapping(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """A mapping: a kind or a part, with a link; names of the user's own; or its keys."""
    properties = schema.get("properties", {})
    if any(one.get("pattern") == OWN for one in properties.values()):
        return OWN_TEXT
    if "distribution" in properties:
        return "a [distribution](#distributions)"
    for section, registry in KINDS.items():
        for name, kind in registry.items():
            if kind.__name__ == schema.get("title"):
                shown = "its settings" if section == PARTS else f"`{name}`"
                return f"[{shown}](#{anchor(section, name)})"
    named = schema.get("patternProperties", {}).values()
    for values in (schema.get("additionalProperties"), *named):
        if isinstance(values, dict):
            return f"names of your choice, each: {described(values, definitions)}"
    return f"mapping of {', '.join(f'`{key}`' for key in properties)}"


def anchor(section: str, name: str) -> str:
    """Where a kind or a part is described."""
    return slug(name) if section == PARTS else f"{slug(section)}-{slug(name)}"


def number(what: str, schema: Mapping[str, Any]) -> str:
    """A number with its bounds."""
    bounds = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    said = [f"{word} {schema[key]:,}" for key, word in bounds.items() if key in schema]
    return " ".join([what, ", ".join(one for one in said if "9,223,372" not in one)]).strip()


def default(info: FieldInfo) -> str:
    """A field's default as a scenario would write it."""
    if info.is_required():
        return "required"
    if info.default_factory_takes_validated_data:
        return "see its description"
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return "–"
    kind: Any = Annotated[info.annotation, None, *info.metadata]
    shown = TypeAdapter(kind).dump_python(value, mode="json", exclude_none=True)
    return f"`{shown if isinstance(shown, str) else json.dumps(shown)}`"


# -- what else the code knows ------------------------------------------------------------------


def scenarios() -> Iterator[str]:
    """The shipped scenarios, each with its question and its text."""
    yield "# Scenarios that come with it\n"
    yield (
        "Usable by name, from any folder: `braintorrent run server_crash`. Copy one to begin a "
        "scenario of your own. What they came to stands in [findings](../findings.md).\n"
    )
    folder = Path(braintorrent.__file__).parent.parent / "scenarios"
    for name in shipped():
        text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
        yield f'## `{name}` {{#{slug(name)}}}\n\n{first_comment(text)}\n\n??? note "{name}.yaml"\n'
        block = f"```yaml\n{text}```"
        yield "\n".join(f"    {line}" for line in block.splitlines()) + "\n"


def columns() -> Iterator[str]:
    """The tables' columns, and the trace's kinds."""
    yield "# Columns and kinds\n"
    yield (
        "The columns of a result folder's tables, and what a trace can tell of. Each Parquet file "
        "has the same words in its metadata. [Result folders](results.md) says which file is "
        "which.\n"
    )
    for name, row in {"scores": ScoreRow, "trace": TraceRow, "runs": RunRecord}.items():
        yield f"\n## `{name}.parquet` {{#{name}}}\n"
        yield from ("| column | meaning | unit |", "|---|---|---|")
        for column, hint in get_type_hints(row, include_extras=True).items():
            for note in getattr(hint, "__metadata__", ()):
                if isinstance(note, Column):
                    yield f"| `{column}` | {cell(note.meaning)} | {note.unit} |"
    yield "\n## Kinds of the trace {#kinds}\n"
    yield from ("| kind | meaning |", "|---|---|")
    yield from (f"| `{kind}` | {cell(meaning)} |" for kind, meaning in TRACE_KINDS.items())


def commands() -> Iterator[str]:
    """Every command as its own help tells it."""
    command = get_command(app)
    context = click.Context(command, info_name="braintorrent")  # type: ignore[arg-type]
    text = get_docs_for_click(obj=command, ctx=context, name="braintorrent")  # type: ignore[arg-type]
    listed = re.compile(r"\*\*Commands\*\*:.*?\n(?=## )", re.DOTALL)  # Cut to fit a terminal.
    yield listed.sub("", text.replace("# `braintorrent`", "# Commands", 1))
    yield (
        "## Exit codes\n\n0; 1 if runs have failed; 2 after a mistake of the user's, or of the "
        "disk's; 130 after Ctrl-C."
    )


def python() -> Iterator[str]:
    """What `import braintorrent` offers, what most people need first."""
    yield "# Python\n"
    yield "What `import braintorrent as bt` offers; how to use it: [Python](../how-to/python.md).\n"
    for name in dict.fromkeys((*FIRST, *dir(braintorrent))):
        value = getattr(braintorrent, name)
        if not callable(value) or name.startswith("_"):
            continue
        yield f"## `{name}` {{#{name}}}\n"
        if not isinstance(value, type):
            yield f"```python\n{name}{signature(value)}\n```\n"
        yield f"{inspect.getdoc(value) or ''}\n"
        if name == "Results":
            yield from members(value)


def code() -> Iterator[str]:
    """What a user's own code is made of, what it meets in a world, and what tests it."""
    yield "# Your own code\n"
    yield (
        "What `braintorrent.extend` offers, and what one meets there. How to: write a "
        "[protocol](../how-to/protocol.md), a [fault](../how-to/fault.md), a "
        "[network](../how-to/network.md), a [partition](../how-to/data.md#partition), a "
        "[metric or loss](../how-to/metric.md).\n"
    )
    bases = {name: getattr(extend, name) for name in dict.fromkeys((*BASES, *extend.__all__))}
    for name, kind in {**bases, **MET}.items():
        if isinstance(kind, type) and kind.__module__.startswith(("sim.", "models.")):
            yield f"## `{name}` {{#{slug(name)}}}\n\n{explained(kind)}\n"
            if is_dataclass(kind) or issubclass(kind, tuple):
                yield f"```python\n{kind.__name__}{signature(kind).removesuffix(NOTHING)}\n```\n"
            yield from members(kind, with_arguments=True)
    yield "## `braintorrent.testing` {#testing}\n"
    for name in testing.__all__:
        kind = getattr(testing, name)
        yield f"### `{name}` {{#{name}}}\n"
        if inspect.isfunction(kind):
            yield f"```python\n{name}{signature(kind)}\n```\n"
        yield f"{explained(kind)}\n"


def explained(value: Any) -> str:
    """A docstring whose examples are blocks, as Markdown has them."""
    return EXAMPLE.sub(r"```pycon\n\1\n```", inspect.getdoc(value) or "")


def members(kind: type, *, with_arguments: bool = False) -> Iterator[str]:
    """A line for each of a class's own methods and properties."""
    for name, value in vars(kind).items():
        text = inspect.getdoc(value) if inspect.isfunction(value) else None
        text = inspect.getdoc(value.fget) if isinstance(value, property) else text
        if text and not name.startswith("_"):
            arguments = inspect.signature(value) if inspect.isfunction(value) else ""
            plain = QUOTED.sub(r"\1\2", MODULES.sub("", str(arguments)))
            shown = name + SELF.sub("(", plain) if with_arguments else name
            yield f"- `{shown}`: {' '.join(text.partition(chr(10) * 2)[0].split())}"
    yield ""


def signature(function: Any) -> str:
    """A function's parameters, one a line where that is long, without annotations' modules."""
    found = inspect.signature(function)
    text = QUOTED.sub(r"\1\2", MODULES.sub("", str(found)))
    if len(text) <= WIDEST:
        return text
    inside, _, result = text[1:].rpartition(")")
    parts = re.split(r", (?=\*|\w+(?::|=|,|$))", inside)
    return "(\n" + "".join(f"    {part},\n" for part in parts) + f"){result}"


def summary(model: type[BaseModel]) -> str:
    """A model's docstring."""
    return inspect.getdoc(model) or ""


def cell(text: str) -> str:
    """Text for one cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def slug(name: str) -> str:
    """A name as the page's address has it."""
    return name.replace("_", "-").replace(" ", "-")


if __name__ == "__main__":
    main()
