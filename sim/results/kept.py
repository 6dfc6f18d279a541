"""Models kept in a result folder, one safetensors file each: whole, and known by what they hold."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from sim.record.files import check_regular
from sim.record.folder import MODEL_SUFFIX, MODELS_FOLDER, whole
from sim.record.rows import CLIENT, FinalModel

Tensors = Mapping[str, npt.NDArray[np.float32]]

_CHECKSUM = "sha256"
_LENGTH_BYTES = 8


class Damaged(RuntimeError):
    """A kept file is not what was written; the text says which, and what is wrong."""


def path_of(folder: Path, protocol: str, seed: int, node: str, stage: str = "") -> Path:
    """Where a result folder keeps a node's model; only clients have one of each stage."""
    name = f"{node}_{stage}" if stage and node.startswith(CLIENT) else node
    return folder / MODELS_FOLDER / protocol / str(seed) / f"{name}{MODEL_SUFFIX}"


def write(folder: Path, model: FinalModel, tensors: Tensors) -> None:
    """Keep a model; the same bytes for the same model. Raises OSError."""
    target = path_of(folder, model.protocol, model.seed, model.node, model.stage)
    target.parent.mkdir(parents=True, exist_ok=True)
    metadata = {name: str(value) for name, value in model._asdict().items()}
    content = _in_order(save(dict(tensors), metadata | {_CHECKSUM: _checksum(tensors)}))
    with whole(target, ours=True) as path:
        path.write_bytes(content)


def is_there(folder: Path, model: FinalModel) -> bool:
    """Whether the very same model is kept already, and whole."""
    path = path_of(folder, model.protocol, model.seed, model.node, model.stage)
    try:
        return read(path)[0] == model
    except (FileNotFoundError, Damaged):
        return False


def read(path: Path) -> tuple[FinalModel, Tensors]:
    """What a file says that it holds, and its tensors. Raises FileNotFoundError, or Damaged."""
    with _opened(path) as file:
        metadata, tensors = file.metadata() or {}, file.get_tensors()
        if metadata[_CHECKSUM] != _checksum(tensors):
            raise Damaged(f"{path} does not match its checksum")
        return _model(metadata), tensors


def described(path: Path) -> FinalModel:
    """What a file says that it holds, unread. Raises FileNotFoundError, or Damaged."""
    with _opened(path) as file:
        return _model(file.metadata() or {})


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The library's reader of a file, whose complaints become Damaged."""
    try:
        check_regular(path.stat().st_mode, path)
        with safe_open(path, framework="np") as file:
            yield file
    except FileNotFoundError:
        raise
    except (OSError, SafetensorError, LookupError, TypeError, ValueError) as problem:
        raise Damaged(f"{path} is no kept model: {problem}") from None


def _model(metadata: Mapping[str, str]) -> FinalModel:
    kinds = get_type_hints(FinalModel)
    return FinalModel(*(kinds[name](metadata[name]) for name in FinalModel._fields))


def _checksum(tensors: Tensors) -> str:
    """Of the tensors' names and numbers."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()


def _in_order(content: bytes) -> bytes:
    """The same file with its metadata sorted: safetensors leaves them in an order drawn anew."""
    end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    header = json.loads(content[_LENGTH_BYTES:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    # The format aligns the numbers by blanks behind the header.
    text += b" " * (-len(text) % _LENGTH_BYTES)
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text + content[end:]
