"""A table of the user's: what its columns become, and 40 that can't be used."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from models.learner import Learner, LearnerSpec
from models.networks import MlpSettings
from models.partitions import DirichletSettings, IidSettings
from models.tasks import TableSettings
from models.tasks.task import Task
from models.training import TrainingSettings
from sim.record.errors import Refusal

Columns = dict[str, list[Any]]
IID = IidSettings(kind="iid")
TRAINING = TrainingSettings(learning_rate=0.1, batch_size=8, local_epochs=4)
ROWS = 60


def patients(**changes: list[Any] | None) -> Columns:
    """Sixty patients of two hospitals; with columns changed, added or, if None, left out."""
    draws = np.random.Generator(np.random.Philox(3))
    age = draws.integers(20, 90, ROWS).tolist()
    found: Columns = {
        "age": age,
        "marker": (draws.standard_normal(ROWS) + np.array(age) / 20).round(3).tolist(),
        "smoker": [["never", "once", "daily"][k % 3] for k in range(ROWS)],
        "hospital": [["east", "west"][k % 2] for k in range(ROWS)],
        "ill": [["no", "yes"][int(years > 55)] for years in age],
    }
    found |= {name: values for name, values in changes.items() if values is not None}
    return {name: values for name, values in found.items() if changes.get(name, ()) is not None}


def written(folder: Path, columns: Columns, name: str = "patients.csv") -> Path:
    path, frame = folder / name, pd.DataFrame(columns)
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return path


def settings(path: Path, **more: Any) -> TableSettings:
    chosen = {"partition": IID, "label": "ill", **more}
    return TableSettings(name="table", path=str(path), **chosen)


def loaded(path: Path, clients: int = 2, **more: Any) -> Task:
    return settings(path, **more).load(clients, lambda line: None)


def replaced(values: list[Any], place: int, value: Any) -> list[Any]:
    return [*values[:place], value, *values[place + 1 :]]


# -- what becomes of it ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["patients.csv", "patients.parquet"])
def test_numbers_are_scaled_and_categories_told_apart(tmp_path: Path, name: str) -> None:
    task = loaded(written(tmp_path, patients(), name))
    # Age and marker, three kinds of smokers and two hospitals.
    assert task.input_shape == (2 + 3 + 2,) and task.outputs == 2
    assert task.inputs.dtype == torch.float32
    np.testing.assert_allclose(task.inputs[:, :2].mean(dim=0), 0, atol=1e-6)
    np.testing.assert_allclose(task.inputs[:, :2].std(dim=0, correction=0), 1, atol=1e-5)
    for columns in (slice(2, 5), slice(5, 7)):
        for held in (task, task.test, task.validation):
            assert (held.inputs[:, columns].sum(dim=1) == 1).all()


def test_only_training_rows_decide_how_a_row_is_read(tmp_path: Path) -> None:
    """A row that is held out is read by others' mean, deviation, median and categories."""
    age = patients()["age"]
    plain = patients(split=["train"] * 40 + ["test"] * 12 + ["validation"] * 8)
    strange = plain | {
        "age": age[:40] + [1e6] * 20,
        "smoker": plain["smoker"][:40] + ["pipe"] * 20,
    }
    one, other = (
        loaded(written(tmp_path, columns, f"{number}.csv"), split="split")
        for number, columns in enumerate((plain, strange))
    )
    assert torch.equal(one.inputs, other.inputs) and one.input_shape == other.input_shape
    mean, deviation = np.mean(age[:40]), np.std(age[:40])
    wanted = [(years - mean) / deviation for years in age[40:52]]
    np.testing.assert_allclose(one.test.inputs[:, 0], wanted, rtol=1e-5)
    # A category that nobody trained on is none of those known.
    assert other.test.inputs[:, 2:5].sum() == 0 and one.test.inputs[:, 2:5].sum() == 12


def test_what_is_missing_is_the_median_or_a_category(tmp_path: Path) -> None:
    columns = patients(split=["train"] * 40 + ["test"] * 12 + ["validation"] * 8)
    columns["age"] = replaced(columns["age"], 45, None)
    columns["smoker"] = replaced(replaced(columns["smoker"], 0, None), 45, None)
    task = loaded(written(tmp_path, columns), split="split")
    known = columns["age"][:40]
    wanted = (np.median(known) - np.mean(known)) / np.std(known)
    assert task.test.inputs[5, 0].item() == pytest.approx(wanted, rel=1e-5)
    assert task.inputs[0, 2:6].tolist() == task.test.inputs[5, 2:6].tolist() == [0, 0, 0, 1]


