# SPDX-License-Identifier: Apache-2.0
"""Accelerators: fitted, planned and measured."""

from __future__ import annotations

from collections.abc import Callable

from tabled.markdown import number, result, sources, table

from stope.cluster.interconnect import wire_table
from stope.cluster.listing import trainable_systems


def systems() -> str:
    """The machines that come with the package."""
    shipped = list(trainable_systems())
    rows = ([f"`{s.name}`", s.status, number(s.peak.value / 1e12), number(s.memory.value / 1e9), s.unit,
             ", ".join(f"{t.name} {t.bandwidth.value / 1e9:g}" for t in s.tiers), number(s.cores_per_node.value),
             number(s.node_devices.value), s.summary] for s in shipped)  # fmt: skip
    head = ["name", "status", "peak [TFLOP/s]", "memory [GB]", "first tier", "links [GB/s]", "cores a node",
            "devices a node", "what"]  # fmt: skip
    ranges = ((s.name, {k: f"{q.low:.4g} to {q.high:.4g} (SI): {q.source}" for k, q in s.numbers().items()})
              for s in shipped)  # fmt: skip
    return table(head, rows) + sources(ranges)


def cluster_fit() -> str:
    """What leaving rows out says of the step model and its baselines."""
    found = result("cluster-fit")
    rows: list[list[object]] = []
    for how in ("leave one out", "leave one size out", "leave one publication out"):
        for who in ("model", "constant", "amdahl"):
            s = found[how][who]
            rows.append([how, who, *(f"{100 * s[k]:.1f} %" for k in ("mape", "median_ape", "p90_ape",
                                                                     "interval_coverage"))])  # fmt: skip
    return table(["left out", "who", "MAPE", "median", "p90", "in the 80 % interval"], rows)


def cluster_limits(job: str) -> str:
    """Where each system stops for a job."""
    rows: list[list[object]] = []
    for row in result("cluster-limits")[job]:
        name = f"`{row['system']}`" + ("" if row["status"] == "sold" else f" ({row['status']})")
        if "why_not" in row:
            rows.append([name, row["why_not"], "", "", "", ""])
            continue
        stops, to = row["stops"], row["ideal_stops"]
        cells = [
            f"{s['count']} ({s['low']} to {s['high']})" for s in (stops[k] for k in ("efficiency", "time", "cost"))
        ]
        moved = ", ".join(f"{k} to {to[k]['count']}" for k in row["moved"]) or "irrelevant: moves none"
        rows.append([name, *cells, stops["time"]["binding"], f"{moved}; {row['faster']:.3f} times faster"])
    return table(["system", "efficiency under 50 %", "doubling under 1.25 times", "twice the least cost", "binds",
                  "a perfect fabric"], rows)  # fmt: skip


def wires() -> str:
    """Resistivity of thin films."""
    rows = ([number(r["thickness_nm"]), number(r["copper_surface"]), number(r["copper"]), number(r["nbp"] or 0.0),
             number(r["ratio"] or 0.0)] for r in wire_table()["rows"])  # fmt: skip
    return table(["thickness [nm]", "Cu, surfaces", "Cu, surfaces and grains", "NbP, published", "NbP over Cu"], rows)


def scaling() -> str:
    """A job at several counts of workers, beside its forecast."""
    rows: list[list[object]] = []
    noise: list[str] = []
    for name in ("evaluate", "train", "ray"):
        found = result(f"scaling-{name}")
        who = f"{found['job']}, {found['by']}"
        noise.append(f"{who}: {100 * found['noise']['probe']:.0f} and {100 * found['noise']['job']:.0f} %")
        for r in found["rows"]:
            n = r["workers"]
            said = ["", ""] if n == 1 else [f"{r['cores_allow']:.2f}", f"{100 * r['forecast_error']:+.1f} %"]
            rows.append([who, n, found["repeats"], f"{r['seconds']:.3g}", f"{100 * r['spread']:.0f} %",
                         f"{r['throughput']:,.0f}", f"{r['speedup']:.2f}", *said])  # fmt: skip
    starts = {r: result(f"scaling-{r}")["start_s"] for r in ("evaluate", "ray")}
    scale = result("scaling-train")["noise_scale"]
    value, low, high = ("infinity" if scale[k] is None else f"{scale[k]:,.0f}" for k in ("value", "low", "high"))
    head = ["job", "workers", "repeats", "seconds", "spread", "a second", "times one", "cores allow", "forecast off by"]
    return table(head, rows) + (
        "\n\nMedians; spread is the interquartile range; `evaluate` counts episodes, `train` samples. The one that "
        "`train` is compared with was measured in the same minutes. The machine's noise, as spreads of the kernel "
        f"alone and of the job at one worker: {'; '.join(noise)}. A process starts in {starts['evaluate']:.1f} s and a "
        f"worker of Ray's in {starts['ray']:.1f} s, so that two equal cores do 1.8 times the work of one from jobs of "
        f"{9 * starts['evaluate']:.0f} and of {9 * starts['ray']:.0f} s on. Gradient noise scale after "
        f"ten iterations: {value} samples ({low} to {high}, 80 %).")  # fmt: skip


TABLES: dict[str, Callable[[], str]] = {
    "scaling": scaling,
    "systems": systems,
    "cluster-fit": cluster_fit,
    "wires": wires,
    "limit-dock": lambda: cluster_limits("stope-dock"),
    "limit-contact": lambda: cluster_limits("stope-contact"),
    "limit-ppo": lambda: cluster_limits("ppo-on-device"),
    "limit-405b": lambda: cluster_limits("dense-405b"),
}
