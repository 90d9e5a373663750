# SPDX-License-Identifier: Apache-2.0
"""Gravity must be written by somebody: no place, no signature and no setting has a default for it."""

from __future__ import annotations

import ast
import dataclasses
import tomllib
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2, kstest

import stope.world
from stope.base.errors import ConfigError
from stope.learn.train import SiteConfig
from stope.world.body import Body, body_names, check_body, load_body
from stope.world.robots import load_robot
from stope.world.site import make_site
from tests.builders import default_theta, make_world

WORLD = Path(stope.world.__file__).parent
GRAVITY = {"gm", "gravity_level", "gravity", "gravity_l", "attraction", "attraction_l", "body"}


@pytest.mark.parametrize("name", body_names())
def test_a_shipped_body_whose_gravity_is_left_out_is_refused(name: str, tmp_path: Path) -> None:
    text = (WORLD / "bodies" / f"{name}.toml").read_text()
    kind = tomllib.loads(text)["kind"]
    key = "gravity_level" if kind == "uniform" else "gm"
    lines = [line for line in text.splitlines() if not line.startswith(f"{key} =")]
    assert len(lines) == len(text.splitlines()) - 1
    path = tmp_path / f"{name}.toml"
    path.write_text("\n".join(lines))
    with pytest.raises(
        ConfigError, match=rf"^{name}\.toml: {key} = missing: a body of kind '{kind}' needs it\. Add it"
    ):
        check_body(path)


def test_nothing_that_takes_gravity_or_a_place_has_a_default_for_it() -> None:
    found = []
    for path in sorted(WORLD.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.Lambda):
                a = node.args
                positional = [*a.posonlyargs, *a.args]
                last = positional[len(positional) - len(a.defaults) :]
                given = [x.arg for x in last]
                given += [x.arg for x, default in zip(a.kwonlyargs, a.kw_defaults, strict=True) if default is not None]
                found += [f"{path.name}: {name}" for name in given if name in GRAVITY]
    assert found == []
    for config, names in ((Body, ("gm", "gravity_level")), (SiteConfig, ("body",))):
        for f in dataclasses.fields(config):
            has_default = f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING
            assert not (f.name in names and has_default)


def test_the_cabins_jitter_is_white_and_as_large_as_its_file_says() -> None:
    site = make_site("iss-cabin")
    assert site.jitter_rms == 2.0e-4
    theta = default_theta(load_robot("bee-cabin"), 200, drag=0.0)
    world, num = make_world(site, theta, robot="bee-cabin", engine="fused"), 100
    drawn = np.empty((num, 200, 3))
    for k in range(num):
        world.step(np.zeros((200, 6)))
        drawn[k] = world.jitter / site.jitter_rms
    count = drawn.size
    assert chi2.ppf(5e-5, count) < np.sum(drawn**2) < chi2.isf(5e-5, count)  # false alarm 1e-4; so below
    assert kstest(drawn.ravel(), "norm").pvalue > 1e-4
    for a, b in ((drawn[1:], drawn[:-1]), (drawn[:, 1:], drawn[:, :-1]), (drawn[:, :, 1:], drawn[:, :, :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 3.9 / np.sqrt(a.size)
    # It moves the robot: gained speed is a random walk of rms sqrt(100) x 2e-4 x 0.2 s, and the steady micro-g.
    rms = np.sqrt(num) * 2.0e-4 * 0.2
    gained = world.velocity_l - site.gravity_l * num * 0.2
    assert chi2.ppf(5e-5, 600) < np.sum((gained / rms) ** 2) < chi2.isf(5e-5, 600)


@pytest.mark.parametrize("name", [n for n in body_names() if n != "iss-cabin"])
def test_jitter_is_where_a_file_says_so_and_nowhere_else(name: str) -> None:
    assert (load_body(name).jitter_rms > 0.0) == ("jitter_rms" in load_body(name).sources and name == "parabolic")
