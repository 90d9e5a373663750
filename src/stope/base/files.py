# SPDX-License-Identifier: Apache-2.0
"""Files that are whole or not there: written aside and renamed; read with one clear line when they are broken."""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any, cast

from stope.base.errors import FileError

__all__ = ["check_writable", "read_json", "write_atomic", "write_json"]


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write a file so that a kill at any moment leaves the old one or the new one."""
    path = Path(path)
    check_writable(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}.") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        if error.errno is not None:
            error.filename = str(path)  # the name that was asked for, not the one aside
        raise
    finally:
        Path(name).unlink(missing_ok=True)


def check_writable(path: Path | None) -> None:
    """Refuse a place that no file can be written to, before hours of work are lost for it; makes its folder.

    Raises:
        FileError: a folder of that name, or one that cannot be made or written in.
    """
    if path is None:
        return
    if path.is_dir():
        raise FileError(f"{path}: is a folder: expected the name of a file.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise FileError(f"{path}: cannot be written: {path.parent}: {why}.") from None
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise FileError(f"{path}: cannot be written: no files can be made in {path.parent}.")


def write_json(path: Path, value: object) -> None:
    """Write JSON with sorted keys, atomically.

    Raises:
        FileError: if a number is not finite or something is no JSON.
    """
    try:
        text = json.dumps(value, sort_keys=True, indent=1, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise FileError(f"{path}: cannot be written as JSON ({error}).") from None
    write_atomic(path, text + "\n")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a finite number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _refuse(text)
    return value


def _whole(text: str) -> int:
    _finite(text)  # one that no float holds would stop whoever computes with it
    return int(text)


def read_json(path: Path, *, what: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        FileError: missing, truncated, not JSON, with NaN or infinity in it, or not an object; the text names the file
            and `what` was expected.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path}: no such {what} file.")
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse, parse_float=_finite,
                                parse_int=_whole)  # fmt: skip
    except (ValueError, OSError, RecursionError) as error:
        raise FileError(f"{path}: not a whole {what} file ({error}).") from None
    if not isinstance(value, dict):
        raise FileError(f"{path}: found a {type(value).__name__}: expected a {what} (a JSON object).")
    return cast("dict[str, Any]", value)