def test_features_are_chosen_and_numbers_may_be_categories(tmp_path: Path) -> None:
    path = written(tmp_path, patients(ward=[k % 4 for k in range(ROWS)]))
    assert loaded(path, features=["ward"]).input_shape == (1,)
    assert loaded(path, features=["age", "ward"], categories=["ward"]).input_shape == (5,)
    assert loaded(path).input_shape == (8,)


def test_a_whole_number_may_be_larger_than_64_bits(tmp_path: Path) -> None:
    path = written(tmp_path, patients(age=replaced(P["age"], 4, 10**23)))
    assert 2 < loaded(path, features=["age"], test_fraction=0.1).inputs.max() < 10


def test_a_constant_or_empty_column_is_no_mistake(tmp_path: Path) -> None:
    path = written(tmp_path, patients(constant=[7] * ROWS, empty=[None] * ROWS))
    task = loaded(path, features=["constant", "empty", "age"])
    assert task.inputs[:, :2].abs().sum() == 0 and task.inputs[:, 2].abs().sum() > 0


@pytest.mark.parametrize(
    ("labels", "classes"),
    [([True, False] * 30, 2), ([10, 2, 33] * 20, 3), ([1.0, 2.0] * 30, 2), (["b", "a"] * 30, 2)],
)
def test_classes_are_in_their_order(tmp_path: Path, labels: list[Any], classes: int) -> None:
    split = ["train"] * 40 + ["test"] * 12 + ["validation"] * 8
    task = loaded(written(tmp_path, patients(ill=labels, split=split)), split="split")
    assert task.outputs == classes
    ranks = {label: rank for rank, label in enumerate(sorted(set(labels)))}
    assert task.labels.tolist() == [ranks[label] for label in labels[:40]]


def test_a_site_s_rows_are_its_client_s(tmp_path: Path) -> None:
    columns = patients()
    made = settings(written(tmp_path, columns), partition=None, site="hospital")
    task = made.load(2, lambda line: None)
    # Whose a row is, is no feature.
    assert task.input_shape == (2 + 3,)
    assert task.site_names == ("east", "west")
    learner = Learner(LearnerSpec(made, MlpSettings(name="mlp"), TRAINING, 2, 0))
    assert sum(learner.samples) == len(task.labels)
    assert {"accuracy@0", "accuracy@1"} < set(learner.scores(learner.initial()))


def test_numbers_are_learned_in_deviations_and_judged_in_their_own_unit(tmp_path: Path) -> None:
    columns = patients(cost=[20_000.0 + 300 * age for age in patients()["age"]])
    path = written(tmp_path, columns)
    made = settings(path, label="cost", target="number", metrics=["mae", "r2", "loss"])
    task = made.load(2, lambda line: None)
    assert task.labels.mean().item() == pytest.approx(0, abs=1e-6)
    assert task.labels.std(correction=0).item() == pytest.approx(1)
    perfect = task.test.metrics([task.test.labels[:, None]], task.test.labels)
    assert perfect["r2"] == 1 and perfect["mae"] == perfect["loss"] == 0
    mean_only = task.test.metrics([torch.zeros(len(task.test.labels), 1)], task.test.labels)
    costs = np.array(columns["cost"])
    assert 0.3 * costs.std() < mean_only["mae"] < 2 * costs.std()
    assert mean_only["loss"] == pytest.approx(task.test.labels.square().mean().item(), rel=1e-6)
    learner = Learner(LearnerSpec(made, MlpSettings(name="mlp"), TRAINING, 2, 0))
    model = learner.initial()
    for number in range(10):
        model = learner.trained(model, number % 2, number)
    found = learner.scores(model)
    assert found["r2"] > 0.9
    assert {"r2@0", "r2@1"} < set(found)
    assert learner.scores(model, "validation").keys() == {"mae", "r2", "loss"}


