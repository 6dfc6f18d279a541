"""Arrays of the user's: how they are read, what becomes of them, and 30 that can't be used."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from models.learner import Learner, LearnerSpec
from models.networks import CnnSettings, MlpSettings
from models.partitions import DirichletSettings, IidSettings
from models.tasks import ArraysSettings
from models.tasks.arrays.reading import arrays_at
from models.tasks.task import HeldOut, Task
from models.training import TrainingSettings
from sim.record.errors import Refusal

Arrays = dict[str, npt.NDArray[Any]]
IID = IidSettings(kind="iid")
TRAINING = TrainingSettings(learning_rate=0.1, batch_size=8, local_epochs=2)


def draws(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def whole(count: int = 60) -> Arrays:
    """Rows of three features, in two classes."""
    x = draws().standard_normal((count, 3)).astype(np.float32)
    return {"x": x, "y": (x[:, 0] > 0).astype(np.int64)}


def split(shape: tuple[int, ...] = (8, 8), kind: Any = np.uint8) -> Arrays:
    """Images in three parts and two classes, as Keras calls them."""
    found: Arrays = {}
    for number, (name, count) in enumerate((("train", 40), ("test", 12), ("val", 8))):
        found[f"y_{name}"] = np.arange(count) % 2
        images = draws(number).integers(0, 200, (count, *shape))
        images += 50 * found[f"y_{name}"].reshape(-1, *[1] * len(shape))
        found[f"x_{name}"] = images.astype(kind)
    return found


def medmnist() -> Arrays:
    """The same as MedMNIST writes them."""
    found = {}
    for name, array in split((28, 28, 3)).items():
        letter, _, part = name.partition("_")
        called = {"x": "images", "y": "labels"}[letter]
        found[f"{part}_{called}"] = array[:, None].astype(np.uint8) if letter == "y" else array
    return found


def written(path: Path, arrays: Mapping[str, Any], *, compressed: bool = False) -> Path:
    """As an .npz file, or as a folder of .npy files if `path` has no suffix."""
    if path.suffix:
        (np.savez_compressed if compressed else np.savez)(path, **arrays)
        return path
    path.mkdir()
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)
    return path


def settings(path: Path, **more: Any) -> ArraysSettings:
    return ArraysSettings(name="arrays", path=str(path), **{"partition": IID, **more})


def loaded(path: Path, clients: int = 2, **more: Any) -> Task:
    return settings(path, **more).load(clients, lambda line: None)


# -- what is read ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["data.npz", "folder"])
@pytest.mark.parametrize("compressed", [False, True])
def test_parts_are_what_they_are_called(tmp_path: Path, name: str, compressed: bool) -> None:
    arrays = split()
    task = loaded(written(tmp_path / name, arrays, compressed=compressed))
    parts: dict[str, Task | HeldOut] = {"train": task, "test": task.test, "val": task.validation}
    for part, found in parts.items():
        assert found.inputs.dtype == torch.float32 and found.labels.dtype == torch.int64
        np.testing.assert_allclose(found.inputs[:, 0], arrays[f"x_{part}"] / 255, rtol=1e-6)
        assert found.labels.tolist() == arrays[f"y_{part}"].tolist()
    assert (task.input_shape, task.outputs) == ((1, 8, 8), 2)


def test_medmnist_is_read_as_it_comes(tmp_path: Path) -> None:
    arrays = medmnist()
    task = loaded(written(tmp_path / "pathmnist.npz", arrays, compressed=True))
    assert (task.input_shape, task.outputs, len(task.test.labels)) == ((3, 28, 28), 2, 12)
    wanted = arrays["train_images"][5, 2, 3] / 255
    np.testing.assert_allclose(task.inputs[5, :, 2, 3], wanted, rtol=1e-6)


def test_what_is_not_told_apart_is_held_out_by_class(tmp_path: Path) -> None:
    arrays = whole()
    path = written(tmp_path / "data.npz", arrays)
    task = loaded(path, test_fraction=0.25)
    counts = np.bincount(arrays["y"])
    held_out = [round(0.25 * n) for n in counts], [round(0.1 * n) for n in counts]
    assert np.bincount(task.test.labels).tolist() == held_out[0]
    assert np.bincount(task.validation.labels).tolist() == held_out[1]
    inputs = torch.cat([task.inputs, task.test.inputs, task.validation.inputs])
    assert sorted(inputs[:, 0].tolist()) == sorted(arrays["x"][:, 0].tolist())
    # Given the test data alone, what decisions look at comes out of the training data.
    given = {"x_train": arrays["x"], "y_train": arrays["y"]} | {
        name: array for name, array in split((3,), np.float32).items() if name.endswith("test")
    }
    task = loaded(written(tmp_path / "given.npz", given))
    assert len(task.test.labels) == 12
    assert len(task.labels) + len(task.validation.labels) == 60


@pytest.mark.parametrize("compressed", [False, True])
def test_stored_floats_are_mapped_and_no_change_reaches_the_file(
    tmp_path: Path, compressed: bool
) -> None:
    arrays = {**split((4, 4, 3), np.float32), "x_val": np.zeros((0, 4, 4, 3), np.float32)}
    path = written(tmp_path / "data.npz", arrays, compressed=compressed)
    before = path.read_bytes()
    found = arrays_at(path)
    assert isinstance(found["x_train"], np.memmap) != compressed
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    found["x_train"][:] = 0
    assert path.read_bytes() == before


def test_columns_first_in_the_file_are_rows_all_the_same(tmp_path: Path) -> None:
    arrays = split((3,), ">f8")
    turned = {name: np.asfortranarray(array) for name, array in arrays.items()}
    paths = [
        written(tmp_path / f"{number}.npz", each) for number, each in enumerate((arrays, turned))
    ]
    assert loaded(paths[0]).digest == loaded(paths[1]).digest


def test_numbers_are_learned_as_well(tmp_path: Path) -> None:
    arrays = whole()
    arrays["y"] = arrays["x"].sum(axis=1)
    path = written(tmp_path / "data.npz", arrays)
    made = settings(path, target="number")
    assert (made.metrics, made.loss) == (("mae", "mse", "r2"), "mse")
    training = TRAINING.model_copy(update={"local_epochs": 40})
    learner = Learner(LearnerSpec(made, MlpSettings(name="mlp"), training, 2, 0))
    model = learner.initial()
    for number in range(4):
        model = learner.trained(model, number % 2, number)
    found = learner.scores(model)
    assert found["r2"] > 0.8
    assert learner.label_shares is None
    # A share of each client's samples is held out: 12 in all, each with one of them.
    assert sum(learner.samples) == 60 - 12 - 6
    for metric in ("mae", "mse"):
        assert min(found[f"{metric}@{client}"] for client in range(2)) < found[metric]


def test_each_client_may_be_a_site(tmp_path: Path) -> None:
    arrays = whole(200) | {"sites": np.array([["north", "south"][k % 3 // 2] for k in range(200)])}
    made = settings(written(tmp_path / "data.npz", arrays), partition=None)
    task = made.load(2, lambda line: None)
    assert task.sites is not None
    learner = Learner(LearnerSpec(made, MlpSettings(name="mlp"), TRAINING, 2, 0))
    assert learner.samples == tuple(np.bincount(task.sites).tolist())
    assert learner.samples[0] > learner.samples[1]
    assert {"accuracy@0", "accuracy@1"} < set(learner.scores(learner.initial()))
    shares = learner.label_shares
    assert shares is not None and [round(sum(share), 9) for share in shares] == [1.0, 1.0]


def test_mapped_data_at_any_byte_give_the_same_bits(tmp_path: Path) -> None:
    arrays = split((8, 8, 2), np.float32)
    made = [
        settings(written(tmp_path / name, arrays, compressed=compressed))
        for name, compressed in (("a.npz", False), ("b.npz", True), ("folder", False))
    ]
    learners = [Learner(LearnerSpec(one, CnnSettings(name="cnn"), TRAINING, 2, 0)) for one in made]
    models = [one.trained(one.initial(), 1, 0) for one in learners]
    scores = [one.scores(model) for one, model in zip(learners, models, strict=True)]
    assert len({model.tobytes() for model in models}) == 1
    assert scores[0] == scores[1] == scores[2]


def test_the_name_is_of_the_content_and_changed_files_are_refused(tmp_path: Path) -> None:
    first, second = (written(tmp_path / name, split()) for name in ("one", "two"))
    pinned = settings(first).pinned()
    assert pinned.files_sha256 == settings(second).pinned().files_sha256 != None  # noqa: E711
    assert pinned.load(2, lambda line: None).digest == loaded(first).digest
    np.save(first / "y_val.npy", 1 - split()["y_val"])
    with pytest.raises(
        Refusal, match="one: the data have changed since; allowed: the files as"
    ) as r:
        pinned.load(2, lambda line: None)
    assert r.value.path == ("task", "files_sha256")


def test_leakage_is_told(tmp_path: Path) -> None:
    arrays = split()
    arrays["x_test"][3] = arrays["x_train"][17]
    path = written(tmp_path / "data.npz", arrays)
    assert settings(path).load(2, print).notes == (
        f"{path}: 1 of 12 test samples are in the training data too, as x_test[3], which is "
        "x_train[17]: scores on them may be too good",
    )


@pytest.mark.parametrize(
    ("kind", "order"), [("<f4", "C"), (">f4", "C"), (">f8", "F"), ("<f2", "F"), (">i2", "C")]
)
@pytest.mark.parametrize("name", ["data.npz", "folder"])
def test_bytes_may_be_in_any_order(tmp_path: Path, kind: str, order: Any, name: str) -> None:
    x = np.round(100 * whole()["x"]) / (4 if "f" in kind else 1)
    arrays = whole() | {"x": np.array(x, dtype=kind, order=order)}
    task = loaded(written(tmp_path / name, arrays))
    assert task.inputs.dtype == torch.float32
    assert {tuple(row) for row in task.inputs.tolist()} <= {tuple(row) for row in x.tolist()}


@pytest.mark.parametrize("off", [0.0, 1e-7, -9e-4])
def test_labels_may_be_a_rounding_error_off(tmp_path: Path, off: float) -> None:
    arrays = whole()
    path = written(tmp_path / "data.npz", arrays | {"y": arrays["y"] + off})
    assert loaded(path).digest == loaded(written(tmp_path / "plain.npz", arrays)).digest


def test_a_label_among_the_features_is_told(tmp_path: Path) -> None:
    arrays = whole()
    arrays["x"] = np.c_[arrays["x"], arrays["y"]].astype(np.float32)
    path = written(tmp_path / "data.npz", arrays)
    assert loaded(path).notes == (f"{path}: feature 3 of the training samples is the label itself",)


def test_a_class_of_a_huge_number_is_a_gap_that_takes_no_memory(tmp_path: Path) -> None:
    path = written(tmp_path / "data.npz", whole() | {"y": np.arange(60) % 2 * (2**31 - 1)})
    with pytest.raises(Refusal, match="there is no class 1 among 0 to 2147483647; allowed: "):
        loaded(path)


# -- what is refused -------------------------------------------------------------------------------

WHOLE = "a whole file as NumPy writes it"
FILE = "an .npz file, or a folder of .npy files"


def changed(base: Callable[[], Arrays], **arrays: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        found = {**base(), **arrays}
        there = {name: array for name, array in found.items() if array is not None}
        return written(folder / "data.npz", there)

    return write


def no_file(folder: Path) -> Path:
    return folder / "data.npz"


def text_file(folder: Path) -> Path:
    (folder / "data.npz").write_text("x,y\n1,2\n", encoding="utf-8")
    return folder / "data.npz"


def empty_folder(folder: Path) -> Path:
    (folder / "data").mkdir()
    return folder / "data"


def cut_off(folder: Path) -> Path:
    path = written(folder / "data", split())
    whole = (path / "x_train.npy").read_bytes()
    (path / "x_train.npy").write_bytes(whole[:-100])
    return path


def no_array(folder: Path) -> Path:
    path = written(folder / "data", split())
    (path / "x_train.npy").write_bytes(b"nothing")
    return path


def another_member(folder: Path) -> Path:
    path = written(folder / "data.npz", split())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README.txt", "what this is")
    return path


def damaged(folder: Path) -> Path:
    path = written(folder / "data.npz", split(), compressed=True)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 255
    path.write_bytes(bytes(content))
    return path


def locked(folder: Path) -> Path:
    """As archivers write it that ask for a password."""
    path = written(folder / "data.npz", split(), compressed=True)
    content = bytearray(path.read_bytes())
    for header, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(header) + flags] |= 1
    path.write_bytes(bytes(content))
    return path


def displaced(folder: Path) -> Path:
    """Whose list of members says that the first begins at its last bytes."""
    path = written(folder / "data.npz", split())
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\1\2") + 42
    content[place : place + 4] = (len(content) - 9).to_bytes(4, "little")
    path.write_bytes(bytes(content))
    return path


def wrong_bit(folder: Path) -> Path:
    """In numbers that lie as they are."""
    path = written(folder / "data.npz", split())
    content = bytearray(path.read_bytes())
    content[content.index(b"NUMPY") + 400] ^= 1
    path.write_bytes(bytes(content))
    return path


def member(shape: tuple[int, ...], numbers: int) -> bytes:
    """An array of as many numbers, whatever shape it says that it has."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    return stream.getvalue() + bytes(4 * numbers)


