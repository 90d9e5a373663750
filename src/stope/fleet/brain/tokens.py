# SPDX-License-Identifier: Apache-2.0
"""Tokens: who may ask the brain. One secret, made for a run or read from a file that only its owner can read."""

from __future__ import annotations

import hmac
import secrets
import stat
from pathlib import Path

from stope.base.errors import FileError

__all__ = ["is_bearer", "new_token", "read_token"]

SHORTEST = 16
"""Characters of a token; chosen: beyond guessing at any rate a socket allows."""
LARGEST = 4096
"""Bytes of a token's file."""


def new_token() -> str:
    """A token of 256 random bits."""
    return secrets.token_urlsafe(32)


def read_token(path: Path) -> str:
    """The token in a file.

    Raises:
        FileError: missing, readable by others than its owner, or not one line of enough printable characters.
    """
    if not path.is_file():
        raise FileError(f"{path}: no such token file. Make one: `(umask 077; openssl rand -hex 32 > {path})`.")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise FileError(f"{path}: mode {mode:04o}: expected 0600, so that only its owner reads it: `chmod 600 {path}`.")
    with path.open("rb") as file:
        token = file.read(LARGEST).decode("ascii", errors="replace").strip()
    if len(token) < SHORTEST or not all("!" <= c <= "~" for c in token):
        raise FileError(f"{path}: {len(token)} characters: expected one line of {SHORTEST} or more printable ones.")
    return token


def is_bearer(header: str | None, token: str) -> bool:
    """Whether an Authorization header carries the token; takes as long for a near miss as for any other."""
    return header is not None and hmac.compare_digest(header.encode("utf-8", "replace"), f"Bearer {token}".encode())