def test_a_client_s_share_of_numbers_is_held_out_whatever_the_partition(tmp_path: Path) -> None:
    """Dealt together, those to train on and those to test on are one client's alike."""
    from models.metrics.judge import Judge
    from tests.outside.turns import Turns

    columns = patients(cost=patients()["marker"], marker=None)
    made = settings(written(tmp_path, columns), label="cost", target="number")
    made = made.model_copy(update={"partition": Turns(kind="turns")})
    task = made.load(4, lambda line: None)
    draws = np.random.Generator(np.random.Philox(0))
    trained_on, count = made.deal(task, 4, draws), len(task.labels)
    assert [each.tolist() for each in trained_on] == [list(range(k, count, 4)) for k in range(4)]
    judged = made.tested(task, 4, draws).metrics
    assert isinstance(judged, Judge) and judged.sites is not None
    assert judged.sites.tolist() == [(count + k) % 4 for k in range(len(task.test.labels))]


def test_equal_rows_are_told_of(tmp_path: Path) -> None:
    columns = patients(split=["train"] * 40 + ["test"] * 12 + ["validation"] * 8)
    for name in ("age", "marker", "smoker", "hospital"):
        columns[name] = replaced(columns[name], 45, columns[name][3])
    path = written(tmp_path, columns)
    assert loaded(path, split="split").notes == (
        f"{path}: 1 of 12 test samples are in the training data too, as line 47, which is line 5: "
        "scores on them may be too good",
    )


def test_the_order_of_columns_and_rows_is_the_file_s_own_content(tmp_path: Path) -> None:
    path = written(tmp_path, patients())
    pinned = settings(path).pinned()
    (tmp_path / "copy.csv").write_bytes(path.read_bytes())
    assert settings(tmp_path / "copy.csv").pinned().files_sha256 == pinned.files_sha256
    written(tmp_path, patients(age=patients()["age"][::-1]))
    with pytest.raises(Refusal, match="patients.csv: the data have changed since; allowed: the"):
        pinned.load(2, lambda line: None)


def test_what_pandas_notes_beside_the_columns_does_not_matter(tmp_path: Path) -> None:
    path = edited(b'"pandas_type"', b'"pandas_type:')(tmp_path)
    assert loaded(path).input_shape == (2 + 3 + 2,)


# -- what is refused -------------------------------------------------------------------------------

P = patients()
FILE = "a .csv, .tsv or .parquet file"


def text(content: str | bytes, name: str = "patients.csv") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def table(name: str = "patients.csv", /, **changes: list[Any] | None) -> Callable[[Path], Path]:
    return lambda folder: written(folder, patients(**changes), name)


def nested(folder: Path) -> Path:
    return written(folder, patients(scan=[[1, 2]] * ROWS), "patients.parquet")


def cut_off(folder: Path) -> Path:
    path = written(folder, patients(), "patients.parquet")
    path.write_bytes(path.read_bytes()[:-9])
    return path


def edited(before: bytes, after: bytes) -> Callable[[Path], Path]:
    """Parquet in which some bytes are others."""

    def write(folder: Path) -> Path:
        path = written(folder, patients(), "patients.parquet")
        content = path.read_bytes()
        assert len(before) == len(after) and before in content
        path.write_bytes(content.replace(before, after))
        return path

    return write


def of_bytes(folder: Path) -> Path:
    """Parquet whose text is no UTF-8."""
    column = pa.array([b"never\xff"] * ROWS).cast(pa.string(), safe=False)
    rows = pa.table(P).set_column(2, "smoker", column)
    pq.write_table(rows, folder / "patients.parquet", use_dictionary=False)
    return folder / "patients.parquet"


def odd(make: Callable[[Path], None], name: str) -> Callable[[Path], Path]:
    def made(folder: Path) -> Path:
        make(folder / name)
        return folder / name

    return made


