# SPDX-License-Identifier: Apache-2.0
"""The only module that names an accelerator."""

from __future__ import annotations

import os

from stope.base.errors import ConfigError, MissingExtra

__all__ = [
    "HOST",
    "collectives_of",
    "let_waiting_threads_sleep",
    "pick_device",
    "set_kernel_threads",
    "set_learner_threads",
]

HOST = "cpu"
"""Where the physics runs, and the learner too unless told otherwise."""
_ACCELERATORS = {"cuda": "nccl", "npu": "hccl"}
"""Each with the library that sums over several of them."""
_HOST_COLLECTIVES = "gloo"


def pick_device(name: str = "auto") -> str:
    """Device for torch: "auto" takes the first accelerator that is there, else the host.

    Raises:
        ConfigError: for a name we do not know.
        MissingExtra: when the device asked for is not there.
    """
    import torch  # noqa: PLC0415 -- one second of import

    def is_there(kind: str) -> bool:
        module = getattr(torch, kind, None)
        return module is not None and bool(module.is_available())

    if name == "auto":
        return next((kind for kind in _ACCELERATORS if is_there(kind)), HOST)
    if name not in (HOST, *_ACCELERATORS):
        raise ConfigError(f"device {name!r}: expected auto, {HOST}, {' or '.join(_ACCELERATORS)}.")
    if name != HOST and not is_there(name):
        raise MissingExtra(f"device {name!r} is not on this machine. Use {HOST!r}, or install its torch build.")
    return name


def collectives_of(device: str) -> str:
    """What `torch.distributed` is to be started with for a device; the host's own always comes along.

    Raises:
        ConfigError: for a device we do not know.
    """
    if device == HOST:
        return _HOST_COLLECTIVES
    if device not in _ACCELERATORS:
        raise ConfigError(f"device {device!r}: expected {HOST}, {' or '.join(_ACCELERATORS)}.")
    # By device and not by one name: left to itself, torch takes the host's for an accelerator that it does not know.
    return f"{HOST}:{_HOST_COLLECTIVES},{device}:{_ACCELERATORS[device]}"


def let_waiting_threads_sleep() -> None:
    """Let a kernel's threads spin for microseconds, not milliseconds, before they sleep; call before any kernel runs.

    A control step is shorter than the wait libgomp spins through by default, so that on cores shared with another
    process the spinning takes the time of the thread that is waited for: 256 worlds of dock stepped 4 times slower. A
    thousand turns is what libgomp itself takes where threads outnumber cores; alone on the machine it costs 2 %. What
    the user has set stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def set_kernel_threads(num_threads: int) -> None:
    """Let kernels use so many threads, or as many as the machine has; results do not depend on it."""
    import numba  # noqa: PLC0415 -- loaded by whoever needs kernels

    numba.set_num_threads(min(num_threads, numba.config.NUMBA_NUM_THREADS))


def set_learner_threads() -> None:
    """Give torch one thread: sums then have one order, and bits do not depend on the machine's cores."""
    import torch  # noqa: PLC0415 -- one second of import

    torch.set_num_threads(1)
