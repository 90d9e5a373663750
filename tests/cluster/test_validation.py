# SPDX-License-Identifier: Apache-2.0
"""The step model against measured steps: accuracy it must have, rows it must take, and tables it must refuse."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cluster as benchmark
from stope.base.errors import FileError
from stope.cluster.fitting import amdahl_time, constant_time, fit_amdahl, fit_constant, half_width, scores
from stope.cluster.measured import START, MeasuredStep, Refused, read_table
from stope.cluster.training_step import TERMS, fitted, shipped_coefficients
from stope.cluster.validation import validate_table

TABLE = Path(__file__).parents[2] / "benchmarks" / "cluster_calibration.csv"
ROW = {
    "parameters_billion": "39.1", "gpus": "512", "global_batch": "1536", "micro_batch": "4", "hidden_size": "8192",
    "attention_heads": "64", "layers": "48", "sequence_length": "2048", "tensor_parallel": "8", "data_parallel": "8",
    "pipeline_parallel": "8", "iteration_ms": "14967.1",
}  # fmt: skip


def table(path: Path, *rows: dict[str, str]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    file = path / "table.csv"
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows(rows)
    return file


def only(path: Path, **changes: str) -> MeasuredStep | Refused:
    rows, _ = read_table(table(path, ROW | changes))
    return rows[0]


def step(path: Path, **changes: str) -> MeasuredStep:
    found = only(path, **changes)
    assert isinstance(found, MeasuredStep), found
    return found


def test_calibration_rows_are_predicted_within_the_target() -> None:
    found = validate_table(TABLE)
    assert found["n"] == 87 and not found["refused"]
    assert found["mape"] < 0.08  # 7.4 % when fitted
    assert 0.7 <= found["interval_coverage"] <= 0.9
    for baseline in found["baselines"].values():
        assert found["mape"] < 0.75 * baseline["mape"]
    for row in found["rows"]:
        assert row["low_ms"] < row["predicted_ms"] < row["high_ms"]
        assert set(row["terms_ms"]) == set(TERMS)
        assert sum(row["terms_ms"].values()) == pytest.approx(row["predicted_ms"])


def test_the_shipped_baselines_are_those_of_the_table() -> None:
    steps = [row for row in read_table(TABLE)[0] if isinstance(row, MeasuredStep)]
    assert fitted()["baselines"]["constant_efficiency"]["efficiency"] == pytest.approx(fit_constant(steps), rel=1e-9)
    assert fitted()["baselines"]["amdahl"]["serial"] == fit_amdahl(steps)[1]


@pytest.mark.parametrize("serial", [1e-5, 1e-4, 1e-3])
def test_the_amdahl_baseline_finds_the_share_of_steps_that_amdahls_law_made(serial: float) -> None:
    steps = [row for row in read_table(TABLE)[0] if isinstance(row, MeasuredStep)]
    made = [replace(s, seconds=amdahl_time(s, 0.4, serial)) for s in steps]
    efficiency, found = fit_amdahl(made)
    assert found == pytest.approx(serial, rel=0.07)  # the grid's neighbours are a factor 1.12 apart
    assert efficiency == pytest.approx(0.4, rel=0.05)
    constant = fit_constant(made)
    wrong = [abs(constant_time(s, constant) / s.seconds - 1.0) for s in made]
    right = [abs(amdahl_time(s, efficiency, found) / s.seconds - 1.0) for s in made]
    assert np.mean(right) < 0.5 * np.mean(wrong)


def test_no_serial_share_helps_where_larger_jobs_are_the_more_efficient_ones() -> None:
    steps = [row for row in read_table(TABLE)[0] if isinstance(row, MeasuredStep)]
    share = [math.log(constant_time(s, 1.0) / s.seconds) for s in steps]
    counts = [math.log(s.layout.devices) for s in steps]
    assert np.corrcoef(counts, share)[0, 1] > 0.0
    assert fit_amdahl(steps) == (fit_constant(steps), 0.0)

    def error(serial: float) -> float:
        logs = np.array([math.log(amdahl_time(s, 1.0, serial) / s.seconds) for s in steps])
        return float(np.mean(np.abs(logs - np.median(logs))))

    errors = [error(serial) for serial in (0.0, 1e-9, 1e-7, 1e-5, 1e-3)]
    assert errors == sorted(errors) and errors[0] < errors[1]  # least at the bound, and rising from there
    # Steps whose efficiency falls with their count are another matter.
    falling = [replace(s, seconds=constant_time(s, 0.5 * s.layout.devices**-0.2)) for s in steps]
    assert fit_amdahl(falling)[1] > 0.0


@pytest.mark.slow
def test_the_fit_repeats_and_leaving_out_holds_the_targets() -> None:
    steps = [row for row in read_table(TABLE)[0] if isinstance(row, MeasuredStep)]
    found, errors = benchmark.validate(steps)
    one, size = found["leave one out"], found["leave one size out"]
    assert one["model"]["mape"] <= 0.12 and size["model"]["mape"] <= 0.15
    assert one["below_constant"] >= 0.25
    assert 0.7 <= one["model"]["interval_coverage"] <= 0.9
    again = benchmark.whole(steps, errors)["coefficients"]
    for name, value in fitted()["coefficients"].items():
        assert again[name] == pytest.approx(value, rel=1e-3)


def test_a_time_a_rate_and_a_utilisation_of_one_step_agree(tmp_path: Path) -> None:
    by_time = step(tmp_path, system="dgx-h100")
    flops = 6 * 39.1e9 * 2048 * 1536  # about: attention comes on top
    rate = flops / (512 * by_time.seconds)
    by_rate = step(tmp_path, system="dgx-h100", iteration_ms="", tflops_per_gpu=f"{rate / 1e12:.6f}")
    by_share = step(tmp_path, system="dgx-h100", iteration_ms="", mfu=f"{100 * rate / 989e12:.6f}%")
    assert by_rate.seconds == pytest.approx(by_share.seconds, rel=1e-5)
    assert by_rate.seconds == pytest.approx(by_time.seconds, rel=0.1)
    assert (by_time.measure, by_rate.measure, by_share.measure) == ("iteration_ms", "tflops_per_gpu", "mfu")
    fraction = step(tmp_path, system="dgx-h100", iteration_ms="", mfu=f"{rate / 989e12:.8f}")
    assert fraction.seconds == pytest.approx(by_share.seconds, rel=1e-5)


def test_accounting_tells_what_was_recomputed(tmp_path: Path) -> None:
    assert step(tmp_path, system="dgx-a100").layout.recompute == "full"
    assert step(tmp_path, system="dgx-a100", iteration_ms="", mfu="0.45").layout.recompute == "selective"
    executed = 8 * 39.1e9 * 1.05 * 2048 * 1536 / (512 * 14.9671) / 1e12
    assert step(tmp_path, system="dgx-a100", tflops_per_gpu=f"{executed}").layout.recompute == "full"
    assert step(tmp_path, system="dgx-a100", tflops_per_gpu=f"{0.75 * executed}").layout.recompute == "selective"
    assert step(tmp_path, system="dgx-a100", recompute="none").layout.recompute == "none"


def test_what_a_row_leaves_open_is_filled_and_said(tmp_path: Path) -> None:
    bare = {"parameters_billion": "175", "gpus": "1024", "mfu": "45", "system": "NVIDIA H100 SXM"}
    found = validate_table(table(tmp_path, bare))
    row = found["rows"][0]
    assert row["system"] == "dgx-h100" and row["gpus"] == 1024
    for name in ("hidden_size", "layers", "global_batch", "tensor", "pipeline", "micro_batch"):
        assert name in row["assumed"]
    filled = validate_table(table(tmp_path, ROW | {"system": "dgx-h100"}))["rows"][0]
    assert row["high_ms"] / row["low_ms"] > filled["high_ms"] / filled["low_ms"]  # and widens the interval


def test_a_machine_without_measured_rows_has_a_wider_interval(tmp_path: Path) -> None:
    rows = validate_table(table(tmp_path, ROW | {"system": "dgx-h100"}, ROW | {"system": "TPU v4"}))["rows"]
    known, other = (row["high_ms"] / row["low_ms"] for row in rows)
    assert other > 1.1 * known


def test_devices_beyond_the_layout_share_sequences(tmp_path: Path) -> None:
    found = step(tmp_path, gpus="2048")
    assert found.layout.context == 4 and "context-parallel" in found.notes[0]


def test_unknown_columns_are_named_and_order_does_not_matter(tmp_path: Path) -> None:
    rows, ignored = read_table(table(tmp_path, dict(reversed((ROW | {"paper": "x"}).items()))))
    assert ignored == ("paper",) and isinstance(rows[0], MeasuredStep)


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"system": "abacus"}, "no system file"), ({"kind": "moe"}, "mixture of experts"), ({"gpus": "511"}, "not tensor"),
     ({"kind": "rl"}, "reinforcement"), ({"iteration_ms": ""}, "nothing measured"),
     ({"mfu": "140"}, "more than the peak"),
     ({"recompute": "half"}, "expected full"), ({"system": "hanguang-800"}, "cannot|not applicable")],
)  # fmt: skip
def test_a_row_that_is_not_covered_is_refused_alone(tmp_path: Path, changes: dict[str, str], why: str) -> None:
    found = validate_table(table(tmp_path, ROW | {"mfu": "", "kind": "", "recompute": ""}, ROW | changes))
    assert found["n"] == 1
    assert len(found["refused"]) == 1
    assert re.search(why, found["refused"][0]["why"])


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"gpus": "-8"}, "gpus = '-8': expected a whole number"), ({"gpus": "8.5"}, "whole number"),
     ({"iteration_ms": "fast"}, "iteration_ms = 'fast'"), ({"iteration_ms": "inf"}, "iteration_ms"),
     ({"gpus": ""}, "gpus: found nothing"), ({"layers": "1e400"}, "layers"),
     ({"parameters_billion": "0"}, "parameters")],
)  # fmt: skip
def test_a_value_that_cannot_be_refuses_the_table(tmp_path: Path, changes: dict[str, str], text: str) -> None:
    with pytest.raises(FileError, match="line 2") as caught:
        read_table(table(tmp_path, ROW | changes))
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("content", "text"),
    [("", "expected a line of column names"), ("gpus\n8\n", "parameters_billion"), ("a,a\n1,2\n", "found twice"),
     ("parameters_billion,gpus\n1,8\n", "no measured column"), ("parameters_billion,gpus,mfu\n1,8\n", "found 2 cells"),
     ("parameters_billion,gpus,mfu\n1,8,0.4,9\n", "found 4 cells")],
)  # fmt: skip
def test_a_table_that_is_none_is_refused(tmp_path: Path, content: str, text: str) -> None:
    file = tmp_path / "table.csv"
    file.write_text(content)
    with pytest.raises(FileError) as caught:
        validate_table(file)
    assert text in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(FileError, match="UTF-8"):
        read_table(file)
    with pytest.raises(FileError, match="no such file"):
        read_table(tmp_path / "none.csv")


def test_scores_are_the_textbook_ones() -> None:
    found = scores([1.0, 1.1, 2.0], [1.0, 1.0, 1.0], [0.05, 0.2, 0.2])
    assert found["mape"] == pytest.approx(1.1 / 3)
    assert found["median_ape"] == pytest.approx(0.1)
    assert found["interval_coverage"] == pytest.approx(2 / 3)
    assert half_width([0.1, -0.2, 0.3, -0.4]) == 0.4  # ceil(5 x 0.8) = 4th smallest


def test_the_shipped_numbers_are_plain(tmp_path: Path) -> None:
    assert json.loads(json.dumps(fitted()))["coefficients"]
    assert 0 < shipped_coefficients().arithmetic < 1 and START.arithmetic > 0