MALFORMED: tuple[tuple[Callable[[Path], Path], dict[str, Any], str, str], ...] = (
    # the file
    (lambda folder: folder / "patients.csv", {}, "no such file", "path"),
    (
        text("age,ill\n", "patients.txt"),
        {},
        f"is none of .csv, .tsv and .parquet; allowed: {FILE}",
        "path",
    ),
    (text(""), {}, "is empty; allowed: the columns' names, and rows", "path"),
    (text("age,ill\n"), {}, "has no rows; allowed: one or more", "path"),
    (
        text("age,ill\n1,größer\n".encode("latin-1")),
        {},
        r"is no text in UTF-8; allowed: text in UTF-8 \(Excel: save as CSV UTF-8\), or in UTF-16",
        "path",
    ),
    (
        text("age,ill\n1,no\n2,yes,3\n"),
        {},
        r"is no CSV file \(.*\); allowed: as many cells in each row",
        "path",
    ),
    (
        text("age,ill,sex\n1,no,f\n2,yes\n"),
        {},
        r"is no CSV file \(line 3 has 2 cells under 3 columns\); allowed: as many cells",
        "path",
    ),
    (
        text("age,ill,\n1,no,\n2,yes,3\n"),
        {},
        "'3' in line 3 is in column 3, which has no name; allowed: a name for each column",
        "path",
    ),
    (
        text("# from the ward\n\nage;ill;;;\n1;no;;;\n\n2;yes;;call her;\n"),
        {},
        "'call her' in line 6 is in column 4, which has no name; allowed: a name for each column",
        "path",
    ),
    (
        text("# from the ward\nage,ill\n1,no\n2,yes,3\n"),
        {},
        r"is no CSV file \(line 4 has 3 cells under 2 columns\); allowed: as many cells",
        "path",
    ),
    (
        text("age,ill\n1,no,4\n2,yes,3\n"),
        {},
        r"is no CSV file \(.*\); allowed: as many cells in each row",
        "path",
    ),
    (text('age,ill\n1,"no\n'), {}, r"is no CSV file \(.*\); allowed: as many cells", "path"),
    (
        text("age,ill,age\n1,no,2\n"),
        {},
        "has 2 columns called 'age'; allowed: each name once",
        "path",
    ),
    (
        text("age,,ill\n1,2,no\n"),
        {},
        "has a column without a name; allowed: a name for each",
        "path",
    ),
    (text("nothing", "patients.parquet"), {}, r"is no Parquet file \(.*\)", "path"),
    *(
        (in_its_place, {}, rf"can't be read \(is a {kind}\)", "path")
        for name in ("patients.csv", "patients.parquet")
        for kind, make in (("folder", os.mkdir), ("pipe", os.mkfifo))
        for in_its_place in (odd(make, name),)
    ),
    (lambda folder: folder / "null\0.csv", {}, "no such file", "path"),
    (lambda folder: folder / "null\0.parquet", {}, "no such file", "path"),
    (cut_off, {}, r"is no Parquet file \(.*\); allowed: a whole Parquet file", "path"),
    (edited(b"smoker", b"smok\xffr"), {}, r"is no Parquet file \(.*\)", "path"),
    (of_bytes, {}, r"is no Parquet file \(.*UTF8.*\)", "path"),
    # its columns
    (text("age:ill\n1:no\n"), {}, "has no column 'ill'; allowed: age:ill", "label"),
    (
        text("age;cost;ill\n1,5;2.5;no\n2;1;yes\n"),
        {},
        "has decimal commas in 'age' and points in 'cost'; allowed: one of both, and no points",
        "path",
    ),
    *(
        (
            table(cost=[cost] * 40 + ["900"] * 20),
            {},
            f"'cost' is {cost!r} in line 2, and likely a number; allowed: numbers as 1234.5, empty",
            "path",
        )
        for cost in ("1,234", "1 234.5", "1.234.567,8", "1'234", "12,5", "7 %", "7.5%", "€ 5.50")
    ),
    *(
        (
            text(
                "age;cost;ill\n" + "".join(f"{k};{cost};{k % 2}\n" for k, cost in enumerate(costs))
            ),
            {},
            rf"'cost' is '{odd}' in line {line}, and others are as '{most}': decimal commas and "
            "points mixed; allowed: decimal commas or points, and none between thousands",
            "path",
        )
        for costs, odd, most, line in (
            (replaced(["58,7"] * ROWS, 40, "78.7"), "78.7", "58,7", 42),
            (replaced(["58,7"] * ROWS, 40, "1.234,5"), "1.234,5", "58,7", 42),
            (replaced(["58.7"] * ROWS, 40, "78,7"), "78,7", "58.7", 42),
        )
    ),
    *(
        (
            table(**{column: replaced(P[column], 6, error)}),
            {"partition": None, "site": "hospital"},
            f"'{column}' is {error!r} in line 8, a spreadsheet's error; allowed: values, and empty",
            "path",
        )
        for column, error in (
            ("ill", "#NV"),
            ("ill", "#N/A"),
            ("age", "#DIV/0!"),
            ("age", "Err:502"),
            ("marker", "#WERT!"),
            ("hospital", "#BEZUG!"),
            ("smoker", "#ÜBERLAUF!"),
            ("smoker", "#ЗНАЧ!"),
            ("smoker", "#####"),
        )
    ),
    (
        table("patients.parquet", smoker=replaced(P["smoker"], 6, "#VALUE!")),
        {},
        "'smoker' is '#VALUE!' in row 7, a spreadsheet's error",
        "path",
    ),
    (
        text("age\tcost\till\n1\t1,234\tno\n2\t5,678\tyes\n"),
        {},
        "'cost' is '1,234' in line 2, and likely a number",
        "path",
    ),
    (
        table(ill=["no", "n\u200bo"] * 30),
        {},
        r"the classes of 'ill' 'no' and 'n\\u200bo' look the same; allowed: names that can be",
        "path",
    ),
    (
        table(smoker=["café", "cafe\u0301"] * 30),
        {},
        "the categories of 'smoker' .* look the same; allowed: names that can be told apart",
        "path",
    ),
    (table(hospital=["a\u00a0b", "a b"] * 30), {}, "the categories of 'hospital' ", "path"),
    (
        table(hospital=["a\u200b", "a"] * 30),
        {"site": "hospital", "partition": None},
        r"the sites 'a' and 'a\\u200b' look the same",
        "path",
    ),
    (text("age,a\u0301,\u00e1,ill\n1,2,3,no\n4,5,6,yes\n"), {}, "the columns .*same", "path"),
    (
        table(),
        {"label": "sick"},
        "no column 'sick'; allowed: age, marker, smoker, hospital, ill",
        "label",
    ),
    (table(), {"features": ["age", "wight"]}, "has no column 'wight'", "features"),
    (table(), {"categories": ["ward"]}, "'ward' is no feature; allowed: features", "categories"),
    (table(), {"partition": None, "site": "clinic"}, "has no column 'clinic'", "site"),
    (table(), {"split": "part"}, "has no column 'part'", "split"),
    (text("ill\nno\nyes\n"), {}, "has no column to learn from", "path"),
    (nested, {}, "'scan' holds mixed; allowed: numbers or text", "features"),
    (
        table("patients.parquet", born=list(pd.date_range("1950", periods=ROWS))),
        {},
        "'born' holds datetime64; allowed: numbers or text",
        "features",
    ),
    (
        table(age=replaced(P["age"], 9, "fifty")),
        {},
        "'age' is 'fifty' in line 11, and mostly numbers; allowed: numbers as 1234.5, empty cells",
        "path",
    ),
    (
        table(marker=replaced(P["marker"], 6, "inf")),
        {},
        "'marker' is inf in line 8; allowed: finite numbers, and missing ones",
        "features",
    ),
    (
        table(marker=replaced(P["marker"], 6, 1e60)),
        {},
        "'marker' is 1e.60 in line 8; allowed: finite numbers, and missing ones",
        "features",
    ),
    (
        text("id,ill\n" + "".join(f"p{k},{['no', 'yes'][k % 2]}\n" for k in range(1_200))),
        {},
        "'id' has 1200 different values, as 'p0', 'p1'; allowed: at most 1000 categories, or ",
        "features",
    ),
    # its labels
    (
        table(ill=replaced(P["ill"], 4, None)),
        {},
        "'ill' is missing in line 6 and 1 in all; allowed: a value in each row",
        "label",
    ),
    (
        table(),
        {"label": "marker"},
        "'marker' has fractions, as .*; allowed: classes, or target",
        "label",
    ),
    (table(), {"target": "number"}, "'ill' holds text; allowed: numbers", "label"),
    (table(ill=["no"] * ROWS), {}, "all training samples are of class 'no'; allowed: two", "path"),
    (
        table(
            ill=["no", "yes"] * 29 + ["maybe"] * 2,
            split=["train"] * 40 + ["validation"] * 8 + ["test"] * 12,
        ),
        {"split": "split"},
        "class 'maybe' is in the test data, and not trained on; allowed: classes that are",
        "path",
    ),
    (
        text("age,ill\n" + "".join(f"{k},{k}\n" for k in range(1_200))),
        {},
        "'ill' has 1200 different values, as '0', '1'; allowed: at most 1000 categories, or target",
        "label",
    ),
    # whose rows are, and what for
    (
        table(hospital=replaced(P["hospital"], 0, None)),
        {"partition": None, "site": "hospital"},
        "'hospital' is missing in line 2 and 1 in all; allowed: a value in each row",
        "site",
    ),
    (table(), {"partition": None, "site": "marker"}, "'marker' has fractions", "site"),
    (
        table(split=["train"] * 58 + ["test", "tset"]),
        {"split": "split"},
        "'split' is 'tset' in line 61; allowed: train, validation, test",
        "split",
    ),
    (
        table(split=["test"] * 30 + ["validation"] * 30),
        {"split": "split"},
        "no sample to train on; allowed: one or more",
        "path",
    ),
    (
        table(
            hospital=["east"] * 50 + ["west"] * 10,
            split=["train"] * 40 + ["validation"] * 10 + ["test"] * 10,
        ),
        {"partition": None, "site": "hospital", "split": "split"},
        "west has test samples and none to train on; allowed: training samples of each site",
        "path",
    ),
    (
        text("age,ill\n1,no\n2,yes\n3,no\n"),
        {},
        "no sample is left for validation; allowed: more",
        "path",
    ),
)


