# SPDX-License-Identifier: Apache-2.0
"""Measured steps: a CSV of published training runs, read with every odd value named, and what a row leaves open filled.

Columns: docs/reference/cluster-files.md. A value that cannot be (text for a number, a negative count) refuses the file;
a row that is sound but that the model does not cover (an unknown machine, a mixture of experts) is refused alone, with
its reason. What was not given and had to be assumed is listed with the row, and widens its interval.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from stope.base.errors import ConfigError, FileError
from stope.cluster.layouts import Wishes, best_layout
from stope.cluster.system import SOFTWARE, Software, System, find_system
from stope.cluster.training_step import Coefficients, Layout
from stope.cluster.transformer import Recompute, Transformer, forward_flops

__all__ = ["COUNTS", "DEFAULT_SYSTEM", "START", "MeasuredStep", "Refused", "executed_flops", "read_table"]

DEFAULT_SYSTEM = "vtrain-a100"
"""Machine of a row without `system`."""
COUNTS = ("gpus", "global_batch", "micro_batch", "hidden_size", "attention_heads", "layers", "sequence_length",
          "tensor_parallel", "data_parallel", "pipeline_parallel", "context_parallel", "interleave",
          "vocabulary_size")  # fmt: skip
"""Columns of whole numbers."""
NUMBERS = ("parameters_billion", "iteration_ms", "tflops_per_gpu", "mfu")
WORDS = ("system", "kind", "recompute", "software", "source")
RATES = ("iteration_ms", "tflops_per_gpu", "mfu")
EMPTY = {"", "-", "na", "n/a", "nan", "none", "null", "?"}
NOT_COVERED = {"moe": "a mixture of experts", "rl": "reinforcement learning", "inference": "inference",
               "resnet": "no transformer", "actor": "reinforcement learning"}  # fmt: skip
SHARDED = ("zero3", "zero-3", "fsdp")
DENSE = ("", "dense", "training", "pretraining", "transformer", "llm", "ptd", "3d", "megatron", "weak", "strong",
         "measured", "multi-node", "multi_node", "single-node", "single_node", "transfer", "throughput")  # fmt: skip
START = Coefficients(arithmetic=0.7, traffic=2.0, inside=0.9, across=0.65, layer_overhead=1.5e-3, hidden=0.8)
"""Where the fit begins; also what fills open layouts, so that the table does not depend on the fit."""
MOST_ROWS = 100_000
USUAL_TOKENS = 4e6
"""Tokens of a step when no batch is given, at the least."""
USUAL_TOKENS_EACH = 2e3
"""Tokens of a step and device when no batch is given; the calibration table has 1e3 to 2e3 on its largest jobs."""
FULL_ACCOUNTING = 1.15
"""Claimed over model arithmetic from which recomputation is in the claim: between 1 and 4/3."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredStep:
    """One published training step, complete."""

    line: int
    """Of the file."""
    model: Transformer
    """Shape."""
    layout: Layout
    """How it was laid out."""
    system: System
    """On what."""
    seconds: float
    """Measured time of a step [s]."""
    measure: str
    """The column it was measured by."""
    source: str
    """Publication, as the file says."""
    assumed: tuple[str, ...] = field(default=())
    """What the file left open."""
    notes: tuple[str, ...] = field(default=())
    """What a reader should know."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A row that the model does not cover."""

    line: int
    """Of the file."""
    why: str
    """One sentence."""


def executed_flops(model: Transformer, layout: Layout) -> float:
    """Arithmetic of one step, what is computed again included [FLOP]."""
    return (4.0 if layout.recompute == "full" else 3.0) * forward_flops(model) * float(layout.global_batch)


