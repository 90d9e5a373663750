# SPDX-License-Identifier: Apache-2.0
"""Choosing a device."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from stope.base.device import HOST, collectives_of, let_waiting_threads_sleep, pick_device, set_learner_threads
from stope.base.errors import ConfigError, MissingExtra
from stope.learn.rsl import RslEnv
from stope.learn.skills import flight_config
from stope.world.env import DockBatch


def test_an_unknown_device_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^device 'tpu': expected auto, cpu, cuda or npu\.$"):
        pick_device("tpu")


def test_a_device_that_is_not_there_is_named_and_never_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    text = r"^device 'cuda' is not on this machine\. Use 'cpu', or install its torch build\.$"
    with pytest.raises(MissingExtra, match=text) as caught:
        pick_device("cuda")
    assert caught.value.exit_code == 3
    assert pick_device("auto") == HOST == pick_device("cpu")


def test_an_accelerator_that_is_there_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto") == "cuda" == pick_device("cuda")


def test_kernels_are_told_to_let_waiting_threads_sleep_before_their_pool_is_loaded() -> None:
    # libgomp reads its settings once, when it is loaded, with the first parallel kernel.
    code = (
        "import os, stope.world.env, stope.world.site; assert os.environ['GOMP_SPINCOUNT'] == '1000';"
        "assert '/libgomp.so' not in open('/proc/self/maps').read()"
    )
    env = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)


def test_the_users_own_waiting_policy_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    let_waiting_threads_sleep()
    assert os.environ["GOMP_SPINCOUNT"] == "7"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    let_waiting_threads_sleep()
    assert "GOMP_SPINCOUNT" not in os.environ


def test_the_learner_has_one_thread() -> None:
    set_learner_threads()
    assert torch.get_num_threads() == 1


def test_collectives_are_named_by_device_and_the_hosts_come_along() -> None:
    assert collectives_of(HOST) == "gloo"
    assert collectives_of("cuda") == "cpu:gloo,cuda:nccl"
    assert collectives_of("npu") == "cpu:gloo,npu:hccl"
    with pytest.raises(ConfigError, match=r"^device 'tpu': expected cpu, cuda or npu\.$"):
        collectives_of("tpu")


def test_a_fake_accelerator_is_picked_and_holds_all_of_a_learner(tmp_path: Path) -> None:
    """PyTorch's fake device with an accelerator's name: nothing of the learner on the host; no numbers, no speed."""
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *filter(None, sys.path)])}
    done = subprocess.run([sys.executable, "-m", "tests.learn.fake_device", str(tmp_path / "meet")], cwd=root, env=env,
                          capture_output=True, text=True, check=False, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert found["picked"] == "npu npu cpu"
    assert found["learner"] == "npu"
    assert "same device" in found["mixed"], "tensors of two devices do not meet, so that the line above says something"
    assert found["collectives"] == "ProcessGroupGloo FakeProcessGroup"


def test_worlds_stay_on_the_host_and_the_learner_sees_its_device() -> None:
    config = flight_config("dock")
    batch = DockBatch(config.make_robot(), config.site.site(), num_worlds=2, seed=1, pool_size=1)
    env = RslEnv(batch, "meta")  # a device of torch without numbers
    seen, rewards, dones, extras = env.step(torch.zeros(2, 6))
    shown = [seen["policy"], seen["privileged"], rewards, dones, extras["time_outs"]]
    assert {x.device.type for x in shown} == {"meta"}
    assert isinstance(batch.observation, np.ndarray)
