# SPDX-License-Identifier: Apache-2.0
"""Export: a policy file of either family as one ONNX model that needs nothing else to fly.

The model is what `act` of the policy is: normalisation, memory and allocation are inside, the belief is an input of its
own, worlds may be any number. What goes in and comes out is float32; allocation works in float64 inside, as
`stope.world.allocation` does, except for the error function of the payload, which ONNX Runtime has in float32 only
(6e-8 of the payload's spread).

A row with a number that is not finite, in any input, comes back as NaN, action and memory: clipping, which ONNX leaves
open for NaN, could make full thrust of it. `MlpPolicy.act` does the same; `GruPolicy.act` clips infinity.

The graph is written node by node with `onnx.helper`: 39 nodes with a memory, 99 with allocation, which say in ONNX's
words what the policies say in torch's and numba's. `torch.onnx.export` would need a second copy of allocation in torch,
takes 4.6 s where this takes 0.01 s, and its warnings (torch's own deprecations, torchvision) end up with the user.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from safetensors import SafetensorError, safe_open

from stope import __version__
from stope.base.errors import FileError
from stope.base.files import write_atomic
from stope.learn.policies import GruPolicy, MlpPolicy
from stope.learn.policies.gru import LARGEST_INPUT, MAGNIFIED
from stope.world.allocation import Allocation
from stope.world.physics import NUM_PARAMETERS, PARAMETERS, index_of
from stope.world.tasks import dock
from stope.world.told import JOINT_PARAMETERS, NUM_SUMMARY, PAIRS

__all__ = ["export_policy", "interface", "load_policy", "onnx_model"]

Array = NDArray[Any]
Policy = GruPolicy | MlpPolicy
OPSET, IR_VERSION = 17, 8
"""Of 2022 (chosen): old enough for runtimes that are not of today."""
LARGEST_DIFFERENCE = 1e-4
"""Between model and policy [1], more is refused; trained policies reach 3e-6, by the rounding of float32."""
NUM_COMPARED, NUM_STEPS = 64, 4
UNITS = (
    "In brackets, what a value of 1 stands for: SI, radians; _b along the robot's base axes. Actions are in [-1, 1]. "
    "z: stope's whitened coordinates: the prior is standard normal. Memory starts as zeros. A row with a number that "
    "is not finite in any input comes back as NaN."
)


def load_policy(path: Path) -> Policy:
    """Read a policy file of either family.

    Raises:
        FileError: missing, not whole, of no family known here, or with another fault that its family finds.
    """
    if not path.is_file():
        raise FileError(f"{path}: no such policy file. Train one: `stope train --help`.")
    try:
        with safe_open(str(path), framework="pt") as file:
            header = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise FileError(f"{path}: not a whole safetensors file ({error}). Copy or train it again.") from None
    families = {kind.family: kind for kind in (GruPolicy, MlpPolicy)}
    kind = families.get(header.get("family", ""))
    if kind is None:
        raise FileError(f"{path}: family {header.get('family')!r}: expected a policy of {' or '.join(families)}.")
    return kind.load(path)


def export_policy(source: Path, target: Path) -> dict[str, Any]:
    """Write a policy file as an ONNX model, once both have given the same actions.

    Args:
        source: Policy file of either family.
        target: File to write, its name ending in .onnx, in a folder that is there.

    Returns:
        What was written: file, family, digest, sizes of inputs and outputs, opset, size [bytes], and the largest
        difference [1] between model and policy over the rows compared.

    Raises:
        FileError: a target that cannot be, a policy that cannot be read or does not say what its inputs are, or weights
            so large that rounding alone sets model and policy apart.
    """
    if target.suffix != ".onnx":
        raise FileError(f"{target}: expected a file whose name ends in .onnx.")
    if not target.parent.is_dir():
        raise FileError(f"{target}: no folder {target.parent}: expected one that is there. Make it first.")
    if target.is_dir():
        raise FileError(f"{target}: is a folder: expected a file to write.")
    policy = load_policy(source)
    try:
        model = onnx_model(policy)
    except FileError as error:
        raise FileError(f"{source}: {error}") from None
    difference = _largest_difference(model, policy)
    if not difference <= LARGEST_DIFFERENCE:
        raise FileError(f"{source}: model and policy differ by {difference:.2g} on random inputs: expected at most "
                        f"{LARGEST_DIFFERENCE:g}. Its weights are too large for float32; train it again.")  # fmt: skip
    data = model.SerializeToString(deterministic=True)
    write_atomic(target, data)
    return {
        "onnx": str(target), "policy": str(source), "family": policy.family, "digest": policy.digest,
        "inputs": _sizes(model.graph.input), "outputs": _sizes(model.graph.output), "opset": OPSET, "bytes": len(data),
        "num_compared": NUM_COMPARED * NUM_STEPS, "largest_difference": difference,
    }  # fmt: skip


def onnx_model(policy: Policy) -> onnx.ModelProto:
    """The model of a policy.

    Inputs, float32, for n worlds: `observation` (n, num_observations); `belief` (n, num_beliefs); with a memory also
    `memory` (n, num_memory), zeros at the start of an episode. Outputs: `action` (n, num_actions) in [-1, 1], and
    `memory_out`, the next step's `memory`. `interface` tells what each number is.

    Raises:
        FileError: if the policy's card does not name its observations and actions.
    """
    names = interface(policy)
    g = _Graph()
    inputs = {kind: len(names[f"{kind}_names"]) for kind in ("observation", "belief")}
    outputs = {"action": len(names["action_names"])}
    if isinstance(policy, GruPolicy):
        inputs["memory"] = outputs["memory_out"] = policy.num_memory
        results = dict(zip(outputs, _remembering(g, policy), strict=True))
    else:
        results = {"action": _allocating(g, policy)}
    is_finite = _is_finite(g, *inputs)
    for name, result in results.items():
        g("Where", is_finite, result, np.float32(np.nan), name=name)
    given, made = ([helper.make_tensor_value_info(k, TensorProto.FLOAT, ["n", size]) for k, size in ends.items()]
                   for ends in (inputs, outputs))  # fmt: skip
    graph = helper.make_graph(g.nodes, "policy", given, made, g.tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION,
                              producer_name="stope", producer_version=__version__)  # fmt: skip
    card = policy.card
    about = {
        "format": "stope-onnx-1", "family": policy.family, "digest": policy.digest, "stope_version": __version__,
        "licence": str(card.get("licence", "Apache-2.0")), "card": json.dumps(card, sort_keys=True), "units": UNITS,
        **{k: json.dumps(v) for k, v in names.items()},
    }  # fmt: skip
    helper.set_model_props(model, about)
    onnx.checker.check_model(model, full_check=True)
    return model


def interface(policy: Policy) -> dict[str, list[str]]:
    """Names of `observation_names`, `belief_names` and `action_names`, each with its unit in brackets.

    For an `MlpPolicy`, observation and belief side by side are the observation of `dock`; of the belief the residual is
    turned to the robot's axes, so it changes as the robot turns.

    Raises:
        FileError: if the card of a `GruPolicy` does not name as many as there are.
    """
    if isinstance(policy, MlpPolicy):
        limits = zip(_axes("force") + _axes("torque"), policy.allocation.limit, ("N",) * 3 + ("N m",) * 3, strict=True)
        return {
            "observation_names": _motion_names(),
            "belief_names": [f"residual_{k}_b: mean of z [1]" for k in "xyz"]
            + [f"{p.name}: mean of z [{1 / dock.MEAN_SCALE:g}]" for p in PARAMETERS]
            + [f"{p.name}: log standard deviation of z [{1 / dock.SPREAD_SCALE:g}]" for p in PARAMETERS],
            "action_names": [f"{name} [{limit:g} {unit}]" for name, limit, unit in limits],
        }
    found = {}
    for kind, num in (("observation", policy.num_inputs - NUM_SUMMARY), ("action", policy.num_actions)):
        names = policy.card.get(f"{kind}_names")
        if not isinstance(names, list) or len(names) != num or not all(isinstance(name, str) for name in names):
            raise FileError(f"card.{kind}_names: expected a list of {num} names. Train it again.")
        found[f"{kind}_names"] = names
    pairs = [[JOINT_PARAMETERS[k].name for k in pair] for pair in PAIRS]
    return found | {
        "belief_names": [f"{p.name}: mean of z [1]" for p in JOINT_PARAMETERS]
        + [f"{p.name}: log standard deviation of z [1]" for p in JOINT_PARAMETERS]
        + [f"{a} and {b}: correlation [1]" for a, b in pairs]
    }


def _axes(quantity: str) -> list[str]:
    return [f"{quantity}_{k}_b" for k in "xyz"]


def _motion_names() -> list[str]:
    """What `dock.observe` writes of the motion, in its order."""
    attitude = [f"attitude_{k}: of q_lb with w >= 0 [1]" for k in "xyz"]
    return [
        *(f"{name} [m]" for name in _axes("position")), *(f"{name}, tanh of 5 times it" for name in _axes("position")),
        *(f"{name} [0.2 m/s]" for name in _axes("velocity")),
        *attitude, *(f"{name.split(':')[0]}, tanh of 10 times it" for name in attitude),
        *(f"{name} [0.5 rad/s]" for name in _axes("rate")),
        *(f"last action: {name} [limit]" for name in _axes("force") + _axes("torque")),
    ]  # fmt: skip


class _Graph:
    """Nodes of a model, one after another; a result is known by its name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def __call__(self, operator: str, *inputs: str | Array | np.generic, name: str = "", **attributes: Any) -> str:
        """Add a node and return its result; an array among the inputs becomes a constant."""
        given = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        result = name or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, given, [result], name=result, **attributes))
        return result

    def _constant(self, value: Array | np.generic) -> str:
        name = f"constant_{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def columns(self, x: str, first: int, num: int) -> str:
        """`num` columns of x from `first` on."""
        return self("Slice", x, np.array([first]), np.array([first + num]), np.array([1]))

    def clip(self, x: str, largest: np.floating[Any]) -> str:
        """X between -largest and largest."""
        return self("Clip", x, -largest, largest)


