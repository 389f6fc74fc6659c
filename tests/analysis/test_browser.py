"""The report in a real browser: it draws its figures, offline, and complains of nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest

from analysis.report import write_report
from tests.analysis.synthetic import World, item_rows, write_study

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --enable-logging=stderr --virtual-time-budget=10000"
).split()

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
]


def test_the_report_draws_its_figures_without_a_complaint(tmp_path: Path) -> None:
    folder = write_study(item_rows(World()), tmp_path / "study", question="<b>How</b> many?")
    html = write_report(folder).html
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    shown = subprocess.run(
        [CHROMIUM, *FLAGS, profile, "--dump-dom", html.resolve().as_uri()],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert shown.stdout.count("main-svg") >= 2, "a figure is missing"
    assert "&lt;b&gt;How&lt;/b&gt; many?" in shown.stdout
    console = [line for line in shown.stderr.splitlines() if "CONSOLE" in line]
    assert not console, console
