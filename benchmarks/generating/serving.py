"""What a server with a model holds in memory."""

import subprocess

import psutil


def memory_of_tree(pid: int) -> float:
    """MiB that a process and its descendants hold; of the card, where they hold some there."""
    tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return _on_the_card({process.pid for process in tree}) or sum(process.memory_info().rss / 2**20 for process in tree)


def _on_the_card(pids: set[int]) -> float:
    command = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0.0
    lines = [line.split(",") for line in said.splitlines()]
    return sum(float(used) for pid, used in lines if int(pid) in pids and used.strip().isdigit())
