# SPDX-License-Identifier: Apache-2.0
"""A body of the package on a mesh that the user has and the package may not ship, such as Bennu or 67P.

The numbers stay those of the shipped body; only the shape changes, and the body says so in name, summary and licence.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stope.base.errors import ConfigError
from stope.base.units import G
from stope.world.body import DENSITY_AGREEMENT, MESH_UNITS, Body, load_body

SUFFIX = "-local-mesh"
"""What the name of such a body ends in, so that no result of it is taken for one of the shipped shape."""


def load_body_with_mesh(
    name: str, mesh_path: str | Path, *, mesh_unit: str, mesh_vertices: int, mesh_faces: int
) -> Body:
    """Load a shipped body with its numbers, on a shape from an OBJ file of the user.

    Args:
        name: A body of the package that attracts, such as `bennu` or `67p`.
        mesh_path: OBJ file of a closed triangle mesh, indices from 1, +z along the spin axis.
        mesh_unit: Length unit of the file, `m` or `km`; it is never guessed.
        mesh_vertices: Number of vertices the file must have.
        mesh_faces: Number of faces the file must have.

    Returns:
        A body of kind `mesh` with the name of the shipped one and `-local-mesh`. Its summary and licence name the file.

    Raises:
        UnknownName: if the package has no such body.
        ConfigError: if the body is a uniform place, the unit is not known, or gm and the volume of the mesh contradict
            the published density.
        FileError: if the file is missing or broken, or has other counts.

    Valid for:
        Constant density. The mesh is moved to its centroid of volume, as every mesh is; its axes are not turned.
    """
    shipped, path = load_body(name), Path(mesh_path)
    if shipped.kind == "uniform":
        raise ConfigError(
            f"load_body_with_mesh.name = {name!r}: a uniform place has no shape. Name a body that attracts."
        )
    if mesh_unit not in MESH_UNITS:
        raise ConfigError(f"load_body_with_mesh.mesh_unit = {mesh_unit!r}: must be one of {', '.join(MESH_UNITS)}.")
    shape = f"{path.name} ({mesh_vertices} vertices, {mesh_faces} faces, {mesh_unit}), a local file"
    body = replace(
        shipped,
        name=shipped.name + SUFFIX,
        kind="mesh",
        summary=f"{shipped.summary.split(':')[0]}: numbers of {shipped.name!r}, shape of {shape}",
        licence=f"mesh: {path.name} is the user's, under its own terms; numbers: facts",
        semi_axes=(0.0, 0.0, 0.0),
        mesh=path.resolve(),
        mesh_unit=mesh_unit,
        mesh_vertices=mesh_vertices,
        mesh_faces=mesh_faces,
        sources={key: text for key, text in shipped.sources.items() if key != "semi_axes"} | {"mesh": str(path)},
        errors={key: error for key, error in shipped.errors.items() if key != "semi_axes"},
    )
    mean = body.gm / (G * body.shape().volume)
    if abs(mean - body.density) > DENSITY_AGREEMENT * body.density:
        raise ConfigError(
            f"load_body_with_mesh.mesh_unit = {mesh_unit!r}: gm and the volume of {path.name} give {mean:.6g} kg/m3, "
            f"published {body.density:.6g} kg/m3. Check the unit, and that the mesh is of this body."
        )
    return body
