# SPDX-License-Identifier: Apache-2.0
"""The registry of names."""

from __future__ import annotations

import pytest

from stope.base.errors import ConfigError, UnknownName
from stope.base.registry import Registry


def tools() -> Registry[int]:
    registry: Registry[int] = Registry("tool", "stope tools")
    registry.add("drill-v1", 1, ("deep", "smoke"))
    registry.add("brush-v1", 2, ("smoke",))
    return registry


def test_names_are_sorted_and_filtered_by_tag() -> None:
    registry = tools()
    assert registry.names() == ("brush-v1", "drill-v1") == tuple(registry)
    assert registry.names("deep") == ("drill-v1",)
    assert registry.names("none") == ()
    assert "drill-v1" in registry
    assert "drill" not in registry
    assert registry.get("brush-v1") == 2


def test_the_decorator_adds_and_returns_what_it_decorates() -> None:
    registry: Registry[object] = Registry("tool", "stope tools")

    @registry.register("saw-v1", tags=("smoke",))
    def saw() -> str:
        return "saw"

    assert registry.get("saw-v1") is saw
    assert registry.names("smoke") == ("saw-v1",)


def test_an_unknown_name_suggests_the_closest_and_the_listing() -> None:
    text = r"^no tool 'dril-v1'\. Closest: 'drill-v1'\. All: `stope tools` \(brush-v1, drill-v1\)\.$"
    with pytest.raises(UnknownName, match=text) as caught:
        tools().get("dril-v1")
    assert isinstance(caught.value, KeyError)


def test_a_name_is_given_once() -> None:
    with pytest.raises(ConfigError, match=r"^tool 'drill-v1' is registered twice\. Choose another name\.$"):
        tools().add("drill-v1", 3)