def _is_finite(g: _Graph, *inputs: str) -> str:
    """Whether all numbers of a row are finite, (n, 1)."""
    inside = g("Less", g("Abs", g("Concat", *inputs, axis=1)), np.float32(np.inf))
    least = g("ReduceMin", g("Cast", inside, to=TensorProto.FLOAT), axes=[1], keepdims=1)
    return g("Cast", least, to=TensorProto.BOOL)


def _layers(g: _Graph, policy: Policy, x: str) -> str:
    """Fully connected layers with ELU units between them."""
    for k in range(policy.num_layers):
        x = g("Gemm", x, policy.weights[f"{k}.weight"].numpy(), policy.weights[f"{k}.bias"].numpy(), transB=1)
        x = g("Elu", x) if k < policy.num_layers - 1 else x
    return x


def _remembering(g: _Graph, policy: GruPolicy) -> tuple[str, str]:
    """`GruPolicy.forward`: action and memory."""
    w = {name: tensor.numpy() for name, tensor in policy.weights.items()}
    given = g("Concat", "observation", "belief", axis=1)
    x = g.clip(g("Div", g("Sub", given, w["input.mean"]), w["input.std"]), np.float32(LARGEST_INPUT))
    m, parts = policy.num_memory, {"ih": x, "hh": "memory"}
    gates = {k: g("Gemm", v, w[f"memory.weight_{k}"], w[f"memory.bias_{k}"], transB=1) for k, v in parts.items()}
    (reset, keep, new), (reset_m, keep_m, new_m) = ([g.columns(v, k * m, m) for k in range(3)] for v in gates.values())
    reset, keep = g("Sigmoid", g("Add", reset, reset_m)), g("Sigmoid", g("Add", keep, keep_m))
    new = g("Tanh", g("Add", new, g("Mul", reset, new_m)))
    kept = g("Add", new, g("Mul", keep, g("Sub", "memory", new)))
    seen = g("Div", "observation", w["input.std"][:-NUM_SUMMARY] / np.float32(MAGNIFIED))
    return g.clip(_layers(g, policy, g("Concat", x, g("Tanh", seen), kept, axis=1)), np.float32(1.0)), kept