def claiming(shape: tuple[int, ...], *, compressed: bool = False) -> Callable[[Path], Path]:
    """Whose inputs, of sixty samples, say that they are of another shape."""

    def write(folder: Path) -> Path:
        kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        with zipfile.ZipFile(folder / "data.npz", "w", kind) as archive:
            archive.writestr("x.npy", member(shape, 120 if shape[0] == 10**6 else 180))
        return folder / "data.npz"

    return write


def bomb(folder: Path) -> Path:
    """A small member that says it is of nine terabytes."""
    path = claiming((60, 3), compressed=True)(folder)
    with zipfile.ZipFile(path) as archive:
        size = archive.infolist()[0].file_size
    content = path.read_bytes()
    listed = content.rindex(b"PK\1\2")
    # Of sizes that 32 bits can't hold an extra field tells.
    header, name, rest = content[listed : listed + 46], b"x.npy", content[listed + 51 :]
    extra = struct.pack("<HHQ", 1, 8, 9 * 10**12)
    header = header[:24] + b"\xff" * 4 + header[28:30] + struct.pack("<H", 12) + header[32:]
    assert size > 0
    end = bytearray(rest)
    end[12:16] = struct.pack("<I", 51 + len(extra))
    path.write_bytes(content[:listed] + header + name + extra + bytes(end))
    return path


