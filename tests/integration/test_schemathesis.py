"""The service against its own description: requests made from the OpenAPI document, every response held against it.

A few examples of each operation; `make schemathesis EXAMPLES=500` makes more.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import copy_knowledge_bases
from live_server import live

from core.settings import ServerSettings, Settings
from server.access import Role
from server.keys import KeyStore

EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "15")
# /mcp has a protocol of its own, and the events of a job end when it does.
LEFT_OUT = r"^/(mcp|jobs/\{id\}/events)$"
REMOVAL = "DELETE /kbs/{kb}"
# A body that is too long is refused before it is looked at.
CONFIG = (
    "[checks.negative_data_rejection]\nexpected-statuses = [400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429]\n"
)
# Books and spaces may be there or not: a well-formed request may well be refused.
UNFIT = "positive_data_acceptance"


def run(url: str, key: str, folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{url}/openapi.json"]
    command += ["--header", f"Authorization:Bearer {key}", "--max-examples", EXAMPLES, "--seed", "1"]
    command += ["--exclude-path-regex", LEFT_OUT, "--exclude-checks", UNFIT, "--phases", "examples,coverage,fuzzing"]
    command += ["--request-timeout", "60", "--suppress-health-check", "all", "--continue-on-failure", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=20_000)


def told(done: "subprocess.CompletedProcess[str]") -> str:
    """What failed, without the advice around it."""
    failures = done.stdout.partition("FAILURES")[2].partition("WARNINGS")[0]
    return "\n".join(line[:400] for line in failures.splitlines() if line.strip()) or done.stdout[-2000:] + done.stderr


@pytest.mark.timeout(20_000)
def test_every_response_is_as_described(tmp_path: Path, library_settings: Settings, books_dir: Path) -> None:
    copy_knowledge_bases(library_settings, tmp_path / "data")
    shutil.copytree(books_dir, tmp_path / "books")
    server = ServerSettings(requests_per_minute=None, concurrent=None)
    folders = {"data_dir": tmp_path / "data", "source_dir": tmp_path / "books", "courses_dir": tmp_path / "courses"}
    settings = Settings.model_validate({**folders, "server": server})
    (tmp_path / "schemathesis.toml").write_text(CONFIG, encoding="utf-8")
    key, _ = KeyStore(settings.state_dir).create("schemathesis", Role.admin)
    with live(settings) as running:
        # The last word on a knowledge base comes last.
        kept = run(running.url, key, tmp_path, "--exclude-name", REMOVAL)
        assert kept.returncode == 0, told(kept)
        removed = run(running.url, key, tmp_path, "--include-name", REMOVAL)
        assert removed.returncode == 0, told(removed)
