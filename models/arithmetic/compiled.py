"""Compiled code: how it is asked for, where it is kept, and what is wrong when it can't be had.

Code that silently ran uncompiled would give other bits, and slowly.
"""

import os
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import torch

from models.bits.code import cache_folder
from sim.record.errors import Refusal

PATH = ("training", "arithmetic")
_CACHE = "TORCHINDUCTOR_CACHE_DIR"


def compiler() -> str:
    """The C++ compiler's command, as PyTorch chooses it. Raises Refusal if it can't be used."""
    if " " in torch.__file__:
        # PyTorch does not quote its own folder when it calls the compiler.
        raise Refusal(
            f"batched arithmetic can't be compiled with PyTorch in a folder with a blank in its "
            f"name ({Path(torch.__file__).parent})",
            "exact, or batched with PyTorch installed elsewhere",
            PATH,
        )
    wanted = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    found = shutil.which(shlex.split(wanted)[0]) if wanted.strip() else None
    if found is None:
        raise Refusal(
            f"batched arithmetic compiles its steps, and no C++ compiler called {wanted!r} was "
            "found",
            "exact, or batched after installing g++ or naming another in CXX",
            PATH,
        )
    return found


@cache
def compiler_version() -> str:
    """The compiler's first line about itself. Raises Refusal if there is no compiler."""
    output = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=True)
    return output.stdout.partition("\n")[0]


def compiled(step: Callable[..., None]) -> Callable[..., None]:
    """`step` compiled as a whole at its first call, for the shapes of that call and no others.

    Any later call with other shapes raises instead of running uncompiled. Generated code runs on
    one thread. Compile it within `compiling()`. Raises Refusal if it can't be kept.
    """
    _keep_code()
    # The annotations of torch.compile lag behind its arguments.
    compile_: Any = torch.compile
    function: Callable[..., None] = compile_(
        step,
        fullgraph=True,
        dynamic=False,
        # Two compiled forms of one function know nothing of each other, and each has one form.
        isolate_recompiles=True,
        recompile_limit=1,
        options={
            "cpp.threads": 1,
            # The code of a step never changes: only its tensors' shapes are looked at each time.
            "guard_filter_fn": torch.compiler.keep_tensor_guards_unsafe,
        },
    )
    return function


def _keep_code() -> None:
    """Let code outlive the process, in the user's cache folder unless PyTorch is told another.

    Raises Refusal if nothing can be written there.
    """
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    # PyTorch names a folder that it made up itself as if it had been told.
    if os.environ.get(_CACHE) in (None, default_cache_dir()):
        os.environ[_CACHE] = str(cache_folder("inductor"))
    folder = Path(os.environ[_CACHE])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise Refusal(
            f"{folder}: compiled code can't be kept there: {error.strerror or error}",
            "exact, or batched with a folder that can be written to, as XDG_CACHE_HOME names it",
            PATH,
        ) from error


@contextmanager
def compiling() -> Iterator[None]:
    """Where first calls belong. Raises Refusal if the C++ compiler fails."""
    compiler()
    import torch._inductor.config as inductor
    from torch._dynamo.exc import BackendCompilerFailed
    from torch._inductor.exc import CppCompileError, InvalidCxxCompiler

    # Workers are processes already: none of them needs a pool of its own to compile in.
    settings: Any = inductor.patch(compile_threads=1)
    with settings, warnings.catch_warnings():
        # What PyTorch says about its own insides is not the user's business.
        warnings.filterwarnings("ignore", module=r"torch\..*")
        try:
            yield
        except BackendCompilerFailed as failure:
            why = failure.inner_exception
            if not isinstance(why, CppCompileError | InvalidCxxCompiler):
                raise
            text = next(iter(str(why).splitlines()), "")
            what = f"the C++ compiler failed: {text}"
            raise Refusal(what, "exact, or batched with a compiler that works", PATH) from failure
