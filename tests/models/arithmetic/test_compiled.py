"""Compiled code: a compiler that is missing or fails is said, and nothing runs uncompiled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch._dynamo.exc import FailOnRecompileLimitHit
from torch._inductor.runtime.cache_dir_utils import default_cache_dir

from models.arithmetic.compiled import compiled, compiler, compiler_version, compiling
from sim.record.errors import Refusal


def add(x: torch.Tensor) -> None:
    x += 1


def test_a_compiler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(Refusal, match=r"no C\+\+ compiler called 'no-such-compiler'") as refusal:
        compiler()
    assert "allowed: exact, or batched after installing g++" in str(refusal.value)
    assert refusal.value.path == ("training", "arithmetic")
    monkeypatch.setenv("CXX", "")
    with pytest.raises(Refusal, match=r"no C\+\+ compiler"):
        compiler()


def test_a_folder_that_pytorch_would_not_quote_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__file__", "/home/me/my folder/torch/__init__.py")
    with pytest.raises(Refusal, match=r"a blank in its name \(/home/me/my folder/torch\)"):
        compiler()


def test_the_compilers_version_is_its_own_first_line() -> None:
    assert compiler_version()
    assert "\n" not in compiler_version()


def test_code_that_can_not_be_kept_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    # What PyTorch says before it was told anything, and what it says when it has made it up.
    for named in (None, default_cache_dir()):
        if named is None:
            monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
        else:
            monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", named)
        with pytest.raises(Refusal) as refusal:
            compiled(add)
        assert str(refusal.value) == (
            f"{tmp_path}/file/braintorrent/inductor: compiled code can't be kept there: Not a "
            "directory; allowed: exact, or batched with a folder that can be written to, as "
            "XDG_CACHE_HOME names it"
        )
        assert refusal.value.path == ("training", "arithmetic")


def test_a_folder_that_pytorch_was_told_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "told"))
    compiled(add)
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "told")
    assert (tmp_path / "told").is_dir()


@pytest.mark.slow
def test_a_compiler_that_fails_is_said(tmp_path: Path) -> None:
    broken = tmp_path / "broken-compiler"
    broken.write_text("#!/bin/sh\necho 'out of luck' >&2\nexit 1\n")
    broken.chmod(0o755)
    # A process of its own, since PyTorch reads the compiler's name once.
    program = (
        "import torch; from models.arithmetic.compiled import *\n"
        "from tests.models.arithmetic.test_compiled import add\n"
        "with compiling(): compiled(add)(torch.zeros(1000))"
    )
    cache = str(tmp_path / "cache")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "CXX": str(broken), "TORCHINDUCTOR_CACHE_DIR": cache},
        capture_output=True,
        text=True,
    )
    said = done.stderr.splitlines()[-1]
    assert said.startswith("sim.record.errors.Refusal: the C++ compiler failed: "), done.stderr
    assert said.endswith("allowed: exact, or batched with a compiler that works")


@pytest.mark.slow
def test_other_shapes_raise_instead_of_running_uncompiled() -> None:
    step = compiled(add)
    x = torch.zeros(1000)
    with compiling():
        step(x)
    step(x)
    assert x.tolist() == [2.0] * 1000
    with pytest.raises(FailOnRecompileLimitHit):
        step(torch.zeros(3, 5))
