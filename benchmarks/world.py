# SPDX-License-Identifier: Apache-2.0
"""How fast worlds step: the batch against the barest loop, against no forces, against the fused kernel; then dock.

For each scene, in one run and interleaved, with 2 threads each:

- batch: `World.step` on the MuJoCo path, once per control step of 4 physics steps, observations read after each;
- floor: a compiled loop of `mj_step` with the same model, integrator and forces (`ratio`), and a harder one of the same
  stages without what `mj_step` does between (`ratio_over_stages`); both are in `floor.py`;
- without forces: MuJoCo's own batch and fourth-order step, called and read in the same way (a scene with contact keeps
  MuJoCo's uniform gravity, or nothing would touch);
- fused: `World.step` on the fused kernel, where nothing touches.

A step is one fourth-order step: the latency is a whole step, so that none is split (the default, 0.075 s, splits one in
four). Rates are medians over the rounds; `spread` is the distance between quartiles over the median.

    python benchmarks/world.py
    python benchmarks/world.py --json
    python benchmarks/world.py --quick
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from contact_scenes import CONTACT_SCENES, coast_speedup, contestants, halving, num_elements
from floor import LOOPS, Course, Floor
from mujoco.batch import Batch
from numpy.typing import NDArray

from stope.base.seeding import generator
from stope.learn.train import SiteConfig, TrainConfig, Training
from stope.world import native
from stope.world.batch import World
from stope.world.env import DockBatch
from stope.world.physics import NUM_PARAMETERS, index_of
from stope.world.robots import load_robot
from stope.world.scene import SceneConfig
from stope.world.site import Site

Floats = NDArray[np.float64]

NUM_THREADS = 2
ROBOT = "bee-gas"
NUM_OBSERVED = 13
"""What is read after a control step: position, attitude, velocity, rate."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is flown and how often."""

    num_worlds: int = 256
    control_steps: int = 60
    rounds: int = 7
    """Each contestant flies once in a round; one round before them is not counted."""
    dock_steps: int = 200
    iterations: int = 3
    """Of training, in a round."""


@dataclass(frozen=True)
class Place:
    """A scene of the benchmark."""

    site: SiteConfig
    scene: SceneConfig
    text: str


SCENES = {
    "free_flyer": Place(SiteConfig(body="moon", height=0.0), SceneConfig(), "one body, uniform gravity"),
    "free_flyer_ryugu": Place(
        SiteConfig(body="ryugu", latitude_deg=30.0), SceneConfig(), "one body, gravity grid and spin of Ryugu"
    ),
    "contact": Place(
        SiteConfig(body="moon", height=0.0),
        SceneConfig(has_ground=True, num_boulders=3),
        "the robot and three boulders on the ground",
    ),
}


def say(text: str) -> None:
    """Progress for a person, beside the JSON."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def make_world(place: Place, site: Site, engine: Any, num_worlds: int) -> World:
    """Worlds of one plant at their starts: on the ground where there is one, else tumbling about the origin."""
    robot, rng = load_robot(ROBOT), generator(1, "benchmark starts")
    theta = robot.prior.theta(np.zeros((num_worlds, NUM_PARAMETERS)))
    theta[:, index_of("latency")] = place.scene.physics_step
    world = World(robot, site, theta, seed=1, scene=place.scene, engine=engine, num_threads=NUM_THREADS)
    if place.scene.has_ground:
        world.position_l[:, :2] = rng.uniform(-0.2, 0.2, (num_worlds, 2))
        world.position_l[:, 2] = 0.5 * robot.side
    else:
        world.position_l[:] = rng.uniform(-1.0, 1.0, (num_worlds, 3))
        q = rng.standard_normal((num_worlds, 4))
        world.q_lb[:] = q / np.linalg.norm(q, axis=1, keepdims=True)
        world.velocity_l[:] = 0.01 * rng.standard_normal((num_worlds, 3))
        world.rate_b[:] = 0.05 * rng.standard_normal((num_worlds, 3))
    world.push_state()
    return world


def stepper(world: World, course: Course) -> Callable[[], float]:
    """Fly the course with `World.step`, from the same start each time; returns steps/s."""
    start, observed = world.snapshot(), np.empty((world.num_worlds, NUM_OBSERVED))

    def fly() -> float:
        world.restore(start)
        begin = time.perf_counter()
        for action in course.actions:
            world.step(action)
            observed[:] = world.state[:, :NUM_OBSERVED]
        return course.num_physics_steps / (time.perf_counter() - begin)

    return fly


def without_forces(world: World, site: Site, course: Course) -> Callable[[], float]:
    """Fly the course with MuJoCo's batch and none of our forces; returns steps/s."""
    assert world._mujoco is not None
    model = copy.copy(world._mujoco.model)
    if world.scene.has_ground:
        model.opt.gravity[:] = site.gravity_l
    batch = Batch(model, len(course.state), NUM_THREADS)
    qpos, qvel = batch.bind("qpos"), batch.bind("qvel")
    observed, start = np.empty((len(course.state), NUM_OBSERVED)), batch.state.copy()

    def fly() -> float:
        batch.state[:] = start
        qpos[:], qvel[:] = course.qpos, course.qvel
        begin = time.perf_counter()
        for _ in range(len(course.actions)):
            batch.step(nstep=course.num_steps)
            observed[:, :7], observed[:, 7:] = qpos[:, :7], qvel[:, :6]
        return course.num_physics_steps / (time.perf_counter() - begin)

    return fly


