# SPDX-License-Identifier: Apache-2.0
"""A body of the package on a mesh of the user."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stope.base.errors import ConfigError, FileError, UnknownName
from stope.world.body import Body, load_body
from stope.world.coasting import coast
from stope.world.gravity import PolyhedronField
from stope.world.local_mesh import load_body_with_mesh
from stope.world.shape import ellipsoid_mesh
from stope.world.site import make_site

# Meshes that may not be shipped: beside the checkout of those who have them, nowhere else.
SHAPES = Path(os.environ.get("STOPE_SHAPES", "shapes"))
"""Folder of shape models that may not be shipped; set by whoever has them."""


def write_mesh(folder: Path, *, scale: float = 1.0) -> tuple[Path, dict[str, Any]]:
    """Bennu's own ellipsoid as an OBJ file, and what load_body_with_mesh has to be told of it."""
    mesh = ellipsoid_mesh(load_body("bennu").semi_axes, halvings=3)
    rows = [f"v {x!r} {y!r} {z!r}" for x, y, z in (scale * mesh.vertices).tolist()]
    rows += [f"f {a} {b} {c}" for a, b, c in mesh.faces + 1]
    path = folder / "mine.obj"
    path.write_text("\n".join(rows))
    return path, {"mesh_unit": "m", "mesh_vertices": len(mesh.vertices), "mesh_faces": len(mesh.faces)}


def changed(options: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What load_body_with_mesh is told, with something wrong."""
    return options | changes


def test_the_numbers_stay_and_the_shape_is_the_users(tmp_path: Path) -> None:
    path, options = write_mesh(tmp_path)
    body, shipped = load_body_with_mesh("bennu", path, **options), load_body("bennu")
    assert (body.gm, body.spin_rate, body.mean_radius, body.density) == (
        shipped.gm,
        shipped.spin_rate,
        shipped.mean_radius,
        shipped.density,
    )
    assert isinstance(body.field(), PolyhedronField)
    ray = np.array([1.0, 2.0, 3.0])
    # 1280 triangles of an edge of 35 m sag 35^2 / (8 x 230) m at most.
    np.testing.assert_allclose(body.surface().point(ray), shipped.surface().point(ray), atol=0.7)


def test_a_result_says_which_shape_it_is_of(tmp_path: Path) -> None:
    path, options = write_mesh(tmp_path)
    body = load_body_with_mesh("bennu", path, **options)
    assert body.name == "bennu-local-mesh"
    assert body.summary == (
        "(101955) Bennu: numbers of 'bennu', shape of mine.obj (642 vertices, 1280 faces, m), a local file"
    )
    assert body.licence == "mesh: mine.obj is the user's, under its own terms; numbers: facts"
    assert body.sources["mesh"] == str(path)
    assert "semi_axes" not in body.sources
    assert json.dumps(body.describe(), allow_nan=False)
    assert make_site(body, latitude_deg=10.0).name == "bennu-local-mesh-lat10-lon0"


@pytest.mark.parametrize(
    ("name", "file", "options"),
    [
        ("bennu", "bennu_739v.obj", {"mesh_unit": "km", "mesh_vertices": 739, "mesh_faces": 1474}),
        ("67p", "67p_916v.obj", {"mesh_unit": "m", "mesh_vertices": 916, "mesh_faces": 1828}),
    ],
)
def test_the_meshes_that_are_not_shipped_load_where_they_are(name: str, file: str, options: dict[str, Any]) -> None:
    if not (SHAPES / file).is_file():
        pytest.skip(f"{file} may not be shipped: set STOPE_SHAPES to the folder that holds it")
    body: Body = load_body_with_mesh(name, SHAPES / file, **options)
    surface, ray = body.surface(), np.array([0.2, 0.1, 1.0])
    position, normal = surface.point(ray), surface.normal(ray)
    arc = coast(body, position, 0.1 * body.escape_speed * normal, time_limit=1e5)
    assert arc.reason == "contact"
    assert float(surface.height(arc.position_a)) == pytest.approx(0.0, abs=1e-6)


def test_what_is_wrong_with_a_local_mesh_is_one_line(tmp_path: Path) -> None:
    path, options = write_mesh(tmp_path)
    with pytest.raises(UnknownName, match=r"^no body 'benu'\. Closest: 'bennu'\."):
        load_body_with_mesh("benu", path, **options)
    with pytest.raises(ConfigError, match=r"^load_body_with_mesh\.name = 'moon': a uniform place has no shape\."):
        load_body_with_mesh("moon", path, **options)
    with pytest.raises(ConfigError, match=r"^load_body_with_mesh\.mesh_unit = 'mm': must be one of m, km\."):
        load_body_with_mesh("bennu", path, **changed(options, mesh_unit="mm"))
    with pytest.raises(
        ConfigError, match=r"^load_body_with_mesh\.mesh_unit = 'km': gm and the volume of mine\.obj give"
    ):
        load_body_with_mesh("bennu", path, **changed(options, mesh_unit="km"))
    with pytest.raises(FileError, match=r"^mine\.obj = 1280 faces: the body's TOML says 1281"):
        load_body_with_mesh("bennu", path, **changed(options, mesh_faces=1281))
    with pytest.raises(FileError, match=r"^mesh .*none\.obj = no such file"):
        load_body_with_mesh("bennu", tmp_path / "none.obj", **options)
