# SPDX-License-Identifier: Apache-2.0
"""Errors: their texts, what they also are, and what they make a command return."""

from __future__ import annotations

import pytest

from stope.base.errors import (
    ConfigError,
    FileError,
    FlightError,
    Misfit,
    MissingExtra,
    RangeError,
    StopeError,
    UnitFailed,
    UnknownName,
)


@pytest.mark.parametrize(
    ("kind", "builtin", "exit_code"),
    [
        (UnknownName, KeyError, 2),
        (ConfigError, ValueError, 2),
        (RangeError, ValueError, 2),
        (FileError, ValueError, 2),
        (FlightError, FileError, 2),
        (Misfit, ValueError, 2),
        (MissingExtra, ImportError, 3),
        (UnitFailed, RuntimeError, 70),
    ],
)
def test_every_error_is_also_the_matching_builtin_and_shows_its_text_bare(
    kind: type[StopeError], builtin: type[Exception], exit_code: int
) -> None:
    error = kind("where = 3 m: rule. Next step.")
    assert isinstance(error, StopeError)
    assert isinstance(error, builtin)
    assert str(error) == "where = 3 m: rule. Next step."  # a plain KeyError would quote it
    assert error.exit_code == exit_code


def test_an_error_without_text_says_its_name() -> None:
    assert str(ConfigError()) == "ConfigError"


def test_a_name_like_no_other_is_not_given_a_closest() -> None:
    text = str(UnknownName.of("body", "qqqqq", ["ryugu", "bennu"], listing="stope world bodies"))
    assert text == "no body 'qqqqq'. All: `stope world bodies` (bennu, ryugu)."
