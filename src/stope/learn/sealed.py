# SPDX-License-Identifier: Apache-2.0
"""Tensors and a text in one safetensors file, written aside and renamed, with a seal that a changed byte breaks."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from stope.base.errors import FileError
from stope.base.files import write_atomic
from stope.base.runs import HEADER

__all__ = ["Tensors", "read_sealed", "write_sealed"]

Tensors = dict[str, torch.Tensor]


def write_sealed(path: Path, arrays: Tensors, text: str = "") -> None:
    """Write both."""
    arrays = {k: v.contiguous() for k, v in arrays.items()}
    write_atomic(path, save(arrays, metadata={HEADER: text, "seal": _seal(arrays, text)}))


def read_sealed(path: Path, *, what: str) -> tuple[Tensors, str]:
    """Read both.

    Args:
        path: The file.
        what: What it should be, for the message, such as "a whole checkpoint".

    Raises:
        FileError: missing, truncated, or not as it was written.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            header = file.metadata() or {}
            arrays: Tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 -- not a mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise FileError(f"{path}: not {what} ({error}). Delete it to train from the start.") from None
    text = header.get(HEADER, "")
    if header.get("seal") != _seal(arrays, text):
        raise FileError(f"{path}: not {what} (its seal is broken). Delete it to train from the start.")
    return arrays, text


def _seal(arrays: Tensors, text: str) -> str:
    """Hash of names, types, shapes and numbers of the tensors, and of the text."""
    h = hashlib.sha256(text.encode())
    for name, tensor in sorted(arrays.items()):
        h.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        h.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return h.hexdigest()
