# SPDX-License-Identifier: Apache-2.0
"""The store of logs: a kill at any byte leaves every log whole, and a damaged file stops nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stope.base.errors import FlightError
from stope.flight.formats.stope_log import SUFFIX, pack_log
from stope.flight.store import LogStore
from tests.flight.log_builders import assert_same, by_hand


def test_what_is_added_is_there(tmp_path: Path) -> None:
    store = LogStore(tmp_path / "flights")
    assert store.names() == ()
    path = store.add(by_hand(name="one"))
    assert store.add(by_hand(name="one")) == path  # the same again
    store.add(by_hand(name="two"))
    assert store.names() == ("one", "two")
    assert_same(store.load("two"), by_hand(name="two"))


def test_another_log_of_the_name_is_refused(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    store.add(by_hand(name="one"))
    with pytest.raises(FlightError, match="another log has this name"):
        store.add(by_hand(20, name="one"))
    for name in ("../one", "", "a/b", ".x"):
        with pytest.raises(FlightError, match="expected letters, digits"):
            store.path(name)
    with pytest.raises(FlightError, match=r"no such log\. All: one"):
        store.load("three")


def test_a_write_that_died_at_any_byte_loses_nothing(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    store.add(by_hand(name="one"))
    data = pack_log(by_hand(12, name="two"))
    for end in range(0, len(data) + 1, 37):
        part = tmp_path / f".two{SUFFIX}.abc.part"  # what write_atomic leaves when it dies before the rename
        part.write_bytes(data[:end])
        assert store.names() == ("one",)
        assert_same(store.load("one"), by_hand(name="one"))
        part.unlink()
    store.add(by_hand(12, name="two"))
    assert store.names() == ("one", "two")


def test_a_file_cut_or_changed_at_any_byte_is_told_and_the_others_stay(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    store.add(by_hand(name="one"))
    path = store.add(by_hand(12, name="two"))
    data = path.read_bytes()
    for k in range(0, len(data), 61):
        flipped = data[:k] + bytes([data[k] ^ 0x40]) + data[k + 1 :]
        for bad in (data[:k], flipped):
            path.write_bytes(bad)
            found = {kept.name: kept for kept in store.all()}
            assert found["one"].log is not None and found["two"].log is None
            assert str(path) in found["two"].fault and "\n" not in found["two"].fault


def test_a_process_killed_while_it_adds_leaves_only_whole_logs(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.flight.log_builders import by_hand;"
        "from stope.flight.store import LogStore; store = LogStore(Path(sys.argv[1]));"
        "[(store.add(by_hand(300, name=f'log-{k}')), print(k, flush=True)) for k in range(2000)]"
    )
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root / "src"), str(root)])
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=root, stdout=subprocess.PIPE,
                          env=os.environ | {"PYTHONPATH": path}) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline()  # the first is there
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
    kept = LogStore(tmp_path).all()
    assert kept and all(k.log is not None for k in kept)
