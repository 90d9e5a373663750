# SPDX-License-Identifier: Apache-2.0
"""Streams by name under one root seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from stope.base.errors import ConfigError
from stope.base.seeding import generator, stream_key


def test_a_stream_depends_on_its_name_and_not_on_what_was_drawn_before() -> None:
    first = generator(7, "noise", 3).random(5)
    generator(7, "other").random(1000)
    np.testing.assert_array_equal(generator(7, "noise", 3).random(5), first)


def test_numpys_whole_numbers_name_the_same_stream_as_pythons() -> None:
    for kind in (np.int32, np.int64, np.uint8):
        seven: Any = kind(7)
        three: Any = kind(3)
        assert stream_key(seven, "env", three) == stream_key(7, "env", 3)
        assert generator(seven, three).random() == generator(7, 3).random()


def test_paths_that_look_alike_are_different_streams() -> None:
    paths: list[tuple[str | int, ...]] = [
        (),
        (1,),
        ("1",),
        ("a", "b"),
        ("a/b",),
        ("ab",),
        ("a", 1),
        (1, "a"),
        ("", "a"),
    ]
    keys = {stream_key(seed, *path) for seed in (0, 1, -1) for path in paths}
    assert len(keys) == 3 * len(paths)
    assert all(0 <= key < 2**64 for key in keys)


def test_neighbouring_seeds_give_independent_numbers() -> None:
    first = np.array([generator(seed, "x").random() for seed in range(2000)])
    assert kstest(first, "uniform").pvalue > 1e-3  # false alarm 1e-3; the seeds are fixed
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 3.3 / np.sqrt(2000)  # false alarm 1e-3


@pytest.mark.parametrize("part", [1.0, None, np.float64(2.0), ("a",)])
def test_a_part_that_is_neither_text_nor_whole_is_refused(part: object) -> None:
    with pytest.raises(ConfigError, match=r"^stream .*: expected whole numbers and text, found \w+\.$"):
        stream_key(1, part)  # type: ignore[arg-type]