@pytest.mark.parametrize(("write", "more", "line", "field"), MALFORMED)
def test_what_can_t_be_used_is_refused_in_a_line(
    tmp_path: Path,
    write: Callable[[Path], Path],
    more: dict[str, Any],
    line: str,
    field: str,
) -> None:
    path = write(tmp_path)
    with pytest.raises(Refusal, match=f"^{path}: .*{line}") as refused:
        loaded(path, **more)
    assert refused.value.path == ("task", field)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("more", "line", "place"),
    [
        ({"site": "hospital"}, "the column `site` says of each row whose it is", ("partition",)),
        (
            {"partition": None},
            "is missing; allowed: iid, dirichlet, quantity, sizes; or a site",
            ("partition",),
        ),
        ({"features": ["age", "age"]}, "'age' is named in features already", ("features",)),
        (
            {"features": ["ill"]},
            "'ill' is named in label already; allowed: each column",
            ("features",),
        ),
        ({"split": "ill"}, "'ill' is named in label already; allowed: each column", ("split",)),
        (
            {"target": "number", "partition": DirichletSettings(kind="dirichlet", alpha=1.0)},
            "dirichlet deals by class, and the labels are numbers; allowed: iid, quantity",
            ("partition", "kind"),
        ),
        (
            {"target": "number", "loss": "cross_entropy"},
            "'cross_entropy' is no loss of a",
            ("loss",),
        ),
        ({"test_fraction": 0.95}, "0.1 beside a test_fraction of 0.95", ("validation_fraction",)),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    more: dict[str, Any], line: str, place: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match=line) as refused:
        settings(Path("/patients.csv"), **more)
    (error,) = refused.value.errors()  # type: ignore[attr-defined]
    assert (*error["loc"], *error["ctx"]["error"].path) == place


