# SPDX-License-Identifier: Apache-2.0
"""Tiles: a policy run on a fixed number of rows at a time, so that a row's bits do not depend on its neighbours.

A matrix product of another number of rows may be summed in another order, and so may rows at different places of one
product; numpy's OpenBLAS does both. Here products always have `ROWS` rows, padded with zeros, on one thread of torch,
and a policy is taken only once a row has given equal bits at every place of the tile, beside any neighbours
(`Tile.check`). The activations between the products are those of `stope.base.activations`, which are independent by
construction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from stope.base import activations
from stope.base.device import set_learner_threads
from stope.base.errors import FileError
from stope.learn.policies import GruPolicy, MlpPolicy, allocate
from stope.learn.policies.gru import LARGEST_INPUT, MAGNIFIED
from stope.world.tasks import dock
from stope.world.told import NUM_SUMMARY

__all__ = ["ROWS", "FlightTile", "MemoryTile", "Policy", "Tile", "tile_of"]

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Policy = GruPolicy | MlpPolicy
_LARGEST = np.float32(LARGEST_INPUT)

ROWS = 256
"""Rows of a tile; chosen: the rate hardly rises beyond, and a tile that is mostly padding still takes under a
millisecond."""
WIDEST = 20.0
"""Largest number that a row may be given, in the observation's own units [1]; chosen: tasks scale what they show to
order 1, and a free flight's volume is 12 m wide. More is allowed where a training has seen more."""
CLOSE_ENOUGH = 1e-4
"""Between a tile and its policy's own `act` [1]; trained policies reach 1e-6, by the rounding of float32."""


class _Rows(NamedTuple):
    """Rows that are given and made; see `Tile.act`."""

    given: Floats
    memory: Floats
    action: Floats
    kept: Floats
    fits: Flags
    sound: Flags

    def part(self, first: int) -> _Rows:
        """Those of the tile that begins at `first`, as many as there are, or none."""
        here = slice(first, first + ROWS)
        given, memory, action, kept, fits, sound = self
        return _Rows(given[here], memory[here], action[here], kept[here], fits[here], sound[here])


class Tile(ABC):
    """One policy on `ROWS` rows."""

    policy: Policy
    """What it runs."""
    num_inputs: int
    """Length of what a row is given: observation and belief side by side."""
    num_told: int
    """How many of them are the belief, at the end."""
    num_memory: int
    """Length of a row's memory; 0 for a policy that has none."""
    num_actions: int
    """Length of an action."""
    low: Floats
    """Smallest inputs that are taken for true, (num_inputs,)."""
    high: Floats
    """Largest ones, (num_inputs,)."""

    @abstractmethod
    def _run(self, rows: _Rows, following: _Rows) -> None:
        """Write actions and memory of a whole tile; clear `fits` and `sound` as `act` does; more rows may follow."""

    @abstractmethod
    def _own(self, given: Floats, memory: Floats) -> Floats:
        """Actions by the policy's own `act`."""

    def act(
        self,
        given: Floats,
        memory: Floats,
        *,
        action: Floats | None = None,
        kept: Floats | None = None,
        fits: Flags | None = None,
        sound: Flags | None = None,
    ) -> tuple[Floats, Floats]:
        """Actions in [-1, 1] and new memory of any number of rows.

        Args:
            given: (n, num_inputs).
            memory: (n, num_memory).
            action: Where to write actions; else a new array.
            kept: Where to write memory; else a new array.
            fits: Is cleared where a row is not finite or out of range, (n,); such a row gets no real action.
            sound: Is cleared where an action or a memory is not finite, (n,).

        Returns:
            (n, num_actions) and (n, num_memory).
        """
        n = len(given)
        rows = _Rows(
            np.ascontiguousarray(given), np.ascontiguousarray(memory),
            np.empty((n, self.num_actions), dtype=np.float32) if action is None else action,
            np.empty((n, self.num_memory), dtype=np.float32) if kept is None else kept,
            np.ones(n, dtype=np.bool_) if fits is None else fits,
            np.ones(n, dtype=np.bool_) if sound is None else sound,
        )  # fmt: skip
        with torch.inference_mode():
            if 0 < n < ROWS:
                self._run_part(rows)
            for first in range(0, n if n >= ROWS else 0, ROWS):
                # The last tile begins early enough to be full: some rows are run twice, to equal bits, and none padded.
                self._run(rows.part(min(first, n - ROWS)), rows.part(first + ROWS))
        return rows.action, rows.kept

    def _run_part(self, rows: _Rows) -> None:
        """A tile that is not full: padded with zeros."""
        n = len(rows.given)
        whole = _Rows(_padded(rows.given), _padded(rows.memory), _padded(rows.action), _padded(rows.kept),
                      _padded(rows.fits), _padded(rows.sound))  # fmt: skip
        self._run(whole, whole.part(ROWS))
        for part, array in zip(rows[2:], whole[2:], strict=True):
            part[:] = array[:n]

    def check(self, *, where: str) -> None:
        """Refuse a policy whose bits depend on a row's place or neighbours on this machine, or that is not itself here.

        Args:
            where: Begins the text of the error.

        Raises:
            FileError: with what was found.
        """
        rng = np.random.Generator(np.random.Philox(1))
        middle, half = 0.5 * (self.low + self.high), 0.1 * (self.high - self.low)
        given = (middle + half * rng.uniform(-1, 1, (ROWS, self.num_inputs))).astype(np.float32)
        memory = rng.uniform(-1, 1, (ROWS, self.num_memory)).astype(np.float32)
        action, kept = self.act(given, memory)
        if not np.isfinite(action).all():
            raise FileError(f"{where}: actions that are not finite for inputs as in training. Train it again.")
        difference = float(np.abs(action - self._own(given, memory)).max())
        if not difference <= CLOSE_ENOUGH:
            raise FileError(f"{where}: a tile's actions differ from the policy's own by {difference:.2g}: expected at "
                            f"most {CLOSE_ENOUGH:g}. Its weights are too large for float32.")  # fmt: skip
        for shift in range(1, ROWS):
            a, m = self.act(np.roll(given, shift, axis=0), np.roll(memory, shift, axis=0))
            if (np.roll(a, -shift, axis=0) != action).any() or (np.roll(m, -shift, axis=0) != kept).any():
                raise FileError(f"{where}: on this machine a row's bits depend on its place in the tile. Install the "
                                "torch of constraints.txt.")  # fmt: skip


