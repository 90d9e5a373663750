# SPDX-License-Identifier: Apache-2.0
"""NOT RUN YET: opens a written LeRobotDataset with lerobot itself and compares every value.

It needs Python 3.12 and `pip install 'lerobot[dataset]'` in an environment of its own, beside stope[logs]; this project
is tested on Python 3.11, where lerobot does not install. The tests make the same comparison with `datasets`.

    python benchmarks/lerobot_check.py flights/0007
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from stope.flight.formats import export_log, read_log


def main() -> None:
    """Write a log as a dataset, load it with lerobot, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    log = read_log(parser.parse_args().log)
    lerobot: Any = importlib.import_module("lerobot.datasets.lerobot_dataset")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "set"
        export_log(log, root, "lerobot-v3")
        dataset = lerobot.LeRobotDataset("local/stope", root=root)
        for name, channel in log.channels.items():
            key = ("action." if channel.kind == "command" else "observation.") + name.replace("/", ".")
            rows = [dataset[k] for k in range(len(dataset))]
            values = np.array([np.atleast_1d(np.asarray(r[key])) for r in rows if bool(r[f"{key}.valid"])])
            assert np.array_equal(values, channel.values, equal_nan=True), name
            assert isinstance(rows[0]["task"], str), "tasks.parquet lost its index"
    print(f"{len(log.channels)} channels: every value is equal")  # noqa: T201 -- a script's answer


if __name__ == "__main__":
    main()
