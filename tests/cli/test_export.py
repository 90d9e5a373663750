# SPDX-License-Identifier: Apache-2.0
"""`stope export`: a run, its answers, and one line for what cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import onnxruntime
import pytest
import torch
from safetensors.torch import save_file

from stope.learn.policies import MlpPolicy
from tests.cli.conftest import Stope


def test_a_trained_policy_is_exported(stope: Stope, policy: Path, tmp_path: Path) -> None:
    target = tmp_path / "dock.onnx"
    people = stope("export", policy, "--onnx", target)
    assert (people.code, people.err) == (0, "")
    assert "mlp-elu-allocated-2" in people.out
    assert f"model: {target}" in people.out
    programs = json.loads(stope("export", policy, "--onnx", target, "--json").out)
    assert programs["digest"] == MlpPolicy.load(policy).digest
    assert programs["digest"] in people.out
    assert (programs["inputs"], programs["outputs"]) == ({"observation": 24, "belief": 49}, {"action": 6})
    assert programs["bytes"] == target.stat().st_size
    model = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    assert model.get_modelmeta().custom_metadata_map["digest"] == programs["digest"]


def missing(path: Path, whole: bytes) -> None:
    """No file at all."""


def truncated(path: Path, whole: bytes) -> None:
    """The end is lost."""
    path.write_bytes(whole[:-200])


def other_file(path: Path, whole: bytes) -> None:
    """Not safetensors."""
    path.write_bytes(b"this is no policy")


def other_family(path: Path, whole: bytes) -> None:
    """A family that is not known."""
    save_file({"x": torch.zeros(1)}, str(path), metadata={"format": "stope-policy-1", "family": "transformer-9"})


def no_header(path: Path, whole: bytes) -> None:
    """Some other tensors."""
    save_file({"x": torch.zeros(1)}, str(path))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (missing, "no such policy file. Train one: `stope train --help`."),
        (truncated, "not a whole safetensors file"),
        (other_file, "not a whole safetensors file"),
        (other_family, "family 'transformer-9': expected a policy of gru-skip-elu-2 or mlp-elu-allocated-2."),
        (no_header, "family None: expected a policy of"),
    ],
)
def test_what_is_no_policy_is_refused_with_one_line(
    stope: Stope, policy: Path, tmp_path: Path, make: Callable[[Path, bytes], None], text: str
) -> None:
    source, target = tmp_path / "p.safetensors", tmp_path / "p.onnx"
    make(source, policy.read_bytes())
    answer = stope("export", source, "--onnx", target)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"stope: {source}: {text}")
    assert answer.err.count("\n") == 1
    assert not target.exists()


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("p.pt", "expected a file whose name ends in .onnx."),
        ("onnx", "expected a file whose name ends in .onnx."),
        ("nowhere/p.onnx", "expected one that is there. Make it first."),
        ("folder.onnx", "is a folder: expected a file to write."),
    ],
)
def test_target_that_cannot_be_is_refused_with_one_line(
    stope: Stope, policy: Path, tmp_path: Path, target: str, text: str
) -> None:
    (tmp_path / "folder.onnx").mkdir()
    answer = stope("export", policy, "--onnx", tmp_path / target)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"stope: {tmp_path / target}: ")
    assert answer.err.endswith(f"{text}\n")
    assert answer.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["folder.onnx"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("export", "Missing argument 'POLICY'. See `stope export --help`."),
        ("export p.safetensors", "Missing option '--onnx'"),
    ],
)
def test_what_is_left_out_is_named(stope: Stope, arguments: str, text: str) -> None:
    answer = stope(*arguments.split())
    assert (answer.code, answer.out) == (2, "")
    assert text in answer.err
