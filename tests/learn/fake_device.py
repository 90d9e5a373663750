# SPDX-License-Identifier: Apache-2.0
"""A program for a process of its own: an accelerator that is none, registered with torch under an accelerator's name.

Its tensors are torch's fake ones: they have a device, a shape and a type and no numbers, and refuse to meet tensors of
another device, so that a learner which puts anything on the host without being told does not get through an update.
"""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from rsl_rl.algorithms import PPO
from tensordict import TensorDict
from torch._C._distributed_c10d import FakeProcessGroup
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

from stope.base.device import HOST, collectives_of, pick_device
from stope.learn.rsl import CentredModel

NAME, LIBRARY = "npu", "hccl"


class Accelerator(_DummyBackendModule):
    """The module that torch looks for under the device's name."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        """For autocast, which PPO enters and leaves off."""
        return [torch.bfloat16]


def update(device: str) -> set[str]:
    """Devices of weights and gradients after a rollout and an update of PPO."""
    worlds, steps, seen = 8, 4, TensorDict({"policy": torch.randn(8, 5, device=device)}, batch_size=[8])
    network = {"class_name": "MLPModel", "hidden_dims": [8], "activation": "elu"}
    settings = {
        "num_steps_per_env": steps, "multi_gpu": None, "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
        # A fake tensor cannot be asked whether it is large, so that the learning rate stays.
        "algorithm": {"class_name": "PPO", "num_learning_epochs": 1, "num_mini_batches": 2, "schedule": "fixed"},
        "actor": {**network, "class_name": CentredModel,
                  "distribution_cfg": {"class_name": "GaussianDistribution", "init_std": 1.0}},
        "critic": network,
    }  # fmt: skip
    env: Any = SimpleNamespace(num_envs=worlds, num_actions=3)
    # Fake parameters cannot be moved, so that they are born there; what follows must find the device by itself.
    stays = mock.patch.object(torch.nn.Module, "to", lambda self, *_: self)
    with contextlib.redirect_stdout(io.StringIO()), stays, torch.device(device):
        ppo = PPO.construct_algorithm(seen, env, settings, device)
    with torch.inference_mode():
        for _ in range(steps):
            ppo.act(seen)
            ones = torch.ones(worlds, device=device)
            ppo.process_env_step(seen, ones, ones > 2.0, {"time_outs": ones})
        ppo.compute_returns(seen)
    ppo.update()
    weights = [*ppo.actor.parameters(), *ppo.critic.parameters()]
    return {w.device.type for w in weights} | {w.grad.device.type for w in weights if w.grad is not None}


def main() -> None:
    """Say what was found, a line each."""
    warnings.simplefilter("ignore")
    _setup_privateuseone_for_python_backend(NAME, backend_module=Accelerator())
    sys.stdout.write(f"picked {pick_device('auto')} {pick_device(NAME)} {pick_device(HOST)}\n")
    with FakeTensorMode(shape_env=ShapeEnv()):
        sys.stdout.write(f"learner {' '.join(sorted(update(NAME)))}\n")
        try:
            torch.add(torch.ones(2, device=NAME), torch.ones(2, device=HOST))
        except RuntimeError as error:
            sys.stdout.write(f"mixed {str(error).splitlines()[0]}\n")
    dist.Backend.register_backend(
        LIBRARY, lambda store, rank, size, timeout: FakeProcessGroup._create_internal(rank, size), devices=[NAME]
    )
    dist.init_process_group(collectives_of(NAME), init_method=Path(sys.argv[1]).as_uri(), rank=0, world_size=1)
    whole: Any = dist.group.WORLD
    kinds = {device: type(whole._get_backend(torch.device(device))).__name__ for device in (HOST, NAME)}
    dist.destroy_process_group()
    sys.stdout.write(f"collectives {kinds[HOST]} {kinds[NAME]}\n")


if __name__ == "__main__":
    main()
