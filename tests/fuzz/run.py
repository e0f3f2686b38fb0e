"""Fuzzing of the readers: `python tests/fuzz/run.py [--files N] [--seed N] [--only .pdf …] [--replay FILE …]`.

Every format that Keben reads is given damaged files, each parsed by the real sandbox with tight limits. Each must be
read, or be refused with a message that names the file and a mend. What else happens is a failure: another exception,
a hang, an empty result, a file or process left behind, a block outside the text. Progress and failures on stderr,
the table on stdout as Markdown; files that fail are saved. Exit code 1 when something failed.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fuzzing import MOST_REASONS, Fuzzer, table
from trial import Outcome, Workshop, run_trial

from ingest.readers import SUFFIXES


def main() -> int:
    """Run and print; the exit code."""
    parser = argparse.ArgumentParser(description="Damaged files for every reader.")
    parser.add_argument("--files", type=int, default=300, metavar="N", help="damaged files a format (300)")
    parser.add_argument("--seed", type=int, default=20260101, metavar="N", help="the same number gives the same files")
    parser.add_argument("--only", nargs="+", metavar="SUFFIX", help="only these formats, as in .pdf .docx")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where files that fail are saved")
    parser.add_argument("--replay", nargs="+", type=Path, metavar="FILE", help="parse these files instead")
    options = parser.parse_args()
    keep = (options.keep or Path(tempfile.mkdtemp(prefix="keben-fuzz-"))).resolve()
    if options.replay:
        return replay([path.resolve() for path in options.replay], keep)
    unknown = set(options.only or ()) - SUFFIXES
    if unknown or options.files < 1:
        parser.error(f"no reader for {', '.join(sorted(unknown))}" if unknown else "--files must be 1 or more")
    found: dict[str, list[Outcome]] = {}
    print(f"seed {options.seed}; files that fail are saved in {keep}", file=sys.stderr, flush=True)
    with Fuzzer(keep, options.seed, samples=True) as fuzzer:
        for suffix in sorted(options.only or SUFFIXES):
            found[suffix] = fuzzer.run(suffix, options.files)
            tell(suffix, found[suffix])
    print(table(found))
    return int(any(outcome.saved for outcomes in found.values() for outcome in outcomes))


def tell(suffix: str, outcomes: list[Outcome]) -> None:
    """The failures of one format, and its commonest reasons."""
    if not outcomes:
        print(f"{suffix}: skipped, there is no seed file for it", file=sys.stderr, flush=True)
        return
    print(f"{suffix}: {len(outcomes)} files", file=sys.stderr, flush=True)
    for outcome in outcomes:
        if outcome.saved:
            print(f"  {outcome.verdict}: {outcome.reason}: {outcome.saved}", file=sys.stderr, flush=True)
    reasons = Counter(outcome.reason for outcome in outcomes if outcome.verdict == "refused")
    for reason, count in reasons.most_common(MOST_REASONS):
        print(f"  {count:4} refused: {reason}", file=sys.stderr, flush=True)


def replay(paths: list[Path], keep: Path) -> int:
    """Parse given files again and say what becomes of each; 1 if one fails."""
    contents = [(path.name, path.read_bytes()) for path in paths]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="keben-fuzz-") as folder:
        workshop = Workshop(Path(folder).resolve() / "replay")
        for name, content in contents:
            outcome = run_trial(workshop, content, name, keep)
            failed += outcome.saved is not None
            print(f"{name}: {outcome.verdict} {outcome.reason} ({outcome.seconds:.1f} s)")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
