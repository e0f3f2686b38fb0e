"""What indexing costs: `python benchmarks/ingest.py [--only SECTION …] [--data DIR] [--baseline-python PATH]`.

Markdown tables on stdout, progress on stderr. Ratios are taken in one run; let nothing else run beside it.

    pdf        a 300-page text PDF read in the sandbox, and by unstructured (strategy "fast"): time, memory
    memory     the peak memory of the whole process tree while a 1,000-page text book is indexed
    encode     a whole rebuild of English books against bare encoding of the same texts
    tutorial   read, split, Chroma as the usual tutorials do it, against a rebuild: time, R@5 and MRR@10
    scale      50 invented books, 100,000 passages: rebuilds, opening, searching

unstructured's PDF part is not among Keben's packages. An environment that has it, without torch and torchvision:

    python3.11 -m venv /tmp/unstructured
    /tmp/unstructured/bin/pip install "unstructured==0.27.32" pdfminer.six pi-heif pypdf pdf2image pikepdf \
        opencv-python-headless pandas scipy onnx onnxruntime huggingface_hub matplotlib
    /tmp/unstructured/bin/pip install --no-deps unstructured-inference unstructured.pytesseract
    python benchmarks/ingest.py --only pdf --baseline-python /tmp/unstructured/bin/python

Without pikepdf it imports, and gives back no elements for every file without an error.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ingestion import encode, memory, pdf, scale, tutorial
from ingestion.probe import Options

from core.errors import KebenError
from core.settings import PROJECT

SECTIONS = {"pdf": pdf, "memory": memory, "encode": encode, "tutorial": tutorial, "scale": scale}
DATA = PROJECT.parent / "shared" / "data"


def main() -> int:
    """Run the sections and print their tables; the exit code."""
    parser = argparse.ArgumentParser(description="Time, memory and quality of indexing.")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="SECTION", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help=f"folder of the test data ({DATA})")
    parser.add_argument("--baseline-python", type=Path, metavar="PATH", help="one that has unstructured's PDF part")
    parser.add_argument("--pdf-pages", type=int, default=300, metavar="N", help="pages of section pdf (300)")
    parser.add_argument("--memory-pages", type=int, default=1000, metavar="N", help="pages of section memory (1000)")
    parser.add_argument("--books", type=int, metavar="N", help="books of section encode (all)")
    parser.add_argument("--chunks", type=int, default=100_000, metavar="N", help="passages of section scale (100000)")
    given = vars(parser.parse_args())
    names = given.pop("only") or list(SECTIONS)
    options = Options(**given)
    code = 0
    for name in names:
        with tempfile.TemporaryDirectory(prefix="keben-benchmark-") as folder:
            try:
                print(SECTIONS[name].run(options, Path(folder)), end="\n\n", flush=True)
            except KebenError as error:
                print(f"{name}: {error}", file=sys.stderr, flush=True)
                code = error.exit_code
    return code


if __name__ == "__main__":
    sys.exit(main())
