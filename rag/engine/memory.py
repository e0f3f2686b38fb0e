"""Whether a chat model fits: the memory that its weights and its cache take, against what is free."""

import os
from pathlib import Path

from core.errors import ModelError
from core.settings import LlmSettings
from rag.engine.folder import ModelFolder

_GIB = 2**30
# Bytes of a parameter in 4 and 8 bits, with its share of the scales: one float32 for 64 parameters, and a row's.
# Source: bitsandbytes, Linear4bit (nf4, block size 64) and Linear8bitLt.
_QUANTIZED = {4: 0.5 + 4 / 64, 8: 1.01}
_LEAST_CACHE = 512  # of KEBEN_LLM__CACHE_TOKENS
_UNLIMITED = 2**60  # what cgroup v1 says for no limit is near 2^63


def weight_bytes(folder: ModelFolder, settings: LlmSettings, dtype_bytes: int) -> int:
    """Bytes of the weights in memory; with settings.bits the matrices of the layers are smaller, the rest is not."""
    if settings.bits is None:
        return folder.parameters * dtype_bytes
    rest = folder.parameters - folder.layer_parameters
    return rest * dtype_bytes + int(folder.layer_parameters * _QUANTIZED[settings.bits])


def needed_bytes(folder: ModelFolder, settings: LlmSettings, dtype_bytes: int, cache_tokens: int) -> int:
    """Bytes of the weights and of a cache of `cache_tokens` tokens; `dtype_bytes`: of a number, 2 for bfloat16."""
    return weight_bytes(folder, settings, dtype_bytes) + cache_tokens * folder.cache_bytes(dtype_bytes)


def check_memory(
    folder: ModelFolder, settings: LlmSettings, dtype_bytes: int, cache_tokens: int, free_bytes: int | None = None
) -> None:
    """Raise ModelError if weights and cache do not fit into `free_bytes`; None: the free memory of this process."""
    free = free_memory() if free_bytes is None else free_bytes
    needed = needed_bytes(folder, settings, dtype_bytes, cache_tokens)
    if needed <= free:
        return
    weights = weight_bytes(folder, settings, dtype_bytes)
    fitting = (free - weights) // folder.cache_bytes(dtype_bytes)
    ways = ["name a smaller model"]
    if settings.bits != 4:
        ways.append("set KEBEN_LLM__BITS=4")
    if fitting >= _LEAST_CACHE:
        ways.append(f"set KEBEN_LLM__CACHE_TOKENS to {fitting:,} or less")
    raise ModelError(
        f"the model in {folder.path} needs {needed / _GIB:.1f} GiB of memory: {weights / _GIB:.1f} GiB for its "
        f"weights, {(needed - weights) / _GIB:.1f} GiB for {cache_tokens:,} tokens of cache; "
        f"{free / _GIB:.1f} GiB are free",
        mend=f"{', '.join(ways)}, or run it elsewhere and set KEBEN_LLM__URLS to that server",
    )


def free_memory(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that this process may still take: of the machine, and within the limit of its container.

    Source: proc_meminfo(5); cgroup-v2.rst and cgroup-v1/memory.rst of Linux.
    """
    limits = [_machine(proc), *_containers(proc, cgroup)]
    return max(0, min(limits))


def _machine(proc: Path) -> int:
    try:
        lines = (proc / "meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    # Elsewhere than on Linux only all of the memory may be known.
    names = os.sysconf_names
    pages = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in names else "SC_PHYS_PAGES"
    return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")


def _containers(proc: Path, cgroup: Path) -> list[int]:
    """Bytes left in each group of processes that this one is in and that has a limit."""
    free = []
    for old, folder in _groups(proc, cgroup):
        limit, used = (
            _number(folder / ("memory.limit_in_bytes" if old else "memory.max")),
            _number(folder / ("memory.usage_in_bytes" if old else "memory.current")),
        )
        if limit is not None and used is not None and limit < _UNLIMITED:
            # Pages of files that were read count as used, but make way.
            free.append(limit - used + _reclaimable(folder, "total_inactive_file" if old else "inactive_file"))
    return free


def _groups(proc: Path, cgroup: Path) -> list[tuple[bool, Path]]:
    """Folders of this process's group and those above it; True: of cgroup v1."""
    try:
        lines = (proc / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    groups = []
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = cgroup / "memory" if controllers else cgroup
        own = root / place.lstrip("/")
        # Within a container the named group may not be mounted; its own limit is then at the root.
        inner = [own, *own.parents][: len(Path(place).parts)] if place != "/" and ".." not in place else [root]
        groups += [(bool(controllers), folder) for folder in dict.fromkeys([*inner, root])]
    return groups


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # there is none, or it says max
        return None


def _reclaimable(folder: Path, name: str) -> int:
    try:
        lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[:1] == [name]), 0)
