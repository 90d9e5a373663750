# SPDX-License-Identifier: Apache-2.0
"""Workers: the answers do not depend on who works, or on who dies at it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stope.base.errors import ConfigError, UnitFailed, WorkerLost
from stope.base.seeding import generator
from stope.base.workers import Here, Processes, Unit, make_workers
from tests.base.ray_units import raises_picky


def drawn(seed: int) -> np.ndarray:
    return generator(seed, "unit").standard_normal(1000)


def dies_once(seed: int, mark: Path) -> np.ndarray:
    """Kills its own process at the first try."""
    if not mark.exists():
        mark.write_text("was here")
        os.kill(os.getpid(), signal.SIGKILL)
    return drawn(seed)


def dies(seed: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refuses(seed: int) -> None:
    raise ConfigError(f"unit {seed}: expected another.")


def raises_what_holds_a_function(seed: int) -> None:
    raise ValueError("bad", lambda: seed)


def answers_with_a_function(seed: int) -> Any:
    return lambda: seed


class Unreadable:
    """Pickles, and raises where it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Be read by a call that raises."""
        return refuses, (7,)


def slow(seed: int) -> int:
    time.sleep(0.5)
    return seed


def units(num: int = 6) -> list[Unit]:
    return [Unit(drawn, (k,), f"unit {k}") for k in range(num)]


def equal(one: list[Any], two: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_answers_come_in_order_and_do_not_depend_on_who_works() -> None:
    told: list[float] = []
    here = Here().do(units(), progress=lambda stage, share: told.append(share))
    assert told[-1] == 1.0
    assert told == sorted(told)
    assert equal(here, Processes(2).do(units()))
    assert equal(here, [drawn(k) for k in range(6)])


@pytest.mark.parametrize("crew", [Here(), Processes(2)])
def test_answers_are_kept_as_they_come_and_the_one_that_fails_loses_no_other(crew: Here | Processes) -> None:
    kept: dict[int, Any] = {}
    out = crew.do(units(), keep=lambda at, answer: kept.update({at: answer}))
    assert equal(out, [kept[k] for k in range(6)])
    kept.clear()
    with pytest.raises(ConfigError):
        crew.do([*units(2), Unit(refuses, (2,), "unit 2")], keep=lambda at, answer: kept.update({at: answer}))
    # Who took unit 2 had done another before; which of the two, and whether both, is chance.
    assert kept
    assert set(kept) <= {0, 1}
    assert all(np.array_equal(answer, drawn(k)) for k, answer in kept.items())


def test_a_killed_worker_costs_its_unit_and_nothing_else(tmp_path: Path) -> None:
    some = units()
    some[2] = Unit(dies_once, (2, tmp_path / "mark"), "unit 2")
    assert equal(Processes(2).do(some), Here().do(units()))
    assert (tmp_path / "mark").exists()


def test_a_unit_that_kills_every_worker_is_given_up() -> None:
    with pytest.raises(WorkerLost, match=r"unit 1: 3 workers died of it\."):
        Processes(2).do([*units(1), Unit(dies, (1,), "unit 1")])


def test_what_a_unit_raises_is_raised_where_it_was_given_out() -> None:
    with pytest.raises(ConfigError, match="unit 3: expected another"):
        Processes(2).do([Unit(refuses, (3,), "unit 3")])


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        (Unit(raises_picky, (5,), "unit 5"), r"^unit 5: Picky: code 5, in two lines$"),
        (Unit(raises_what_holds_a_function, (5,), "unit 5"), r"^unit 5: ValueError: \('bad', <function "),
        (Unit(answers_with_a_function, (5,), "unit 5"), r"^unit 5: its answer cannot travel: \w+: .*lambda"),
        (Unit(drawn, (Unreadable(),), "unit 5"), r"cannot be read by a worker: ConfigError: unit 7: expected another"),
    ],
)
def test_what_cannot_be_pickled_is_told_in_one_line_and_no_worker_is_lost(unit: Unit, text: str) -> None:
    with pytest.raises(UnitFailed, match=text) as caught:
        Processes(1).do([unit])
    assert caught.value.exit_code == 70 and "\n" not in str(caught.value)


def test_two_work_at_the_same_time() -> None:
    crew = Processes(2)
    start = time.perf_counter()
    assert crew.do([Unit(slow, (k,), "slow") for k in range(6)]) == list(range(6))
    # Three half seconds each instead of six, and the start of two processes.
    assert time.perf_counter() - start < 3.0 + 6.0


@pytest.mark.parametrize(("text", "kind"), [("1", Here), ("3", Processes)])
def test_workers_of_a_command_line(text: str, kind: type) -> None:
    assert isinstance(make_workers(text), kind)


@pytest.mark.parametrize("text", ["0", "-1", "many", "ray://", "ray://local?cores=2", "ray://local?num=two"])
def test_workers_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected"):
        make_workers(text)


RAY_TEST = """
import sys
from pathlib import Path
import numpy as np
from ray.cluster_utils import Cluster
from stope.base.ray_workers import RayWorkers
from stope.base.workers import Here, Unit
from tests.base.ray_units import drawn, waits_for_a_death

