"""A server in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.settings import PROJECT


@contextmanager
def serve(data_dir: Path, port: int = 0, **settings: str) -> Iterator[str]:
    """The address of a server in a process of its own."""
    command = [sys.executable, "-m", "cli.main", "serve", "--port", str(port), "--json"]
    environment = {**os.environ, "KEBEN_DATA_DIR": str(data_dir), "PYTHONPATH": str(PROJECT), **settings}
    with subprocess.Popen(
        command, env=environment, cwd=data_dir, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        try:
            assert running.stdout is not None
            yield json.loads(running.stdout.readline())["url"]
        finally:
            running.kill()