def _allocating(g: _Graph, policy: MlpPolicy) -> str:
    """`MlpPolicy.act`: the network's wanted accelerations through `Allocation.shares`, term by term."""
    allocation = policy.allocation
    wanted = g("Cast", _layers(g, policy, "observation"), to=TensorProto.DOUBLE)
    accel = g("Mul", g.clip(wanted, np.float64(1.0)), allocation.authority)
    linear, angular = g.columns(accel, 0, 3), g.columns(accel, 3, 3)
    mean = g("Div", g.columns("belief", dock.RESIDUAL, NUM_PARAMETERS), np.float32(dock.MEAN_SCALE))
    z = g("Cast", mean, to=TensorProto.DOUBLE)
    payload, gain = (_theta(g, allocation, z, *part) for part in (("payload", 1), ("gain_fx", 6)))
    both, com, inertia = _mass_properties(g, allocation, z, payload)
    residual = g("Cast", g.columns("belief", 0, dock.RESIDUAL), to=TensorProto.DOUBLE)
    at = index_of("residual_x")
    needed = g("Sub", linear, g("Mul", residual, allocation.spread[at : at + 3]))
    strength = g("Mul", gain, allocation.limit)  # what a share of 1 gives [N, N m]
    force_strength, torque_strength = g.columns(strength, 0, 3), g.columns(strength, 3, 3)
    share = g.clip(g("Div", g("Mul", both, needed), force_strength), np.float64(1.0))
    turned = g("MatMul", inertia, g("Unsqueeze", angular, np.array([2])))
    torque = g("Add", _cross(g, com, g("Mul", share, force_strength)), g("Squeeze", turned, np.array([2])))
    shares = g("Concat", share, g.clip(g("Div", torque, torque_strength), np.float64(1.0)), axis=1)
    return g("Cast", shares, to=TensorProto.FLOAT)