def test_a_site_without_test_rows_is_told_of(tmp_path: Path) -> None:
    columns = patients(
        hospital=["east"] * 30 + ["west"] * 30,
        split=["train"] * 20 + ["test"] * 5 + ["validation"] * 5 + ["train"] * 30,
    )
    made = settings(written(tmp_path, columns), partition=None, site="hospital", split="split")
    task = made.load(2, lambda line: None)
    assert task.notes[-1].endswith("no test samples of west: no score on their own data")
    found = task.test.metrics([torch.zeros(5, 2)], task.test.labels)
    assert "accuracy@0" in found and "accuracy@1" not in found


MANY = "'ill' has 30 classes in 60 rows; a number? target: number"


@pytest.mark.parametrize(
    ("labels", "target", "told"),
    [
        ([*range(30), *range(30)], "class", [MANY]),
        ([*range(30), *range(30)], "number", []),
        ([k % 5 for k in range(ROWS)], "class", []),
        ([f"ward {k % 30}" for k in range(ROWS)], "class", []),
    ],
)
def test_numbers_that_are_taken_for_classes_are_told(
    tmp_path: Path, labels: list[Any], target: str, told: list[str]
) -> None:
    path = written(tmp_path, patients(ill=labels))
    said: list[str] = []
    settings(path, target=target, metrics=("loss",)).read(lambda line: None, said.append)
    assert [line.removeprefix(f"{path}: ") for line in said] == told


