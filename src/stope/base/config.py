# SPDX-License-Identifier: Apache-2.0
"""Settings: frozen dataclasses to and from TOML, dotted overrides, a content hash, and checks of fields."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import math
import tomllib
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from stope.base.errors import ConfigError, FileError

__all__ = ["as_dict", "build", "check_finite", "check_fraction", "check_multiple", "check_not_negative",
           "check_positive", "content_hash", "is_finite", "override", "read_toml", "whole"]  # fmt: skip

T = TypeVar("T")


def read_toml(path: Path | str) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        FileError: missing, or not TOML; names the file and the line.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path}: no such file.")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, no UTF-8, too long a number, too deep
        raise FileError(f"{path}: not TOML ({error}).") from None


def build(cls: type[T], data: dict[str, Any], *, where: str) -> T:
    """Make a dataclass from plain data, refusing what does not fit.

    Raises:
        ConfigError: an unknown or missing key, a wrong type, or a number that is not finite; starts with `where`.
    """
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    for key in data:
        if key not in fields:
            close = difflib.get_close_matches(key, fields, n=1)
            hint = f" Closest: {close[0]!r}." if close else ""
            raise ConfigError(f"{where}: field {key!r} is unknown.{hint} Known: {', '.join(fields)}.")
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _convert(hints[name], data[name], f"{where}: field {name!r}", where)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{where}: field {name!r} is missing.")
    return cls(**values)


def _convert(kind: Any, value: Any, at: str, where: str) -> Any:  # noqa: C901, PLR0911, PLR0912 -- one per kind of field
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise ConfigError(f"{at} = {value!r}: expected a table.")
        return build(
            typing.cast("type[Any]", kind),
            typing.cast("dict[str, Any]", value),
            where=f"{where}.{at.rsplit(chr(39), 2)[1]}",
        )
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        if value not in arguments:
            raise ConfigError(f"{at} = {value!r}: expected one of {', '.join(map(repr, arguments))}.")
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _convert(next(a for a in arguments if a is not type(None)), value, at, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{at} = {value!r}: expected a list.")
        items = list(typing.cast("list[Any]", value))
        inner = [arguments[0]] * len(items) if len(arguments) == 2 and arguments[1] is Ellipsis else list(arguments)
        if len(inner) != len(items):
            raise ConfigError(f"{at} = {value!r}: expected {len(inner)} entries.")
        return tuple(_convert(k, v, at, where) for k, v in zip(inner, items, strict=True))
    if origin is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"{at} = {value!r}: expected a table.")
        table = typing.cast("dict[str, Any]", value)
        return {k: _convert(arguments[1], v, at, where) for k, v in table.items()}
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not is_finite(value):
            raise ConfigError(f"{at} = {value!r}: expected a finite number.")
        return float(value)
    if kind in (int, str, bool):
        if type(value) is not kind:
            raise ConfigError(f"{at} = {value!r}: expected {kind.__name__}.")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise ConfigError(
                f"{at}: a number of {value.bit_length()} bits: expected a whole number of less than 2^63."
            )
        return value
    if kind is Path:
        return Path(value)
    return value


def is_finite(value: float) -> bool:
    """Whether a number is finite as a float; a whole one may be too large."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def whole(text: str) -> int | None:
    """The count that a text is, of at most 18 digits; None for anything else."""
    return int(text) if text.isdecimal() and len(text) <= 18 else None


def as_dict(value: Any) -> Any:
    """Plain data of a dataclass: tables, lists, numbers and text only."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): as_dict(v) for k, v in typing.cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [as_dict(v) for v in typing.cast("list[Any]", value)]
    return str(value) if isinstance(value, Path) else value


def override(config: T, assignments: list[str]) -> T:
    """Replace fields by dotted path: `override(config, ["task.distance=3"])`; values in TOML syntax, bare text allowed.

    Raises:
        ConfigError: no such field, or a value that does not fit it.
    """
    data = as_dict(config)
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"--set {assignment!r}: expected field=value.")
        try:
            value = tomllib.loads(f"x = {text}")["x"]
        except (ValueError, RecursionError):  # no TOML, or too long a number: the field says what it expected
            value = text
        *parents, last = path.strip().split(".")
        table: dict[str, Any] | None = data
        for parent in parents:
            inner = table.get(parent) if table is not None else None
            table = typing.cast("dict[str, Any]", inner) if isinstance(inner, dict) else None
        if table is None or last not in table:
            known = ", ".join(data if table is None else table)
            raise ConfigError(f"--set {path}: no such field. Known: {known}.")
        table[last] = value
    return build(type(config), data, where="--set")


def content_hash(value: Any) -> str:
    """First 16 hex digits of the SHA-256 of the canonical JSON.

    Raises:
        ConfigError: for a number that is not finite, or something that is no plain data.
    """
    try:
        text = json.dumps(as_dict(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"content_hash: {error}: expected plain data with finite numbers.") from None
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _each(config: object, names: tuple[str, ...], rule: str, is_good: Callable[[float], bool]) -> None:
    for name in names:
        value = getattr(config, name)
        if not (is_finite(value) and is_good(value)):
            raise ConfigError(f"{type(config).__name__}.{name} = {value}: expected {rule}.")


def check_positive(config: object, *names: str) -> None:
    """Raise ConfigError unless each field is finite and more than 0."""
    _each(config, names, "more than 0", lambda v: v > 0)


def check_not_negative(config: object, *names: str) -> None:
    """Raise ConfigError unless each field is finite and 0 or more."""
    _each(config, names, "0 or more", lambda v: v >= 0)


def check_finite(config: object, *names: str) -> None:
    """Raise ConfigError unless each field is finite."""
    _each(config, names, "a finite number", lambda _: True)


def check_fraction(config: object, *names: str) -> None:
    """Raise ConfigError unless each field is from 0 to 1."""
    _each(config, names, "a fraction from 0 to 1", lambda v: 0 <= v <= 1)


def check_multiple(config: object, *, whole: str, part: str) -> None:
    """Raise ConfigError unless field `part` divides field `whole`."""
    a, b = getattr(config, whole), getattr(config, part)
    if abs(a / b - round(a / b)) > 1e-9:
        raise ConfigError(f"{type(config).__name__}.{part} = {b} does not divide {whole} = {a}.")
