"""A model that does not fit is told before it is loaded."""

from pathlib import Path

import pytest

from core.errors import ModelError
from core.settings import LlmSettings
from rag.engine.folder import ModelFolder
from rag.engine.memory import check_memory, free_memory, needed_bytes

GIB = 2**30
# internlm2_5-7b-chat in bfloat16.
SEVEN = ModelFolder(
    path=Path("/models/internlm2_5-7b-chat"),
    model_type="llama",
    architecture="LlamaForCausalLM",
    parameters=7_737_708_544,
    layer_parameters=32 * (4096 * 4096 * 2 + 4096 * 1024 * 2 + 3 * 4096 * 14336),
    weight_bytes=15_475_417_088,
    dtype="bfloat16",
    layers=32,
    kv_heads=8,
    head_dim=128,
    vocab_size=92544,
    trained_length=32768,
    context_length=65536,
    end_ids=(2, 92542),
    chat_template="",
)


def test_weights_and_cache_are_counted() -> None:
    plain = needed_bytes(SEVEN, LlmSettings(), 2, 0)
    assert plain == SEVEN.weight_bytes
    assert needed_bytes(SEVEN, LlmSettings(), 4, 0) == 2 * plain
    # Keys and values of 8 heads of 128 numbers in 32 layers: 128 KiB a token.
    assert needed_bytes(SEVEN, LlmSettings(), 2, 8192) - plain == 8192 * 128 * 1024 == GIB


def test_fewer_bits_make_the_layers_smaller_and_leave_the_embedding() -> None:
    rest = (SEVEN.parameters - SEVEN.layer_parameters) * 2
    assert rest > 2 * 92544 * 4096 * 2
    eight, four = (needed_bytes(SEVEN, LlmSettings(bits=bits), 2, 0) for bits in (8, 4))
    assert eight == pytest.approx(rest + SEVEN.layer_parameters, rel=0.02)
    assert four == pytest.approx(rest + SEVEN.layer_parameters * 9 / 16, rel=0.001)


def test_what_fits_is_taken() -> None:
    needed = needed_bytes(SEVEN, LlmSettings(), 2, 8192)
    check_memory(SEVEN, LlmSettings(), 2, 8192, needed)
    with pytest.raises(ModelError):
        check_memory(SEVEN, LlmSettings(), 2, 8192, needed - 1)


def test_the_error_says_how_much_is_needed_and_what_to_do() -> None:
    with pytest.raises(ModelError) as caught:
        check_memory(SEVEN, LlmSettings(), 2, 32768, 16 * GIB)
    assert "internlm2_5-7b-chat needs 18.4 GiB" in caught.value.message
    for words in ("14.4 GiB for its weights", "4.0 GiB for 32,768 tokens", "16.0 GiB are free"):
        assert words in caught.value.message
    fitting = (16 * GIB - SEVEN.weight_bytes) // (128 * 1024)
    for words in ("smaller model", "KEBEN_LLM__BITS=4", f"CACHE_TOKENS to {fitting:,}", "KEBEN_LLM__URLS"):
        assert words in caught.value.mend
    check_memory(SEVEN, LlmSettings(), 2, fitting, 16 * GIB)


def test_no_way_is_named_that_does_not_help() -> None:
    with pytest.raises(ModelError) as caught:
        check_memory(SEVEN, LlmSettings(bits=4), 2, 8192, 2 * GIB)
    assert "BITS" not in caught.value.mend and "CACHE_TOKENS" not in caught.value.mend


def machine(tmp_path: Path, groups: str, available: int = 8 * GIB) -> tuple[Path, Path]:
    """A /proc and a /sys/fs/cgroup; `groups` is what /proc/self/cgroup says."""
    proc, cgroup = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    cgroup.mkdir()
    meminfo = f"MemTotal:       16384000 kB\nMemAvailable:   {available // 1024} kB\n"
    (proc / "meminfo").write_text(meminfo, encoding="ascii")
    (proc / "self" / "cgroup").write_text(groups, encoding="ascii")
    return proc, cgroup


def group(folder: Path, **files: str | int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / f"memory.{name}").write_text(f"{value}\n", encoding="ascii")


def test_without_limits_it_is_what_the_machine_has(tmp_path: Path) -> None:
    assert free_memory(*machine(tmp_path, "0::/\n")) == 8 * GIB


def test_a_limit_of_cgroup_v2(tmp_path: Path) -> None:
    proc, cgroup = machine(tmp_path, "0::/\n")
    group(cgroup, max=4 * GIB, current=3 * GIB, stat=f"anon 7\ninactive_file {GIB}\nactive_file 5")
    assert free_memory(proc, cgroup) == 2 * GIB
    group(cgroup, max="max")
    assert free_memory(proc, cgroup) == 8 * GIB


def test_the_tightest_of_the_groups_above_counts(tmp_path: Path) -> None:
    proc, cgroup = machine(tmp_path, "0::/user/keben.service\n")
    group(cgroup / "user" / "keben.service", max="max", current=GIB)
    group(cgroup / "user", max=5 * GIB, current=2 * GIB)
    assert free_memory(proc, cgroup) == 3 * GIB


def test_a_group_that_is_not_mounted_in_the_container(tmp_path: Path) -> None:
    proc, cgroup = machine(tmp_path, "0::/../../docker/abc\n")
    group(cgroup, max=GIB, current=GIB // 4)
    assert free_memory(proc, cgroup) == GIB * 3 // 4


def test_a_limit_of_cgroup_v1(tmp_path: Path) -> None:
    proc, cgroup = machine(tmp_path, "5:cpu,cpuacct:/other\n4:memory:/docker/abc\n0::/\n")
    group(cgroup / "memory", limit_in_bytes=2**63 - 4096, usage_in_bytes=GIB)
    assert free_memory(proc, cgroup) == 8 * GIB
    group(cgroup / "memory" / "docker" / "abc", limit_in_bytes=2 * GIB, usage_in_bytes=GIB)
    group(cgroup / "memory" / "docker" / "abc", stat=f"total_inactive_file {GIB // 2}")
    assert free_memory(proc, cgroup) == GIB * 3 // 2


def test_a_group_above_its_limit_has_nothing_left(tmp_path: Path) -> None:
    proc, cgroup = machine(tmp_path, "0::/\n")
    group(cgroup, max=GIB, current=2 * GIB)
    assert free_memory(proc, cgroup) == 0


def test_elsewhere_than_on_linux(tmp_path: Path) -> None:
    assert free_memory(tmp_path / "none", tmp_path / "none") > 2**20
    assert free_memory() > 2**20
