"""Kept models as files: the same bytes each time, whole, and known by what they hold."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from sim.record.rows import FinalModel
from sim.results import kept
from sim.results.kept import Damaged

MODEL = FinalModel("fedavg", 3, "client_1", "trained", 4, 2, 0.1 + 0.2, "0123456789abcdef" * 2)
TENSORS = {
    "1.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "1.bias": np.array([0.1, -0.2], np.float32),
    "2.num_batches_tracked": np.array(2.5, np.float32),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    kept.write(tmp_path, MODEL, TENSORS)
    return tmp_path / "models" / "fedavg" / "3" / "client_1_trained.safetensors"


def test_what_was_kept_comes_back(file: Path) -> None:
    model, tensors = kept.read(file)
    assert model == kept.described(file) == MODEL
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].shape == tensor.shape
        assert np.array_equal(tensors[name], tensor)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_only_clients_have_a_model_of_each_stage(tmp_path: Path) -> None:
    names = {
        (node, stage): kept.path_of(tmp_path, "p", 0, node, stage).name.removesuffix(".safetensors")
        for node in ("client_1", "aggregate", "server", "pooled")
        for stage in ("received", "")
    }
    assert names == {
        **{(node, stage): node for node, stage in names},
        ("client_1", "received"): "client_1_received",
    }


def test_others_read_it_without_this_program(file: Path) -> None:
    tensors = load_file(file)
    assert all(np.array_equal(tensors[name], tensor) for name, tensor in TENSORS.items())


def test_the_bytes_are_the_same_in_every_process(file: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sim.results import kept;"
        "from tests.sim.results.test_kept import MODEL, TENSORS;"
        "kept.write(Path(sys.argv[1]), MODEL, TENSORS); print('torch' in sys.modules)"
    )
    root = Path(__file__).parents[3]
    for number in range(3):
        other = tmp_path / str(number)
        done = subprocess.run(
            [sys.executable, "-c", code, other],
            env={**os.environ, "PYTHONHASHSEED": str(number), "PYTHONPATH": str(root)},
            check=True,
            capture_output=True,
            text=True,
        )
        assert (other / file.relative_to(tmp_path)).read_bytes() == file.read_bytes()
        assert done.stdout == "False\n", "writing models takes no PyTorch"


def test_the_very_same_model_is_there_and_no_other(file: Path, tmp_path: Path) -> None:
    assert kept.is_there(tmp_path, MODEL)
    assert not kept.is_there(tmp_path, MODEL._replace(node="client_2"))
    assert not kept.is_there(tmp_path, MODEL._replace(stage="received"))
    for other in ({"name": "f" * 32}, {"version": 3}, {"time_s": 0.3}):
        assert not kept.is_there(tmp_path, MODEL._replace(**other))


@pytest.mark.parametrize("how", ["flipped", "truncated", "empty", "no metadata"])
def test_a_damaged_file_is_noticed(how: str, file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()
    damaged = {
        "flipped": content[:-1] + bytes([content[-1] ^ 1]),
        "truncated": content[:-4],
        "empty": b"",
        "no metadata": content.replace(b'"sha256"', b'"sha257"'),
    }[how]
    assert damaged != content
    file.write_bytes(damaged)
    with pytest.raises(Damaged, match=str(file)):
        kept.read(file)
    assert not kept.is_there(tmp_path, MODEL)


def test_an_interrupted_write_leaves_the_file_before(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as half:
            half.write(content[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        kept.write(tmp_path, MODEL._replace(version=9), TENSORS)
    assert kept.is_there(tmp_path, MODEL)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
