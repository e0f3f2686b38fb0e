"""A few damaged files of every format; `make fuzz` runs hundreds."""

from collections.abc import Iterator

import pytest
from fuzzing import Fuzzer

from ingest.readers import SUFFIXES

FILES = 8
SEED = 20260101


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzer]:
    with Fuzzer(tmp_path_factory.mktemp("failed"), SEED, samples=False) as fuzzer:
        yield fuzzer


@pytest.mark.slow
@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_damaged_files_are_read_or_refused_and_harm_nothing(suffix: str, fuzzer: Fuzzer) -> None:
    outcomes = fuzzer.run(suffix, FILES)
    if not outcomes:
        pytest.skip(f"there is no seed file for {suffix}")
    failed = [f"{outcome.verdict}: {outcome.reason}: {outcome.saved}" for outcome in outcomes if outcome.saved]
    assert not failed, f"seed {SEED}; parse them again with tests/fuzz/run.py --replay FILE\n" + "\n".join(failed)
