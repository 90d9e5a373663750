# SPDX-License-Identifier: Apache-2.0
"""Choosing a device."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from stope.base.device import HOST, let_waiting_threads_sleep, pick_device, set_learner_threads
from stope.base.errors import ConfigError, MissingExtra


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