# -- what is read as it is written -----------------------------------------------------------------

PLAIN = pd.DataFrame(P).to_csv(index=False)


@pytest.mark.parametrize(
    ("content", "assumed"),
    [
        (PLAIN.replace("\n", "\r\n"), None),
        (PLAIN.replace("\n", "\r"), None),
        ("\ufeff" + PLAIN, None),
        (PLAIN + ",,,,\n,,,,\n\n", None),
        (PLAIN.replace(",", " , "), None),
        (PLAIN.replace(",", ",  ").replace("\n", "  \n"), None),
        (PLAIN.replace("\n", ",\n"), None),
        (PLAIN.replace("\n", ",\n").replace("ill,", "ill", 1), None),
        (PLAIN.replace("\n", ",,,,\n"), None),
        (PLAIN.replace("\n", ";;;\n").replace(",", ";"), "separated by semicolons"),
        (pd.DataFrame(P).to_csv(index=False, quoting=1), None),
        ("# exported\n\n# twice\n" + PLAIN, "without the 3 lines before the columns' names"),
        (PLAIN.replace(",", ";"), "separated by semicolons"),
        (PLAIN.replace(",", "\t"), "separated by tabs"),
        (PLAIN.replace(",", "|"), "separated by bars"),
        (
            PLAIN.replace(",", ";").replace(".", ","),
            "separated by semicolons, with decimal commas in 'marker'",
        ),
        (PLAIN.replace(",", "\t").encode("utf-16"), "separated by tabs, in UTF-16"),
        (
            PLAIN.replace(",", "\t").replace(".", ","),
            "separated by tabs, with decimal commas in 'marker'",
        ),
        (pd.DataFrame(P).to_csv(), "without its first column, without a name"),
    ],
)
def test_a_table_as_others_write_it_is_the_same_table(
    tmp_path: Path, content: str | bytes, assumed: str | None
) -> None:
    path = tmp_path / "patients.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    task, plain = loaded(path), loaded(written(tmp_path, patients(), "plain.csv"))
    assert task.digest == plain.digest and task.site_names == ()
    assert task.notes == ((f"{path}: read {assumed}",) if assumed else ())


def test_tabs_may_be_named_by_the_file(tmp_path: Path) -> None:
    path = text(PLAIN.replace(",", "\t"), "patients.TSV")(tmp_path)
    assert loaded(path).digest == loaded(written(tmp_path, patients())).digest


def test_a_cell_in_quotes_may_have_lines_and_separators(tmp_path: Path) -> None:
    words = ["a\nb", 'c "d"; e', "f, g"] * 20
    path = written(tmp_path, patients(smoker=words))
    task, plain = loaded(path), loaded(written(tmp_path, patients(), "plain.csv"))
    assert task.input_shape == plain.input_shape and not task.notes


def test_words_for_splits_are_in_letters_of_any_case(tmp_path: Path) -> None:
    words = ["Train"] * 20 + ["training"] * 20 + ["TEST"] * 12 + ["val"] * 4 + ["Validation"] * 4
    task = loaded(written(tmp_path, patients(split=words)), split="split")
    assert [len(each.labels) for each in (task, task.test, task.validation)] == [40, 12, 8]


@pytest.mark.parametrize("off", [1e-9, -9e-4])
def test_classes_and_sites_may_be_a_rounding_error_off(tmp_path: Path, off: float) -> None:
    numbers = [1.0 + off, 2.0, 2.0 - off, 1.0] * 15
    path = written(tmp_path, patients(ill=numbers, hospital=numbers))
    made = settings(path, site="hospital", partition=None)
    task = made.load(2, lambda line: None)
    assert task.outputs == 2 and task.sites is not None
    assert task.sites.tolist() == task.labels.tolist()