def contacts(world: World) -> float:
    """Mean number of contacts of the worlds as they stand."""
    assert world._mujoco is not None
    model = world._mujoco.model
    data = mujoco.MjData(model)
    count = 0
    for qpos in world._mujoco.qpos:
        data.qpos[:] = qpos
        mujoco.mj_fwdPosition(model, data)
        count += data.ncon
    return count / world.num_worlds


def interleaved(contestants: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Rates of all contestants, each once a round, in an order that turns; the first round does not count.

    MuJoCo's clock stands still for all of them, as it does in stope's steps: no contestant is slowed by being timed.
    """
    names, rates = list(contestants), {name: [] for name in contestants}
    for k in range(rounds + 1):
        turn = k % len(names)
        for name in names[turn:] + names[:turn]:
            with native.untimed():
                rate = contestants[name]()
            if k > 0:
                rates[name].append(rate)
    return rates


def spread(rates: list[float]) -> float:
    """Distance between quartiles over the median."""
    low, high = np.percentile(rates, (25, 75))
    return float((high - low) / np.median(rates))


def measure_scene(name: str, size: Size) -> dict[str, Any]:
    """All contestants on one scene."""
    place = SCENES[name]
    site = place.site.site()
    world = make_world(place, site, "mujoco", size.num_worlds)
    actions = generator(1, "benchmark actions").uniform(-1.0, 1.0, (size.control_steps, size.num_worlds, 6))
    course = Course.of(world, actions)
    assert world._mujoco is not None
    floor = Floor(world._mujoco, course, num_threads=NUM_THREADS)
    contestants: dict[str, Callable[[], float]] = {
        "batch": stepper(world, course),
        **{loop: lambda loop=loop: course.num_physics_steps / floor.fly(loop)[0] for loop in LOOPS},
        "without_forces": without_forces(world, site, course),
    }
    if not place.scene.has_ground:
        contestants["fused"] = stepper(make_world(place, site, "fused", size.num_worlds), course)
    contestants["batch"]()
    ends, touching = world._mujoco.qpos.copy(), contacts(world)
    off = {loop: float(np.abs(floor.fly(loop)[1] - ends).max()) for loop in LOOPS}
    rates = interleaved(contestants, size.rounds)
    median = {k: statistics.median(v) for k, v in rates.items()}
    paired = np.percentile(np.array(rates["batch"]) / np.array(rates["mj_step"]), (25, 75))
    out: dict[str, Any] = {
        "raw_steps_per_s": median["mj_step"], "steps_per_s": median["batch"],
        "ratio": median["batch"] / median["mj_step"], "ratio_quartiles": [float(q) for q in paired],
        "ratio_over_stages": median["batch"] / median["stages"],
        "force_ratio": median["batch"] / median["without_forces"],
        "rates": median, "spread": {k: spread(v) for k, v in rates.items()},
        "end_of_floor_minus_batch": off, "contacts_per_world": touching, "about": place.text,
    }  # fmt: skip
    if "fused" in median:
        out["fused_vs_mujoco"] = median["fused"] / median["batch"]
    return out


def measure_contact(name: str, size: Size) -> dict[str, Any]:
    """A scene with ground: soil, without it, and MuJoCo's height field."""
    periods = max(2, size.control_steps // 3)
    flights = contestants(name, num_worlds=size.num_worlds, num_threads=NUM_THREADS, num_periods=periods)
    rates = interleaved(flights, size.rounds)
    median = {k: statistics.median(v) for k, v in rates.items()}
    out: dict[str, Any] = {
        "raw_steps_per_s": median["bare"], "steps_per_s": median["batch"], "ratio": median["batch"] / median["bare"],
        "force_ratio": median["batch"] / median["bare"], "rates": median,
        "spread": {k: spread(v) for k, v in rates.items()}, "about": CONTACT_SCENES[name].text,
    }  # fmt: skip
    if "hfield" in median:
        num = num_elements(name)
        paired = [NUM_THREADS * 1e9 * (1.0 / a - 1.0 / b) / num
                  for a, b in zip(rates["batch"], rates["bare"], strict=True)]  # fmt: skip
        out |= {"num_elements": num, "ns_per_element": statistics.median(paired),
                "over_hfield": median["batch"] / median["hfield"], "halving": halving(name)}  # fmt: skip
    return out


def measure_dock(size: Size) -> dict[str, Any]:
    """Environment steps of `dock` per second: alone, with a policy, with training; and alone on the MuJoCo path."""
    config = TrainConfig(num_worlds=size.num_worlds, evaluate_every=10**6, num_iterations=10**6)
    robot, site = load_robot(config.robot), config.site.site()
    run = Training(config, num_threads=NUM_THREADS)
    policy = run.actor()
    random = generator(1, "benchmark actions").uniform(-1.0, 1.0, (size.dock_steps, size.num_worlds, 6))
    ages = generator(1, "benchmark ages")

    def started(engine: Any) -> DockBatch:
        batch = DockBatch(robot, site, num_worlds=size.num_worlds, seed=1, engine=engine, task=config.task,
                          num_threads=NUM_THREADS)  # fmt: skip
        batch.reset()
        # Random ages, so that resets come at all times, as in training.
        batch.record[:, 0] = ages.integers(0, batch.max_episode_steps, size.num_worlds)
        return batch

    batches = {engine: started(engine) for engine in ("fused", "mujoco")}

    def step(batch: DockBatch, num: int) -> float:
        begin = time.perf_counter()
        for action in random[:num]:
            batch.step(action)
        return num * size.num_worlds / (time.perf_counter() - begin)

    def act(batch: DockBatch, num: int) -> float:
        begin = time.perf_counter()
        for _ in range(num):
            batch.step(policy.act(batch.observation))
        return num * size.num_worlds / (time.perf_counter() - begin)

    def learn() -> float:
        begin, before = time.perf_counter(), run.num_steps
        for _ in range(size.iterations):
            run.advance()
        return (run.num_steps - before) / (time.perf_counter() - begin)

    contestants = {
        "step": lambda: step(batches["fused"], size.dock_steps),
        "with_policy": lambda: act(batches["fused"], size.dock_steps),
        "with_training": learn,
        "step_mujoco": lambda: step(batches["mujoco"], max(1, size.dock_steps // 10)),
    }
    rates = interleaved(contestants, size.rounds)
    return {**{k: statistics.median(v) for k, v in rates.items()}, "spread": {k: spread(v) for k, v in rates.items()}}


def machine() -> dict[str, Any]:
    """What it ran on and with."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    packages = ("stope", "mujoco", "numba", "numpy", "torch", "rsl-rl-lib")
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": NUM_THREADS,
        "memory_gib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        "load_at_start": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.release()}",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }


def busy() -> tuple[float, float]:
    """Core seconds that this machine, and this process in it, have been busy so far."""
    ticks = [int(t) for t in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK"), time.process_time()


def measure(size: Size) -> dict[str, Any]:
    """Everything, in one run."""
    start, (all_before, own_before) = time.perf_counter(), busy()
    result: dict[str, Any] = {"machine": machine(), "size": asdict(size), "scenes": {}}
    for name in SCENES:
        found = result["scenes"][name] = measure_scene(name, size)
        say(f"{name}: {found['steps_per_s']:,.0f} steps/s, {found['ratio']:.2f} of a loop of mj_step")
    for name in CONTACT_SCENES:
        found = result["scenes"][name] = measure_contact(name, size)
        say(f"{name}: {found['steps_per_s']:,.0f} steps/s, {found['ratio']:.2f} of the scene without soil")
    result["coast"] = coast_speedup(1)
    result["coast_speedup"] = min(result["coast"][name]["speedup"] for name in ("flat", "shape"))
    result["fused_vs_mujoco"] = result["scenes"]["free_flyer"]["fused_vs_mujoco"]
    result["env_steps_per_s"] = measure_dock(size)
    result["peak_memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result["seconds"] = time.perf_counter() - start
    all_after, own_after = busy()
    others = (all_after - all_before - own_after + own_before) / result["seconds"]
    result["cores_taken_by_others"] = max(0.0, others)
    return result


def table(result: dict[str, Any]) -> str:
    """The same content for a person."""
    size, on, env = result["size"], result["machine"], result["env_steps_per_s"]
    lines = [
        f"{on['processor']}, {on['cores']} cores ({on['threads']} threads used), {on['memory_gib']:.1f} GiB, "
        f"{on['system']}, load {on['load_at_start']:.1f} at the start",
        ", ".join(f"{name} {number}" for name, number in on["versions"].items()),
        "",
        f"physics steps/s, {size['num_worlds']} worlds, medians of {size['rounds']} (quartile distance over median)",
        f"{'scene':18}{'batch':>16}{'mj_step loop':>16}{'stages loop':>16}{'no forces':>16}{'fused':>16}"
        f"{'ratio':>8}{'force':>8}{'fused x':>9}",
    ]
    for name, row in result["scenes"].items():
        if name in CONTACT_SCENES:
            continue
        cells = ""
        for key in ("batch", *LOOPS, "without_forces", "fused"):
            rate = row["rates"].get(key)
            cell = "-" if rate is None else f"{rate:,.0f} ({row['spread'][key]:.0%})"
            cells += f"{cell:>16}"
        fused = f"{row['fused_vs_mujoco']:9.1f}" if "fused_vs_mujoco" in row else f"{'-':>9}"
        lines.append(f"{name:18}{cells}{row['ratio']:8.2f}{row['force_ratio']:8.2f}{fused}")
    lines += [f"  {name}: {row['about']}, {row['contacts_per_world']:.1f} contacts a world"
              for name, row in result["scenes"].items() if name not in CONTACT_SCENES]  # fmt: skip
    lines += ["", f"{'with ground':18}{'batch':>12}{'bare':>12}{'hfield':>12}{'ratio':>8}{'elements':>10}{'ns each':>9}"
              f"{'halving':>9}"]  # fmt: skip
    for name in CONTACT_SCENES:
        row = result["scenes"][name]
        field, soil = row["rates"].get("hfield"), "num_elements" in row
        lines.append(
            f"{name:18}{row['steps_per_s']:12,.0f}{row['raw_steps_per_s']:12,.0f}"
            f"{'-' if field is None else f'{field:,.0f}':>12}{row['ratio']:8.2f}"
            + (f"{row['num_elements']:10d}{row['ns_per_element']:9.0f}{row['halving']:9.1%}" if soil else "")
        )
    coast = result["coast"]
    flat, shape = coast["flat"]["speedup"], coast["shape"]["speedup"]
    lines.append(f"an hour, coasting over stepping: bouncing at 1e-6 g {flat:,.0f} x, an arc at Ryugu {shape:,.0f} x")
    columns = (("step", "step"), ("with_policy", "with policy"), ("with_training", "with training"))
    lines += ["", f"environment steps/s of dock, {size['num_worlds']} worlds"]
    lines += [f"  {text:16}{env[key]:>12,.0f} ({env['spread'][key]:.0%})" for key, text in columns]
    lines += [
        f"  {'step, MuJoCo':16}{env['step_mujoco']:>12,.0f} ({env['spread']['step_mujoco']:.0%})",
        "",
        f"peak memory {result['peak_memory_mib']:,.0f} MiB; the benchmark took {result['seconds']:.0f} s, while other "
        f"processes took {result['cores_taken_by_others']:.2f} cores (above 0.2: measure again)",
    ]
    return "\n".join(lines)


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--quick", action="store_true", help="a tenth of the flying, three rounds")
    parser.add_argument("--worlds", type=int, default=Size.num_worlds, help="worlds that step together")
    given = parser.parse_args()
    size = Size(num_worlds=given.worlds)
    if given.quick:
        size = Size(num_worlds=given.worlds, control_steps=10, rounds=3, dock_steps=50, iterations=1)
    result = measure(size)
    sys.stdout.write((json.dumps(result, indent=1, allow_nan=False) if given.json else table(result)) + "\n")


if __name__ == "__main__":
    main()
