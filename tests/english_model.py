"""A small embedder that reads no Chinese: what a library is like of which the embedder cannot read every book."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from vector_db.static_model import write_static

DIMENSION = 32
_SPECIAL = "[UNK]"


def write_english_model(folder: Path, texts: Iterable[str]) -> Path:
    """A static model whose tokens are the English words of `texts` and the printable ASCII characters.

    Vectors are drawn by chance: texts are near one another that share words. A Chinese character is an unknown token.
    """
    words = sorted({word.lower() for text in texts for word in re.findall("[A-Za-z]{2,}", text)})
    characters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    names = [_SPECIAL, *characters, *(f"##{one}" for one in characters if one.isalnum()), *words]
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": True,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordPiece", "unk_token": _SPECIAL, "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": {name: number for number, name in enumerate(names)},
        },
    }  # fmt: skip
    vectors = np.random.default_rng(0).normal(size=(len(names), DIMENSION)).astype(np.float32)
    # Words that stand everywhere say little.
    vectors[[at for at, name in enumerate(names) if len(name.removeprefix("##")) < 4]] *= 0.1
    vectors[0] = 0
    write_static(folder, json.dumps(tokenizer), vectors, {})
    return folder
