"""The child process that checks a file before it is taken: `python -m ingest.upload_worker FILE OUT OPTIONS`."""

import json
import sys
from pathlib import Path
from typing import Any

from ingest.check import check_file
from ingest.limits import answer, die_with_parent, lower_limits


def main(path: str, out: str, options: str) -> None:
    """Check `path`. options: JSON of the limits, max_file_mb and max_pages."""
    bounds: dict[str, Any] = json.loads(options)
    lower_limits(bounds["memory_mb"], bounds["cpu_seconds"])
    file = Path(path)

    def check() -> dict[str, Any]:
        check_file(file, bounds["max_file_mb"])
        if file.suffix.lower() == ".pdf":
            # Whether it opens at all, which takes hardly longer than to look.
            from ingest.readers.pdf.file import PdfFile

            PdfFile(file, bounds["max_pages"]).close()
        return {}

    answer(file, Path(out), bounds["memory_mb"], check)


if __name__ == "__main__":
    die_with_parent(sys.argv[3])
    main(*sys.argv[1:4])
