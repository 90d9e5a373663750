# SPDX-License-Identifier: Apache-2.0
"""The live view: the state is what the run's files say, only its reader gets it, the page shows it as it changes."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from stope.base.config import as_dict
from stope.base.errors import FileError
from stope.base.files import write_json
from stope.fleet.mission.kept import keep_month
from stope.learn.checkpoint import write_checkpoint
from stope.learn.skill_training import SkillConfig, SkillTraining
from stope.view.live import run_state, serve_live
from stope.view.live.state import newest_run
from tests.cli.conftest import TINY
from tests.fleet.mission.builders import month, tables
from tests.learn.test_skill_training import TINY as TINY_SKILL

TOKEN = "a-token-of-a-test-0123456789"


def curve(num: int) -> list[dict[str, Any]]:
    """Evaluations of a training that gets better."""
    return [{"iteration": k + 1, "steps": 1000 * (k + 1), "success": 0.1 * k, "low": 0.08 * k, "high": 0.1 * k + 0.05,
             "seconds": 1.0} for k in range(num)]  # fmt: skip


def training(folder: Path, num: int) -> Path:
    """A training that is under way, as `stope train` leaves it between two iterations."""
    folder.mkdir(exist_ok=True)
    write_json(folder / "config.json", {"skill": "dock", "num_iterations": 20})
    header = {"config": "c", "history": curve(num), "iteration": num, "losses": []}
    write_checkpoint(folder / "checkpoint.safetensors", {"x": torch.zeros(2)}, header)
    return folder


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Address of a live page of a folder."""
    there, found = threading.Event(), dict[str, Any]()

    def on_start(url: str, server: ThreadingHTTPServer) -> None:
        found.update(url=url, server=server)
        there.set()

    thread = threading.Thread(target=serve_live, args=(folder, TOKEN), kwargs={"on_start": on_start}, daemon=True)
    thread.start()
    assert there.wait(30.0)
    try:
        yield found["url"]
    finally:
        found["server"].shutdown()
        thread.join(30.0)


def flying(folder: Path) -> Path:
    """A training of some pushes that is under way, with weights to fly."""
    config = SkillConfig(**TINY_SKILL)
    write_json(folder / "config.json", as_dict(config))
    run = SkillTraining(config, checkpoint=folder / "checkpoint.safetensors")
    for _ in range(3):
        run.advance()
    return folder


