"""Paths of scans: relative to the scenario's file, and absolute once they are stored."""

import io
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from models.tasks import NiftiSettings
from sim.record.errors import ScenarioError
from sim.scenario import Scenario, dump, load, shipped

TASK = "task={name: nifti, scans: data/scans.csv, label_map: ../map.csv}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A scenario's file in a folder that is not the working directory."""
    path = tmp_path / "study" / "scenario.yaml"
    path.parent.mkdir()
    path.write_text(dump(load("brains_quick")), encoding="utf-8")
    return path


def paths(scenario: Scenario) -> tuple[str, str]:
    assert isinstance(scenario.task, NiftiSettings)
    return scenario.task.scans, scenario.task.label_map


def test_relative_paths_lead_from_the_scenarios_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = str(tmp_path / "study/data/scans.csv"), str(tmp_path / "map.csv")
    assert paths(load(file, [TASK])) == wanted
    monkeypatch.chdir(tmp_path)
    assert paths(load("study/scenario.yaml", [TASK])) == wanted
    assert paths(load(file, [TASK, "task.scans=/elsewhere"])) == ("/elsewhere", wanted[1])


def test_a_stored_scenario_stands_alone(file: Path, tmp_path: Path) -> None:
    scenario = load(file, [TASK])
    stored = tmp_path / "elsewhere.yaml"
    stored.write_text(dump(scenario), encoding="utf-8")
    assert load(stored) == scenario


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ('""', "'' is a relative path; allowed: an absolute path here"),
        ("3", "3 is not text; allowed: text"),
    ],
)
def test_what_is_no_path_is_refused(file: Path, value: str, what: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(file, [TASK, f"task.scans={value}"])
    assert str(caught.value) == f"--set task.scans={value}: task.scans: {what}"


@pytest.mark.parametrize("name", shipped())
def test_a_scenario_written_setting_by_setting_is_as_if_written_whole(name: str) -> None:
    scenario = load(name, ['question="a: b #\\n\\n- ü"'])
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.width = None, 1_000_000
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(scenario.model_dump(mode="json", exclude_none=True), stream)
    assert dump(scenario) == stream.getvalue()