def twice(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "data.npz", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            archive.writestr("x.npy", member((60, 3), 180))
    return folder / "data.npz"


def headed(shape: str) -> Callable[[Path], Path]:
    """Whose inputs say that they are of another shape."""

    def write(folder: Path) -> Path:
        path = written(folder / "data", split())
        array = path / "x_train.npy"
        told = array.read_bytes().replace(b"(40, 8, 8)".ljust(len(shape)), shape.encode(), 1)
        array.write_bytes(told)
        return path

    return write


@pytest.mark.parametrize(
    ("write", "claim"),
    [
        ("cut_off", "40x8x8 numbers of uint8 in 2,460 bytes"),
        ("more", "40x8x8 numbers of uint8 in 2,561 bytes"),
        ("headed", "9999999 numbers of uint8 in 2,560 bytes"),
    ],
)
def test_a_file_that_is_not_as_its_head_says_is_refused(
    tmp_path: Path, write: str, claim: str
) -> None:
    made = {"cut_off": cut_off, "more": more, "headed": headed("(9999999,)")}
    path = made[write](tmp_path)
    with pytest.raises(Refusal, match=f"^{path}/x_train.npy: x_train claims {claim}; "):
        settings(path).load(2, print)


def more(folder: Path) -> Path:
    path = written(folder / "data", split())
    with (path / "x_train.npy").open("ab") as stream:
        stream.write(b"1")
    return path


def pickled(folder: Path) -> Path:
    arrays = {**split(), "y_train": np.array([None] * 40)}
    return written(folder / "data.npz", arrays, compressed=True)


def pickled_stored(folder: Path) -> Path:
    return written(folder / "data.npz", {**split(), "y_train": np.array([None] * 40)})


def at(place: int, value: float) -> npt.NDArray[np.float32]:
    x = whole()["x"]
    x[place, 1] = value
    return x


def labels(place: int, value: float, kind: Any = np.float64) -> npt.NDArray[Any]:
    y = whole()["y"].astype(kind)
    y[place] = value
    return y


MALFORMED: tuple[tuple[Callable[[Path], Path], str, str], ...] = (
    (no_file, "no such file or folder", FILE),
    (lambda folder: folder / f"{'x' * 300}.npz", "no such file or folder", FILE),
    (lambda folder: folder / "null\0.npz", "no such file or folder", FILE),
    (text_file, "is no .npz file", FILE),
    (empty_folder, "holds no .npy file", FILE),
    (no_array, r"can't be read \(.*\)", FILE),
    (another_member, "holds 'README.txt', which is no array", FILE),
    (damaged, r"can't be read \(.*\)", FILE),
    (locked, r"can't be read \(.*password.*\)", FILE),
    (displaced, r"can't be read \(.*\)", FILE),
    (headed("(40, ((((("), r"can't be read \(.*\)", FILE),
    (headed("(4**99, 8)"), r"can't be read \(.*\)", FILE),
    (wrong_bit, r"can't be read \(Bad CRC-32 for file '.*'\)", FILE),
    (claiming((10**6, 10**6)), "x claims 1000000x1000000 numbers of float32 in 480 bytes", WHOLE),
    (claiming((10**6, 10**6), compressed=True), "x claims 10000.* float32 in 480 bytes", WHOLE),
    (claiming((30, 3)), "x claims 30x3 numbers of float32 in 720 bytes", WHOLE),
    (claiming((-1, 3)), "x claims -1x3 numbers of float32 in 720 bytes", WHOLE),
    (bomb, "x claims 9,000,000,000,000 bytes in [0-9]+ packed ones", WHOLE),
    (twice, "holds two arrays 'x'", "each name once"),
    (
        changed(split, x_test=split(kind=np.float32)["x_test"]),
        "x_test holds float32, and x_train uint8; bytes are scaled to 0..1",
        "inputs of one type",
    ),
    (pickled, "y_train holds Python objects, which are not unpickled", "arrays of numbers"),
    (pickled_stored, "y_train holds Python objects, which are not unpickled", "arrays of numbers"),
    (
        changed(dict, data=np.zeros(3)),
        r"has no training samples among its arrays \(data\)",
        "one of x, x_train, train_images",
    ),
    (changed(whole, y=None), "has x and no y", "x and y"),
    (
        changed(split, x_tset=np.zeros((2, 8, 8))),
        "has an array 'x_tset'",
        "x_train, y_train, sites_train, x_val, y_val, sites_val, x_test, y_test, sites_test",
    ),
    (changed(split, x_val=None), "has y_val and no x_val", "x_val and y_val"),
    (changed(whole, x_train=np.zeros((2, 3))), "has an array 'x_train'", "x, y, sites"),
    (
        changed(whole, y=np.zeros(59, int)),
        "y has 59 values for 60 samples",
        "one value for each sample",
    ),
    (changed(whole, y=np.eye(60)), "y has the shape 60x60", "one value for each sample"),
    (changed(whole, x=np.array(3.0)), "x has the shape of one number", "samples x features, or .*"),
    (changed(whole, x=np.zeros((60, 0))), "x has the shape 60x0", "samples x features, or .*"),
    (changed(whole, x=np.zeros((0, 3)), y=np.zeros(0)), "x has the shape 0x3", "samples x .*"),
    (
        changed(whole, x=np.zeros((60, 2, 2, 2, 2))),
        "x has the shape 60x2x2x2x2",
        "samples x features, or samples x height x width x channels",
    ),
    (
        changed(whole, x=np.zeros((60, 3, 8, 8))),
        "x has images of 3x8x8, channels first as it seems",
        "samples x height x width x channels",
    ),
    (changed(whole, x=np.array([["a"]] * 60)), "x holds <U1", "real numbers"),
    (changed(whole, x=np.zeros((60, 2), complex)), "x holds complex128", "real numbers"),
    (changed(whole, x=at(4, np.nan)), r"x\[4, 1\] is infinite or no number", "finite numbers"),
    (
        changed(whole, x=np.full((60, 2), 1e300)),
        r"x\[0, 0\] is infinite or no number",
        "finite numbers",
    ),
    (
        changed(split, x_test=np.zeros((12, 8, 9), np.uint8)),
        "x_test has samples of 1x8x9, and x_train of 1x8x8 numbers",
        "samples of one shape",
    ),
    (changed(whole, y=np.array(["a", "b"] * 30)), "y holds <U1", "whole numbers from 0"),
    (changed(whole, y=labels(7, 0.5)), r"y\[7\] is 0.5", "whole numbers from 0"),
    (changed(whole, y=labels(7, np.nan)), r"y\[7\] is nan", "whole numbers from 0"),
    (changed(whole, y=labels(7, -1, int)), r"y\[7\] is -1", "whole numbers from 0"),
    (
        changed(whole, y=2 * whole()["y"]),
        "there is no class 1 among 0 to 2",
        "classes from 0 without gaps",
    ),
    (
        changed(whole, y=np.zeros(60, int)),
        "all training samples are of class 0",
        "two classes or more",
    ),
    (
        changed(split, y_test=np.arange(12) % 3),
        "class 2 is in the test data, and not trained on",
        "classes that are trained on",
    ),
    (
        changed(whole, x=np.zeros((3, 2)), y=np.array([0, 1, 1])),
        "no sample is left for validation",
        "more samples",
    ),
)


@pytest.mark.parametrize(("write", "what", "allowed"), MALFORMED)
def test_what_can_t_be_used_is_refused_in_a_line(
    tmp_path: Path, write: Callable[[Path], Path], what: str, allowed: str
) -> None:
    path = write(tmp_path)
    with pytest.raises(Refusal, match=f"^{path}: {what}; allowed: {allowed}$") as refused:
        loaded(path)
    assert refused.value.path == ("task", "path")


SITES = np.array(["a", "b", "c"] * 20)


@pytest.mark.parametrize(
    ("write", "more", "line", "place"),
    [
        (
            changed(whole),
            {"partition": None},
            "is missing: .* doesn't say whose a sample is",
            "task.partition",
        ),
        (
            changed(whole, sites=SITES),
            {},
            "says of each sample whose it is; allowed: no partition",
            "task.partition",
        ),
        (
            changed(whole, sites=SITES),
            {"partition": None},
            r"2 clients for 3 sites \(a, b, c\); allowed: 3, a client for each site",
            "clients.count",
        ),
        (
            changed(whole, sites=np.linspace(0, 1, 60)),
            {"partition": None},
            "sites holds float64; allowed: whole numbers, or text",
            "task.path",
        ),
        (
            changed(split, sites_train=np.arange(40) % 2),
            {"partition": None},
            "no sites of the validation, test samples; allowed: sites of all, or of none",
            "task.path",
        ),
        (
            changed(whole),
            {"target": "number", "metrics": ["r2", "accuracy"]},
            "'accuracy' is no metric of a number",
            "metrics.1",
        ),
        (
            changed(whole, y=np.ones(60)),
            {"target": "number"},
            "r2 is undefined on the test data, with 12 samples of 1 label",
            "task.metrics.2",
        ),
        (
            changed(whole),
            {"target": "number", "partition": DirichletSettings(kind="dirichlet", alpha=1.0)},
            "dirichlet deals by class, and the labels are numbers; allowed: iid, quantity",
            "partition.kind",
        ),
        (
            changed(split, y_val=np.zeros(8, int)),
            {"metrics": ["accuracy", "auc"]},
            "auc is undefined on the validation data, with 8 samples of 1 label; allowed: other",
            "task.metrics.1",
        ),
        (
            changed(whole),
            {"target": "number", "partition": IidSettings(kind="iid")},
            "the partition leaves client_. nothing to train on",
            "task.partition",
        ),
    ],
)
def test_what_does_not_fit_the_scenario_is_refused(
    tmp_path: Path, write: Callable[[Path], Path], more: dict[str, Any], line: str, place: str
) -> None:
    clients = 54 if "leaves" in line else 2
    with pytest.raises(ValueError, match=line) as refused:
        made = settings(write(tmp_path), **more)
        Learner(LearnerSpec(made, MlpSettings(name="mlp"), TRAINING, clients, 0))
    error = refused.value
    if not isinstance(error, Refusal):
        (found,) = error.errors()  # type: ignore[attr-defined]
        error = found["ctx"]["error"]
    assert ".".join(map(str, error.path)) == place
