"""Opening an ONNX graph on the processor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tellapart.errors import TellapartError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(path: Path, *, threads: int, exact: bool = False) -> InferenceSession:
    """Load a graph that uses so many threads within one run; a file that is none is one line.

    With `exact` 8-bit products of signed and unsigned numbers are not cut off at 16 bits, as they are by processors
    without VNNI instructions unless the weights were made with 7 bits: others' models often have 8.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen classes without a common base
        reason = str(error).splitlines()[0]
        raise TellapartError(f"onnxruntime cannot load {path}: {reason}; get the file again") from error


def usable_cores() -> int:
    """Cores this process may use, at most OMP_NUM_THREADS: by that clusters say what a job was given."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(given)) if given.isdecimal() and int(given) else cores
