# SPDX-License-Identifier: Apache-2.0
"""`stope export`: a policy as a model that other programs fly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stope.cli.console import line, show_facts, show_json
from stope.cli.options import AsJson, example

__all__ = ["EXAMPLE", "export"]

EXAMPLE = example("stope export policy.safetensors --onnx policy.onnx")


def export(
    policy: Annotated[Path, typer.Argument(metavar="POLICY", help="Policy file of `stope train`, of either family.")],
    *,
    onnx: Annotated[
        Path, typer.Option(metavar="FILE.onnx", help="Model to write, for ONNX Runtime or another that reads opset 17.")
    ],
    as_json: AsJson = False,
) -> None:
    """Write a policy as one ONNX model that needs nothing else to fly.

    The belief and the memory are inputs, and the memory is an output too; normalisation and allocation are inside. The
    model is compared with the policy before it is written.
    """
    from stope.learn.export import export_policy  # noqa: PLC0415 -- keeps `stope --help` fast

    made = export_policy(policy, onnx)
    if as_json:
        show_json(made)
        return
    show_facts("Exported", {
        "family": made["family"],
        "weights": made["digest"],
        **{f"{kind} {name}": f"float32 (n, {size})" for kind in ("input", "output")
           for name, size in made[f"{kind}s"].items()},
        "opset": made["opset"],
        "size [kB]": made["bytes"] / 1000,
        "largest difference to the policy": f"{made['largest_difference']:.1e} in {made['num_compared']} random rows",
    })  # fmt: skip
    line(f"model: {onnx}")