def _padded(rows: NDArray[Any]) -> NDArray[Any]:
    whole = np.zeros((ROWS, *rows.shape[1:]), dtype=rows.dtype)
    whole[: len(rows)] = rows
    return whole


class MemoryTile(Tile):
    """A `GruPolicy` on a tile.

    What is given meets the weights of the memory and those of the head's first layer in one product, and all biases but
    one are in it too, as the weights of a last input that is always 1.
    """

    def __init__(self, policy: GruPolicy) -> None:
        """Lay out weights and buffers."""
        self.policy = self._whole = policy
        self.num_inputs, self.num_memory, self.num_actions = policy.num_inputs, policy.num_memory, policy.num_actions
        w = policy.weights
        mean, std = w["input.mean"].numpy(), w["input.std"].numpy()
        # A switch that never closed in the first steps of a training has hardly any spread, and closes later.
        reach = np.maximum(LARGEST_INPUT * std, np.float32(WIDEST))
        self.low, self.high = mean - reach, mean + reach
        self.num_told = NUM_SUMMARY
        num_seen, n = self.num_inputs - NUM_SUMMARY, self.num_memory
        self._mean, self._inverse, self._reach = mean, np.float32(1.0) / std, reach / std
        self._scale = np.float32(MAGNIFIED) / std[:num_seen]
        self._scratch = np.zeros(ROWS * num_seen, dtype=np.float32)
        first, own = w["0.weight"], w["memory.bias_hh"]
        biases = w["memory.bias_ih"] + torch.cat([own[: 2 * n], torch.zeros(n)])
        self._bias = own[2 * n :].numpy()
        by_input = torch.cat([w["memory.weight_ih"], first[:, : self.num_inputs]])
        # Turned, not copied: with the weights the other way round, narrow products depend on a row's place.
        self._weights = (
            torch.cat([by_input, torch.cat([biases, w["0.bias"]])[:, None]], dim=1).t(), w["memory.weight_hh"].t(),
            torch.cat([first[:, self.num_inputs + num_seen :], first[:, self.num_inputs : -n]], dim=1).t(),
        )  # fmt: skip
        self._inputs = torch.ones(ROWS, self.num_inputs + 1)
        self._before = torch.zeros(ROWS, n)
        # What the head sees besides: the new memory and the magnified observation.
        self._besides = torch.zeros(ROWS, n + num_seen)
        self._products = tuple(torch.zeros(ROWS, weights.shape[1]) for weights in self._weights)
        self._head = _Head(policy, first=1)
        self._views = [t.numpy() for t in (self._inputs, self._before, self._besides, *self._products)]

    def _run(self, rows: _Rows, following: _Rows) -> None:
        given, memory, action, kept, fits, sound = rows
        inputs, before, besides, from_input, from_memory, hidden = self._views
        n = self.num_memory
        activations.standardised(given, self._mean, self._inverse, self._reach, _LARGEST, fits, inputs)
        activations.magnified(given, self._scale, self._scratch, besides, n)
        activations.carried(memory, fits, before)  # to one address: how a product is summed may depend on alignment
        torch.mm(self._inputs, self._weights[0], out=self._products[0])
        torch.mm(self._before, self._weights[1], out=self._products[1])
        activations.gates(from_input, from_memory, self._bias, before, kept, besides, sound, following.given,
                          following.memory)  # fmt: skip
        torch.mm(self._besides, self._weights[2], out=self._products[2])
        if self._head.num_layers:
            activations.elu_of_sum(hidden, from_input, 3 * n)
            self._head(self._products[2], action, sound)
        else:
            hidden += from_input[:, 3 * n :]
            activations.bounded(hidden, np.zeros(hidden.shape[1], dtype=np.float32), np.float32(1.0), action, sound)

    def _own(self, given: Floats, memory: Floats) -> Floats:
        seen = given.shape[1] - NUM_SUMMARY
        return self._whole.act(given[:, :seen], given[:, seen:], memory)[0]


