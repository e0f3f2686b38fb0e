"""Reads one PDF by unstructured: `python unstructured_fast.py FILE`, by a Python that has its PDF part.

Prints elements and characters as JSON, and fails when there are none: unstructured swallows its own errors.
"""

import json
import os
import sys

os.environ["DO_NOT_TRACK"] = "true"
os.environ["UNSTRUCTURED_DISABLE_NOTICE"] = "1"


def main(path: str) -> int | str:
    """Partition with the fast strategy; 0, or why there is nothing."""
    import spacy
    from unstructured.nlp import tokenize
    from unstructured.partition.pdf import partition_pdf

    pipeline = spacy.blank("xx")  # In place of a model that would be downloaded.
    pipeline.add_pipe("sentencizer", config={"punct_chars": list(".!?。！？；…")})
    setattr(tokenize, "_get_nlp", lambda *args, **kwargs: pipeline)  # noqa: B010
    elements = partition_pdf(filename=path, strategy="fast")
    print(json.dumps({"elements": len(elements), "characters": sum(len(element.text) for element in elements)}))
    return 0 if elements else "unstructured gave no elements"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