@pytest.fixture(scope="module")
def month_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mission whose kept month has its first day."""
    folder, scenario = tmp_path_factory.mktemp("mission"), month(robots=20, days=2.0)
    keep_month(scenario, tables(), folder / "month", seed=1)
    (folder / "month" / "result.json").unlink()
    (folder / "month" / "activities" / "day-0001.parquet").unlink()
    write_json(folder / "run.json", {"config_hash": "h"})
    write_json(folder / "kept.json", {"scenario": as_dict(scenario) | {"sources": {}}, "bank": "",
                                      "bank_digest": "made up", "seed": 1})  # fmt: skip
    return folder


def robots(url: str, bearer: dict[str, str]) -> dict[str, Any]:
    """Ask for the robots and wait until they are there, or cannot be."""
    assert ask(url, "/robots", method="POST", **bearer)[0] == 202
    found: dict[str, Any] = {}

    def is_made() -> bool:
        found.update(json.loads(ask(url, "/state", **bearer)[1])["robots"])
        return found["status"] != "making"

    wait_for(is_made)
    return found


def ask(url: str, path: str, *, method: str = "GET", **headers: str) -> tuple[int, bytes, Any]:
    """One request by a plain client."""
    place = url.split("/")[2]
    client = http.client.HTTPConnection(place, timeout=30)
    client.request(method, path, headers=headers)
    answer = client.getresponse()
    body = answer.read()
    client.close()
    return answer.status, body, answer.headers


def test_state_of_a_training_is_its_checkpoint_and_then_its_history(tmp_path: Path) -> None:
    run = training(tmp_path / "train-dock-1", 3)
    stamp = (run / "checkpoint.safetensors").stat().st_mtime
    state = run_state(run, now=stamp + 61.0)
    assert (state["what"], state["status"], state["iteration"], state["num_iterations"]) == ("dock", "under way", 3, 20)
    assert [row["success"] for row in state["curve"]] == [row["success"] for row in curve(3)]
    assert state["age_s"] == pytest.approx(61.0, abs=0.1)
    assert state["is_stale"]
    assert not run_state(run, now=stamp + 1.0)["is_stale"]
    write_json(run / "history.json", curve(20))  # type: ignore[arg-type]
    (run / "policy.safetensors").write_bytes(b"")
    (run / "checkpoint.safetensors").unlink()
    done = run_state(tmp_path, now=stamp + 1000.0)  # a folder of runs: the newest
    assert (done["status"], done["iteration"], done["is_stale"], len(done["curve"])) == ("done", 20, False, 20)


def test_state_of_a_mission_is_its_pieces(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"config_hash": "h"})
    for k in range(3):
        write_json(tmp_path / "months" / f"{k}.json", {})
    state = run_state(tmp_path)
    assert (state["kind"], state["status"]) == ("mission", "under way")
    assert [(piece["name"], piece["count"]) for piece in state["pieces"]] == [("months", 3)]
    write_json(tmp_path / "report.json", {"answer": "Ore."})
    assert (run_state(tmp_path)["status"], run_state(tmp_path)["answer"]) == ("done", "Ore.")


def test_newest_run_is_the_one_that_was_written_last_however_deep(tmp_path: Path) -> None:
    old = training(tmp_path / "train", 1)
    mission = tmp_path / "mission"
    write_json(mission / "run.json", {"config_hash": "h"})
    write_json(mission / "month" / "checkpoints" / "day.json", {})
    for path, age in ((old / "config.json", 50.0), (old / "checkpoint.safetensors", 40.0), (mission / "run.json", 90.0),
                      (mission / "month", 90.0), (mission / "month" / "checkpoints", 90.0),
                      (mission / "month" / "checkpoints" / "day.json", 2.0)):  # fmt: skip
        os.utime(path, (time.time() - age,) * 2)
    assert newest_run(tmp_path) == mission


def test_what_is_no_run_or_broken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"expected a training \(config.json\), a mission"):
        run_state(tmp_path)
    run = training(tmp_path / "train", 1)
    (run / "checkpoint.safetensors").write_bytes(b"not one")
    with pytest.raises(FileError, match="not a whole checkpoint"):
        run_state(run)


def test_only_who_has_the_token_reads_the_state_and_the_page_holds_none(tmp_path: Path) -> None:
    with served(training(tmp_path / "train", 2)) as url:
        host, token = url.split("/")[2], url.partition("#")[2]
        assert (host.split(":")[0], token) == ("127.0.0.1", TOKEN)
        code, page, headers = ask(url, "/")
        assert code == 200
        assert TOKEN.encode() not in page
        assert b"default-src 'none'; connect-src 'self'" in page
        assert headers["Cache-Control"] == "no-store"
        code, body, _ = ask(url, "/state", Authorization=f"Bearer {TOKEN}")
        assert (code, json.loads(body)["iteration"]) == (200, 2)
        assert ask(url, "/state")[0] == 401
        assert ask(url, "/state", Authorization=f"Bearer {TOKEN}x")[0] == 401
        assert ask(url, "/state?token=" + TOKEN)[0] == 404
        assert ask(url, "/../pyproject.toml", Authorization=f"Bearer {TOKEN}")[0] == 404
        assert ask(url, "/state", Authorization=f"Bearer {TOKEN}", Host="elsewhere.example")[0] == 421
        training(tmp_path / "train", 5)
        assert json.loads(ask(url, "/state", Authorization=f"Bearer {TOKEN}")[1])["iteration"] == 5
        (tmp_path / "train" / "checkpoint.safetensors").write_bytes(b"not one")
        code, body, _ = ask(url, "/state", Authorization=f"Bearer {TOKEN}")
        assert (code, "not a whole checkpoint" in json.loads(body)["fault"]) == (503, True)


def test_robots_of_a_training_are_its_weights_flown_and_only_who_has_the_token_asks(tmp_path: Path) -> None:
    run = flying(tmp_path / "train")
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with served(run) as url:
        assert json.loads(ask(url, "/state", **bearer)[1])["robots"] == {"status": "none"}
        assert ask(url, "/robots", method="POST")[0] == 401
        assert ask(url, "/state", method="POST", **bearer)[0] == 404
        assert ask(url, "/robots", method="POST", **bearer, Host="elsewhere.example")[0] == 421
        first = robots(url, bearer)
        assert (first["status"], first["of"]) == ("ready", "iteration 3")
        code, page, headers = ask(url, first["path"])
        assert code == 200
        assert b"after iteration 3" in page
        assert first["answer"].encode() in page
        assert headers["Referrer-Policy"] == "no-referrer"
        assert ask(url, "/robots/" + "x" * 32)[0] == 404
        second = robots(url, bearer)
        assert second["path"] != first["path"]
        assert ask(url, first["path"])[0] == 404  # the newest alone
        (run / "checkpoint.safetensors").write_bytes(b"not one")
        broken = robots(url, bearer)
        assert broken["status"] == "failed"
        assert "not a whole checkpoint" in broken["fault"]
        assert "\n" not in broken["fault"]
        assert ask(url, second["path"])[0] == 200  # what was there stays


def test_robots_of_a_mission_are_the_days_that_are_kept(month_run: Path) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with served(month_run) as url:
        found = robots(url, bearer)
        assert (found["status"], found["of"]) == ("ready", "the fleet until day 1")
        assert b"Under way: " in ask(url, found["path"])[1]


def test_a_mission_without_a_day_says_so(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"config_hash": "h"})
    with served(tmp_path) as url:
        found = robots(url, {"Authorization": f"Bearer {TOKEN}"})
        assert "no day of a month is kept yet" in found["fault"]


@pytest.mark.parametrize("rows", ["[1]", "[{}]", '[{"iteration": "x"}]', "{}", "[" * 50])
def test_a_history_that_is_none_is_said_and_the_page_goes_on(tmp_path: Path, rows: str) -> None:
    run = training(tmp_path / "train", 2)
    with served(run) as url:
        (run / "history.json").write_text(rows)
        (run / "policy.safetensors").touch()
        with pytest.raises(FileError):
            run_state(run)
        code, body, _ = ask(url, "/state", Authorization=f"Bearer {TOKEN}")
    assert code == 503
    assert "history" in json.loads(body)["fault"]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_shows_the_robots_of_a_training_and_of_a_fleet(
    browser: Any, axe: str, tmp_path: Path, month_run: Path, scheme: str
) -> None:
    for run, of, one in ((flying(tmp_path / "train"), "iteration 3", r"world \d"),
                         (month_run, "the fleet until day 1", r"fleet/\w+/\d")):  # fmt: skip
        page = browser.new_page(viewport={"width": 1000, "height": 900}, color_scheme=scheme)
        faults: list[str] = []
        page.on("pageerror", lambda error, faults=faults: faults.append(str(error)))
        page.on("console", lambda said, faults=faults: faults.append(said.text) if said.type == "error" else None)
        with served(run) as url:
            page.goto(url)
            page.wait_for_selector("html[data-ready=true]", timeout=30_000)
            page.click("#robots-ask")
            page.wait_for_selector("#robots-frame:not([hidden])", timeout=120_000)
            assert of in page.inner_text("#robots-said")
            frame = page.frame_locator("#robots-frame")
            frame.locator("html[data-ready=true]").wait_for(timeout=60_000)
            frame.locator("#counts button").first.click()
            assert re.search(one, frame.locator("#list").inner_text())
            page.evaluate(axe)
            found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
            assert [row["id"] for row in found if row["impact"] in ("serious", "critical")] == []
            shown = page.locator("#robots-link").get_attribute("href")
            page.goto(url.split("/#")[0] + shown)
            page.wait_for_selector("html[data-ready=true]", timeout=60_000)
            assert faults == []
        page.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_shows_a_training_as_it_goes(browser: Any, axe: str, tmp_path: Path, scheme: str) -> None:
    run = training(tmp_path / "train", 4)
    page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    with served(run) as url:
        page.goto(url)
        page.wait_for_selector("html[data-ready=true]", timeout=30_000)
        assert page.inner_text("#count") == "iteration 4 of 20"
        assert "30.0 %" in page.inner_text("#rows tr")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.evaluate(axe)
        found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
        assert [row["id"] for row in found if row["impact"] in ("serious", "critical")] == []
        training(run, 9)
        page.wait_for_selector("#rows tr:nth-child(9)", timeout=30_000)
        assert page.inner_text("#count") == "iteration 9 of 20"
        assert "80.0 %" in page.inner_text("#answer")
        assert page.is_hidden("#alarm")
        assert faults == []
    page.wait_for_selector("#alarm:not([hidden])", timeout=30_000)
    assert "does not answer any more" in page.inner_text("#alarm")
    page.close()


@pytest.mark.slow
def test_command_shows_a_training_that_runs_and_ends_by_an_interrupt(tmp_path: Path) -> None:
    stope = [sys.executable, "-c", "from stope.cli.main import main; main()"]
    longer = ("--set=num_iterations=100000", "--set=evaluate_every=1", "--set=goal=2.0", "--runs", str(tmp_path))
    learner = subprocess.Popen([*stope, "train", "dock", *TINY, *longer], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: any(tmp_path.glob("*/checkpoint.safetensors")) or learner.poll() is not None)
        assert learner.poll() is None
        with subprocess.Popen([*stope, "view", str(tmp_path), "--live", "--json"], stdout=subprocess.PIPE) as live:
            assert live.stdout is not None
            url = json.loads(b"".join(live.stdout.readline() for _ in range(3)))["url"]
            token = {"Authorization": f"Bearer {url.partition('#')[2]}"}
            states = [json.loads(ask(url, "/state", **token)[1])]
            assert (states[0]["what"], states[0]["status"]) == ("dock", "under way")
            wait_for(lambda: json.loads(ask(url, "/state", **token)[1])["iteration"] > states[0]["iteration"])
            live.send_signal(signal.SIGINT)
            assert live.wait(60) == 0
    finally:
        learner.kill()
        learner.wait(60)


def wait_for(is_so: Callable[[], bool]) -> None:
    """Until it is so, or so long that something is broken."""
    for _ in range(1200):
        if is_so():
            return
        time.sleep(0.1)
    raise AssertionError("it never came")