class FlightTile(Tile):
    """An `MlpPolicy` on a tile; allocation goes row by row."""

    def __init__(self, policy: MlpPolicy) -> None:
        """Lay out weights and buffers."""
        self.policy = self._whole = policy
        self.num_inputs, self.num_memory, self.num_actions = dock.NUM_OBSERVATION, 0, 6
        self.num_told = dock.NUM_OBSERVATION - dock.NUM_MOTION
        self.high = np.full(self.num_inputs, WIDEST, dtype=np.float32)
        self.low = -self.high
        self._head = _Head(policy)
        self._motion = torch.zeros(ROWS, dock.NUM_MOTION)
        self._wanted = np.zeros((ROWS, self._head.num_outputs), dtype=np.float32)

    def _run(self, rows: _Rows, following: _Rows) -> None:
        given, _, action, _, fits, sound = rows
        activations.inside(given, self.low, self.high, fits)
        given = np.where(fits[:, None], given, np.float32(0.0))  # or allocation might overflow
        self._motion.numpy()[:] = given[:, : dock.NUM_MOTION]
        self._head(self._motion, self._wanted, sound)
        action[:] = allocate(self._whole.allocation, self._wanted, given)
        activations.sound(action, sound)

    def _own(self, given: Floats, memory: Floats) -> Floats:
        return self._whole.act(given)


class _Head:
    """Layers, from the `first` on, with exponential linear units, the last clipped to [-1, 1]."""

    def __init__(self, policy: Policy, *, first: int = 0) -> None:
        w, numbers = policy.weights, range(first, policy.num_layers)
        self.num_layers = len(numbers)
        # Turned, not copied: with the weights the other way round, narrow products depend on a row's place.
        self._layers = [w[f"{k}.weight"].t() for k in numbers]
        self._biases = [w[f"{k}.bias"].numpy() for k in numbers]
        self._outs = [torch.zeros(ROWS, layer.shape[1]) for layer in self._layers]
        self._views = [out.numpy() for out in self._outs]

    @property
    def num_outputs(self) -> int:
        """Columns of what comes out."""
        return int(self._views[-1].shape[1])

    def __call__(self, x: torch.Tensor, wanted: Floats, sound: Flags) -> None:
        for layer, bias, out, view in zip(self._layers, self._biases, self._outs, self._views, strict=True):
            torch.mm(x, layer, out=out)
            if view is self._views[-1]:
                activations.bounded(view, bias, np.float32(1.0), wanted, sound)
            else:
                activations.elu(view, bias)
            x = out


def tile_of(policy: Policy) -> Tile:
    """The tile of a policy of either family; torch gets one thread."""
    set_learner_threads()
    return MemoryTile(policy) if isinstance(policy, GruPolicy) else FlightTile(policy)