def test_a_class_of_one_sample_is_told_of(tmp_path: Path) -> None:
    path = written(tmp_path, patients(ill=replaced(P["ill"], 7, "nope")))
    told = "class 'nope' has one sample alone, line 9: no score on it; a typo?"
    assert loaded(path).notes == (f"{path}: {told}",)


def test_a_row_is_where_an_editor_shows_it(tmp_path: Path) -> None:
    """Cells of two lines, blank lines and those before the names count."""
    rows = PLAIN.replace("east", '"ea\nst"').splitlines(keepends=True)
    head, body = rows[0], "".join(rows[1:])
    content = f"# two\n# lines\n{head}\n{body}".replace("yes", "#NV", 1)
    line = 1 + content[: content.index("#NV")].count("\n")
    begins = line - (content.splitlines()[line - 1].startswith("st"))
    with pytest.raises(Refusal, match=f"'ill' is '#NV' in line {begins}, a"):
        loaded(text(content)(tmp_path))


def test_hashes_in_words_are_no_errors(tmp_path: Path) -> None:
    words = ["#1", "#north", "# N/A"] * 20
    assert loaded(written(tmp_path, patients(smoker=words))).input_shape == (7,)


def test_true_is_true_in_any_letters(tmp_path: Path) -> None:
    truths = ["TRUE", "false", "True"] * 20
    assert loaded(written(tmp_path, patients(ill=truths))).outputs == 2


# -- what is doubtful ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "more", "note"),
    [
        ({"unit": ["mg"] * ROWS}, {}, "'unit': the same in all rows"),
        (
            {"unit": [7] * ROWS, "empty": [None] * ROWS},
            {},
            "'unit', 'empty': the same in all rows",
        ),
        (
            {"id": list(range(1, ROWS + 1))},
            {},
            "'id': the row's number: features without it?",
        ),
        (
            {"code": [{"no": 0, "yes": 1}[ill] for ill in P["ill"]]},
            {},
            "'code': as good as the label 'ill'",
        ),
        (
            {"years": [2 * age for age in P["age"]]},
            {"label": "age", "target": "number", "metrics": ["mae"]},
            "'years': as good as the label 'age'",
        ),
        ({"born": [f"{k}.5.1950" for k in range(ROWS)]}, {}, "'born': text, another in most rows"),
        ({"AGE": P["marker"]}, {}, "the columns 'age' and 'AGE' differ in case or width alone, "),
        (
            {"smoker": replaced(P["smoker"], 0, "Never")},
            {},
            "the categories of 'smoker' 'Never' and 'never' differ in case or width alone, and ",
        ),
        (
            {"ill": replaced(P["ill"], 0, "NO")},
            {"test_fraction": 0.1},
            "the classes of 'ill' 'NO' and 'no' differ in case or width alone, and count as two",
        ),
        (
            {"ill": ["1", "2", "2", "1.0", "02", "1"] * 10},
            {},
            "read with '1' and '1.0' in 'ill' as one",
        ),
        (
            {"smoker": ["1", "01", "a", "b"] * 15},
            {},
            "the categories of 'smoker' '01' and '1' are one number, and count as two",
        ),
    ],
)
def test_what_is_doubtful_is_said(
    tmp_path: Path, changes: Columns, more: dict[str, Any], note: str
) -> None:
    path, said = written(tmp_path, patients(**changes)), list[str]()
    settings(path, **more).read(lambda line: None, said.append)
    assert len(said) == 1 and said[0].startswith(f"{path}: {note}")


@pytest.mark.parametrize("digits", [17, 22, 400])
def test_long_numbers_are_told_apart(tmp_path: Path, digits: int) -> None:
    sites = [f"{10 ** (digits - 1) + row % 2}" for row in range(ROWS)]
    path, said = written(tmp_path, patients(hospital=sites)), list[str]()
    parts = settings(path, site="hospital", partition=None).read(lambda line: None, said.append)
    found = parts["training"].sites
    assert found is not None and found.tolist() == sites
    assert said == []


def test_a_plain_table_has_nothing_doubtful(tmp_path: Path) -> None:
    assert loaded(written(tmp_path, patients())).notes == ()