def _theta(g: _Graph, allocation: Allocation, z: str, name: str, num: int) -> str:
    """Parameters in SI units, (n, num), from `name` on; all of its transform."""
    first = index_of(name)
    centre, spread = (values[first : first + num] for values in (allocation.centre, allocation.spread))
    part, transform = g.columns(z, first, num), PARAMETERS[first].transform
    assert {p.transform for p in PARAMETERS[first : first + num]} == {transform}
    if transform == "log":
        return g("Mul", centre, g("Exp", g("Mul", spread, part)))
    if transform == "uniform":
        narrow = g("Cast", g("Div", part, np.float64(np.sqrt(2.0))), to=TensorProto.FLOAT)
        part = g("Cast", g("Erf", narrow), to=TensorProto.DOUBLE)
    return g("Add", centre, g("Mul", spread, part))


def _mass_properties(g: _Graph, allocation: Allocation, z: str, payload: str) -> tuple[str, str, str]:
    """Mass [kg] (n, 1), centre of mass [m] (n, 3) and inertia about it [kg m2] (n, 3, 3); payload [kg] (n, 1), base."""
    mass, com, diagonal, skew = (_theta(g, allocation, z, *part) for part in
                                 (("mass", 1), ("com_x", 3), ("inertia_d1", 3), ("inertia_s12", 3)))  # fmt: skip
    mount, radius = allocation.mount[:3], allocation.mount[3]
    both = g("Add", mass, payload)
    offset = g("Sub", mount, com)
    # Columns 0 to 2 the diagonal, 3 to 5 what is above it, 6 zero: the upper triangular matrix, row by row.
    packed = g("Concat", g("Exp", diagonal), skew, g("Sub", mass, mass), axis=1)
    upper = g("Reshape", g("Gather", packed, np.array([0, 3, 4, 6, 1, 5, 6, 6, 2]), axis=1), np.array([-1, 3, 3]))
    wide = [g("Unsqueeze", value, np.array([2])) for value in (mass, payload, g("Div", g("Mul", mass, payload), both))]
    robot = g("Mul", wide[0], g("MatMul", upper, g("Transpose", upper, perm=[0, 2, 1])))
    apart = [g("Unsqueeze", offset, np.array([axis])) for axis in (2, 1)]
    second = g("Add", robot, g("Mul", wide[2], g("MatMul", *apart)))
    second = g("Add", second, g("Mul", wide[1], np.eye(3) * radius**2 / 5.0))
    trace = g("ReduceSum", g("Mul", second, np.eye(3)), np.array([1, 2]), keepdims=1)
    inertia = g("Sub", g("Mul", trace, np.eye(3)), second)
    return both, g("Add", com, g("Mul", g("Div", payload, both), offset)), inertia


def _cross(g: _Graph, a: str, b: str) -> str:
    """The cross product of rows, (n, 3)."""
    turned = {k: [g("Gather", x, np.array(order), axis=1) for order in ([1, 2, 0], [2, 0, 1])]
              for k, x in (("a", a), ("b", b))}  # fmt: skip
    return g("Sub", g("Mul", turned["a"][0], turned["b"][1]), g("Mul", turned["a"][1], turned["b"][0]))


def _largest_difference(model: onnx.ModelProto, policy: Policy) -> float:
    """Largest difference [1] between policy and model, as onnx's own reference reads it, over a few random steps."""
    run, rng = ReferenceEvaluator(model), np.random.default_rng(0)
    sizes, apart = _sizes(model.graph.input), []
    memory = {k: np.zeros((NUM_COMPARED, size), np.float32) for k, size in sizes.items() if k == "memory"}
    for _ in range(NUM_STEPS):
        observation, belief = (rng.standard_normal((NUM_COMPARED, sizes[k]), np.float32) for k in list(sizes)[:2])
        with np.errstate(over="ignore", invalid="ignore"):  # the reference computes both sides of an ELU
            found = run.run(None, {"observation": observation, "belief": belief, **memory})
        if isinstance(policy, GruPolicy):
            wanted = policy.act(observation, belief, memory["memory"])
            memory["memory"] = wanted[1]
        else:
            wanted = (policy.act(np.concatenate([observation, belief], axis=1)),)
        apart += [np.abs(a - b).max() for a, b in zip(found, wanted, strict=True)]
    return float(np.max(apart))  # NaN if one is


def _sizes(ends: Any) -> dict[str, int]:
    """Length of each input or output of a model."""
    return {end.name: end.type.tensor_type.shape.dim[1].dim_value for end in ends}
