"""What `run.json` and `sweep.json` tell of their points, written and read again."""

from pathlib import Path

from sim.record.folder import write_record
from sim.record.points import FolderRecord, TargetRecord, read_points
from sim.scenario import folder_record, grid


def read_again(told: FolderRecord, folder: Path) -> FolderRecord:
    write_record(folder / "sweep.json", told.as_dict())
    found = read_points(folder / "sweep.json")
    assert found is not None
    return found[0]


def test_what_is_tuned_is_told(tmp_path: Path) -> None:
    vary = ["training.learning_rate=0.1,0.2", "clients.count=2,3"]
    told = folder_record(grid("churn", vary=vary, tune=["training.learning_rate"]))
    assert told.tune == ("training.learning_rate",)
    assert read_again(told, tmp_path) == told
    assert folder_record(grid("churn", vary=vary)).tune == ()


def test_a_target_is_told_with_what_it_is_of_and_at_which_stage(tmp_path: Path) -> None:
    goal = "{metric: loss, value: 0.25, of: worst, stage: trained}"
    told = folder_record(grid("churn", vary=[f"evaluation.target=null,{goal}"]))
    assert [point.target for point in told.points] == [
        None,
        TargetRecord("loss", 0.25, "worst", "trained"),
    ]
    assert read_again(told, tmp_path) == told
