# SPDX-License-Identifier: Apache-2.0
"""Lists of what comes with the package, for tables and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stope.base.errors import ConfigError
from stope.cluster.job import job_names, load_job
from stope.cluster.system import System, load_system, system_names

__all__ = ["job_rows", "system_rows", "trainable_systems"]


def trainable_systems() -> Iterator[System]:
    """Systems that can train."""
    for name in system_names():
        try:
            yield load_system(name)
        except ConfigError:
            continue


def system_rows() -> list[dict[str, Any]]:
    """One row a system; one that cannot train has its reason as summary."""
    rows: list[dict[str, Any]] = []
    for name in system_names():
        try:
            s = load_system(name)
        except ConfigError as error:
            rows.append({"name": name, "status": "not applicable", "summary": str(error)})
            continue
        rows.append({
            "name": s.name, "status": s.status, "summary": s.summary, "peak_tflops": s.peak.value / 1e12,
            "memory_gb": s.memory.value / 1e9, "unit": s.unit, "cores_per_node": s.cores_per_node.value,
            "node_devices": s.node_devices.value, "software": s.software,
            "sources": {key: q.source for key, q in s.numbers().items()},
        })  # fmt: skip
    return rows


def job_rows() -> list[dict[str, Any]]:
    """One row a job."""
    return [{"name": job.name, "summary": job.summary,
             "sources": {key: q.source for key, q in job.quantities.items()}}
            for job in map(load_job, job_names())]  # fmt: skip
