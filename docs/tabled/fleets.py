# SPDX-License-Identifier: Apache-2.0
"""Months of a fleet, its brain, and the page that shows it."""

from __future__ import annotations

from collections.abc import Callable

from tabled.markdown import result, table


def fleet() -> str:
    """A month of a fleet by the engine, a plain heap loop and SimPy."""
    race = result("fleet")["race"]
    rows = [(name, f"{seconds:.3g}", f"{1e6 * seconds / race['events']:.3g}", f"{race['mined_t'][key]:.6g}")
            for name, key, seconds in (("engine", "engine", race["cpu_seconds"]),
                                       ("heap loop", "heap", race["heap_cpu_seconds"]),
                                       ("SimPy", "simpy", race["simpy_cpu_seconds"]))]  # fmt: skip
    head = f"{race['days']:g} days of {race['robots']:,} robots, {race['events']:,} events:\n\n"
    return head + table(("played by", "CPU [s]", "CPU of an event [us]", "ore dug [t]"), rows)


def fleet_growth() -> str:
    """The engine's time by size of the fleet."""
    found = result("fleet")["growth"]
    return table(("robots", "events", "CPU [s]"),
                 ((r["robots"], r["events"], f"{r['cpu_seconds']:.3g}") for r in found["rows"]))  # fmt: skip


def fleet_assignment() -> str:
    """Assignments of robots to tasks at one size, and many months."""
    found, many = result("fleet")["assignment"], result("fleet")["replicates"]
    rows = [["exact", f"{found['exact_cpu_seconds']:.3g}", "0"],
            ["layered", f"{found['layered_cpu_seconds']:.3g}", f"{100 * found['layered_gap']:.1f}"],
            ["nearest first", f"{found['nearest_cpu_seconds']:.3g}", f"{100 * found['nearest_gap']:.1f}"]]  # fmt: skip
    return (
        f"{found['robots']:,} robots assigned to as many tasks:\n\n"
        + table(["assignment", "CPU [s]", "longer than exact [%]"], rows)
        + f"\n\n{many['replicates']} months of {many['days']:g} days with {many['robots']:,} robots took "
        f"{many['seconds']:.0f} s on two threads, {many['cpu_seconds']:.0f} s of CPU."
    )


def brain() -> str:
    """Rows a second in process, and ten thousand robots over the wire."""
    found = result("brain")
    rows = (
        [f"{r['rows']:,}", f"{r['rows_per_s']:,.0f}", f"{r['act_rows_per_s']:,.0f}", f"{r['floor_rows_per_s']:,.0f}",
         r["floor"], f"{r['floor_ratio']:.2f}", "yes" if r["is_equal"] else "no"]
        for r in found["sizes"]
    )  # fmt: skip
    inside = table(["rows", "brain [rows/s]", "`act` [rows/s]", "floor [rows/s]", "which", "brain over floor",
                    "equal bits when cut otherwise"], rows)  # fmt: skip
    wire = (
        f"\n\nOver the wire, {found['robots']:,} robots at 1 Hz for {found['seconds']:.0f} s, at most "
        f"{found['rows_per_frame']} rows a frame, {found['connections']} connections, client and service on the same "
        f"{found['cores']} cores: {found['rows']:,} rows, {found['lost']:,} lost, half within "
        f"{found['p50_ms']:.1f} ms, 99 % within {found['p99_ms']:.0f} ms, {found['differing']} rows with other bits "
        f"than in process; the service took {found['service_peak_mb']:.0f} MB at most. Load of the machine: "
        f"{found['load_at_start']:.1f} at the start, {found['load_at_end']:.1f} at the end."
    )
    return inside + wire


def view_costs() -> str:
    """What a replay costs in the browser; from benchmarks/view.py."""
    found = result("view")
    rows = (
        [f"{r['robots']:,}", r["view"], f"{r['pictures_per_second']:.1f}", f"{r['worst_gap_ms']:.0f}",
         f"{r['page_mb']:.2f}", f"{r['ready_ms'] / 1000:.1f}", f"{r['heap_mb']:.0f}", f"{r['process_mb']:.0f}"]
        for r in found["rows"]
    )  # fmt: skip
    head = ["robots", "view", "pictures a second", "99th percentile between two [ms]", "page [MB]", "ready after [s]",
            "script's heap [MB]", "process [MB]"]  # fmt: skip
    drawn = " and ".join(sorted({r["drawn_by"] for r in found["rows"]}))
    return table(head, rows) + (
        f"\n\nChromium {found['browser']}, {found['cores']} cores, a window of {found['window']} pixels, "
        f"{found['frames']} times of each robot; drawn by `{drawn}`."
    )


TABLES: dict[str, Callable[[], str]] = {
    "view": view_costs,
    "fleet": fleet,
    "fleet-growth": fleet_growth,
    "fleet-assignment": fleet_assignment,
    "brain": brain,
}