mark = Path(sys.argv[1])
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
node = cluster.add_node(num_cpus=1)
crew = RayWorkers(cluster.address)
assert crew.num == 2, crew.num


class Killing:
    # Told of progress in the driver: after the first answers, the second node dies with what it is at.
    done = 0

    def __call__(self, stage, share):
        self.done += 1
        if self.done == 3:
            cluster.remove_node(node, allow_graceful=False)
            mark.write_text("dead")


units = [Unit(waits_for_a_death, (k, mark), f"unit {k}") for k in range(12)]
answers = crew.do(units, progress=Killing())
assert mark.exists()
expected = Here().do([Unit(drawn, (k,), f"unit {k}") for k in range(12)])
assert all(np.array_equal(a, b) for a, b in zip(answers, expected, strict=True))
print("equal")
"""


RAY_PICKLE_TEST = """
from stope.base.errors import UnitFailed
from stope.base.ray_workers import RayWorkers
from stope.base.workers import Unit
from tests.base.ray_units import answers_with_a_lock, raises_picky

crew = RayWorkers.of("ray://local?num=1")
for call in (raises_picky, answers_with_a_lock):
    try:
        crew.do([Unit(call, (5,), "unit 5")])
    except UnitFailed as error:
        print(error)
"""


RAY_CREWS_TEST = """
from stope.base.errors import ConfigError
from stope.base.ray_workers import RayWorkers
from stope.base.workers import Unit
from stope.cluster.scaling import _crews
from tests.base.ray_units import drawn

crews = _crews((1, 2), "local")
for count, crew in crews.items():
    print(count, crew.num, len(crew.do([Unit(drawn, (k,), f"unit {k}") for k in range(3)])))
try:
    RayWorkers("local", 3)
except ConfigError as error:
    print(error)
"""


@pytest.mark.slow
def test_ray_has_a_core_for_every_worker_or_says_so() -> None:
    pytest.importorskip("ray", reason="needs stope[ray]")
    done = ray_process("-c", RAY_CREWS_TEST)
    assert done.returncode == 0, done.stderr[-3000:]
    assert sorted(done.stdout.splitlines()) == [
        "1 1 3", "2 2 3", "ray://local: 3 workers on 2 cores: expected at most one a core."
    ]  # fmt: skip


@pytest.mark.slow
def test_what_cannot_be_pickled_is_told_through_ray_too() -> None:
    pytest.importorskip("ray", reason="needs stope[ray]")
    done = ray_process("-c", RAY_PICKLE_TEST)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = done.stdout.strip().splitlines()
    assert first == "unit 5: Picky: code 5, in two lines"
    assert second.startswith("unit 5: its answer cannot travel: TypeError: ") and "lock" in second


def ray_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *filter(None, sys.path)]),
           "RAY_USAGE_STATS_ENABLED": "0"}  # fmt: skip
    return subprocess.run([sys.executable, *arguments], cwd=root, env=env, capture_output=True, text=True,
                          check=False, timeout=300)  # fmt: skip


@pytest.mark.slow
def test_a_node_that_dies_costs_its_units_and_nothing_else(tmp_path: Path) -> None:
    """Two Ray nodes on this machine, raylets of their own; one is killed while it works."""
    pytest.importorskip("ray", reason="needs stope[ray]")
    done = ray_process("-c", RAY_TEST, str(tmp_path / "mark"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "equal" in done.stdout