def read_table(path: Path | str) -> tuple[list[MeasuredStep | Refused], tuple[str, ...]]:
    """Read a table.

    Returns:
        Its rows in order, and the columns nobody reads.

    Raises:
        FileError: no such file, no CSV, no rows, a missing column, or a value that cannot be; names line and column.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path}: no such file.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except (csv.Error, UnicodeDecodeError) as error:
        raise FileError(f"{path}: not a CSV of UTF-8 text ({error}).") from None
    if len(lines) < 2:
        raise FileError(f"{path}: found {len(lines)} lines: expected a line of column names and one row or more.")
    if len(lines) > MOST_ROWS:
        raise FileError(f"{path}: found {len(lines)} lines: expected {MOST_ROWS} or fewer.")
    head = [cell.strip().lower() for cell in lines[0][1]]
    _check_head(head, path)
    rows = [_row(path, line, dict(zip(head, cells, strict=True)))
            for line, cells in lines[1:] if _is_whole(path, line, head, cells)]  # fmt: skip
    known = {*COUNTS, *NUMBERS, *WORDS}
    return rows, tuple(sorted(name for name in head if name not in known))


def _is_whole(path: Path, line: int, head: list[str], cells: list[str]) -> bool:
    if len(cells) != len(head):
        raise FileError(f"{path}: line {line}: found {len(cells)} cells: expected {len(head)}, as in the first line.")
    return True


def _check_head(head: list[str], path: Path) -> None:
    for name in head:
        if head.count(name) > 1:
            raise FileError(f"{path}: column {name!r}: found twice: expected once.")
    for name in ("parameters_billion", "gpus"):
        if name not in head:
            raise FileError(f"{path}: column {name!r}: missing. Columns: docs/reference/cluster-files.md.")
    if not set(RATES) & set(head):
        raise FileError(f"{path}: no measured column: expected one of {', '.join(RATES)}.")


def _row(path: Path, line: int, cells: Mapping[str, str]) -> MeasuredStep | Refused:
    words = {name: _word(cells.get(name, "")) for name in WORDS}
    if cells.get("recompute", "").strip().lower() == "none":
        words["recompute"] = "none"  # a value of this column, not an empty cell
    counts = {name: int(_number(path, line, name, cells.get(name, ""), whole=True)) for name in COUNTS}
    numbers = {name: _number(path, line, name, cells.get(name, "")) for name in NUMBERS}
    for name in ("parameters_billion", "gpus"):
        if not (numbers | counts)[name]:
            raise FileError(f"{path}: line {line}: {name}: found nothing: expected a number more than 0.")
    try:
        return _complete(line, words, counts, numbers)
    except ConfigError as error:
        return Refused(line=line, why=str(error))


def _word(text: str) -> str:
    text = text.strip()
    return "" if text.lower() in EMPTY else text


def _number(path: Path, line: int, name: str, text: str, *, whole: bool = False) -> float:
    """A number more than 0, or 0 for an empty cell."""
    text = _word(text)
    if not text:
        return 0.0
    try:
        value = float(text.rstrip("%")) if name == "mfu" else float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and 0 < value < 1e15) or (whole and value != int(value)):
        rule = "a whole number more than 0" if whole else "a number more than 0"
        raise FileError(f"{path}: line {line}: {name} = {text!r}: expected {rule}, or nothing.")
    return value


def _complete(
    line: int, words: dict[str, str], counts: dict[str, int], numbers: dict[str, float]
) -> MeasuredStep | Refused:
    """A row with everything that it left open filled in, or why not."""
    kind = words["kind"].lower()
    notes: list[str] = []
    assumed: list[str] = []
    for word, what in NOT_COVERED.items():
        if word in kind.replace("_", "-").split("-"):
            return Refused(line=line, why=f"kind {words['kind']!r}: {what} is not covered by this model.")
    is_sharded = any(word in kind for word in SHARDED)
    if kind not in DENSE and not is_sharded:
        notes.append(f"kind {words['kind']!r} taken as dense")
    system = find_system(words["system"] or DEFAULT_SYSTEM)
    if system is None:
        return Refused(line=line, why=f"system {words['system']!r}: no system file or alias of it. "
                                      "All: `stope cluster systems`.")  # fmt: skip
    if not any(numbers[name] for name in RATES):
        return Refused(line=line, why=f"nothing measured: expected one of {', '.join(RATES)}.")
    mfu = numbers["mfu"] / 100.0 if numbers["mfu"] > 1.0 else numbers["mfu"]
    if mfu > 1.0 or numbers["tflops_per_gpu"] * 1e12 > system.peak.high:
        return Refused(line=line, why=f"measured more than the peak of {system.name}: with sparsity, or another unit?")
    model = _shape(counts, numbers["parameters_billion"] * 1e9, assumed)
    batch = counts["global_batch"]
    if not batch:
        assumed.append("global_batch")
        batch = max(1, round(max(USUAL_TOKENS, USUAL_TOKENS_EACH * counts["gpus"]) / model.sequence_length))
    claimed = _claimed(model, batch, counts["gpus"], system, numbers, mfu)
    recompute, software = _software(words, system, claimed, notes)
    wishes = Wishes(
        devices=counts["gpus"], global_batch=batch, tensor=counts["tensor_parallel"], data=counts["data_parallel"],
        pipeline=counts["pipeline_parallel"], micro_batch=counts["micro_batch"], software=software, recompute=recompute,
        context=counts["context_parallel"] or 1, interleave=counts["interleave"] or 1, shards_weights=is_sharded,
    )  # fmt: skip
    layout = _layout(model, wishes, system, assumed, notes)
    if layout is None:
        return Refused(line=line, why=f"{counts['gpus']} devices: not tensor x data x pipeline of this row.")
    seconds, measure = _seconds(model, layout, system, numbers, mfu)
    return MeasuredStep(line=line, model=model, layout=layout, system=system, seconds=seconds, measure=measure,
                        source=words["source"], assumed=tuple(assumed), notes=tuple(notes))  # fmt: skip


def _shape(counts: dict[str, int], parameters: float, assumed: list[str]) -> Transformer:
    """Shape of the model; what is open as dense models are usually built: width 128 times the depth, heads of 128."""
    width, depth = counts["hidden_size"], counts["layers"]
    if not width:
        assumed.append("hidden_size")
        guess = math.sqrt(parameters / (12.0 * depth)) if depth else (128.0 * parameters / 12.0) ** (1.0 / 3.0)
        width = max(128, 128 * round(guess / 128.0))
    if not depth:
        assumed.append("layers")
        depth = max(1, round(parameters / (12.0 * width**2)))
    if not counts["sequence_length"]:
        assumed.append("sequence_length")
    return Transformer(
        parameters=parameters, layers=depth, hidden_size=width, vocabulary_size=counts["vocabulary_size"] or 51200,
        attention_heads=counts["attention_heads"] or max(1, width // 128),
        sequence_length=counts["sequence_length"] or 2048,
    )  # fmt: skip


def _software(words: dict[str, str], system: System, claimed: float, notes: list[str]) -> tuple[Recompute, Software]:
    """What is computed again, and the generation of the software.

    By the row; else by the machine; and on machines of the first generation by the accounting: who counts the model's
    own arithmetic only has, in publications, recomputed attention at most.
    """
    software = system.software
    for known in SOFTWARE:
        if words["software"] == known:
            software = known
    if words["software"] and words["software"] not in SOFTWARE:
        raise ConfigError(f"software {words['software']!r}: expected one of {', '.join(SOFTWARE)}.")
    if words["recompute"] and words["recompute"] not in ("full", "selective", "none"):
        raise ConfigError(f"recompute {words['recompute']!r}: expected full, selective or none.")
    recompute: Recompute = "full" if software == "recompute" else "selective"
    if software == "recompute" and claimed and not words["recompute"]:
        recompute = "full" if claimed > FULL_ACCOUNTING else "selective"
        notes.append(f"{recompute} recomputation, by the arithmetic that its rate counts")
    for given in ("full", "selective", "none"):
        if words["recompute"] == given:
            recompute = given
    return recompute, "selective" if software == "recompute" and recompute != "full" else software


def _claimed(
    model: Transformer, batch: int, devices: int, system: System, numbers: dict[str, float], mfu: float
) -> float:
    """Arithmetic that the row's rate counts over the model's own, 1 to 4/3; 0 where the row does not tell.

    With a time beside a rate it follows; `mfu` alone counts the model's own by its definition.
    """
    rate = numbers["tflops_per_gpu"] * 1e12 or mfu * system.peak.value
    if numbers["iteration_ms"] and rate:
        done = rate * devices * numbers["iteration_ms"] / 1e3
        return done / (3.0 * forward_flops(model) * batch)
    return 1.0 if mfu and not numbers["tflops_per_gpu"] else 0.0


def _layout(model: Transformer, wishes: Wishes, system: System, assumed: list[str], notes: list[str]) -> Layout | None:
    given = (wishes.tensor, wishes.data, wishes.pipeline)
    if all(given) and wishes.context == 1 and math.prod(given) != wishes.devices:
        context, rest = divmod(wishes.devices, math.prod(given))
        if rest or not context:
            return None
        notes.append(f"{context} devices a sequence (context-parallel), as devices exceed tensor x data x pipeline")
        wishes = replace(wishes, context=context)
    open_names = [n for n in ("tensor", "data", "pipeline", "micro_batch") if not getattr(wishes, n)]
    if wishes.tensor and wishes.pipeline and "data" in open_names:
        open_names.remove("data")  # follows from the others
    assumed += open_names
    return best_layout(model, wishes, system, START)


def _seconds(
    model: Transformer, layout: Layout, system: System, numbers: dict[str, float], mfu: float
) -> tuple[float, str]:
    """Measured time of a step [s] and the column it comes from."""
    if numbers["iteration_ms"]:
        return numbers["iteration_ms"] / 1e3, "iteration_ms"
    if numbers["tflops_per_gpu"]:
        return executed_flops(model, layout) / (numbers["tflops_per_gpu"] * 1e12 * layout.devices), "tflops_per_gpu"
    return 3.0 * forward_flops(model) * float(layout.global_batch) / (mfu * system.peak.value * layout.devices), "mfu"
