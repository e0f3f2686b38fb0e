"""Counts text in tokens of the embedder, from its tokenizer file alone: the model itself is not loaded."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from core.errors import ModelError
from core.text import compatible, plain
from vector_db.tokenizer import normalise

_FILE, _FORM = "tokenizer.json", "keben.json"
# A tokenizer may make one unknown token of a run of any length; no word of a book is longer than this.
_LONGEST_TOKEN = 16
# transformers writes 10^30 where a tokenizer knows no limit.
_NO_LIMIT = 10**6
_SAMPLE_CHARACTERS = 20_000


class TokenCounter:
    """Tokens of texts as the embedder reads them, without markup; safe to share between threads.

    tokenizer: of the model. reads: most tokens that the embedder reads of one text, None if it reads all. form: how a
    text is written for this model. keben.json beside it may say `"normalised": true`: it then knows words as the
    keyword index does, in lower case and Simplified characters.
    """

    def __init__(self, folder: Path, instruction: str = "") -> None:
        """Load the tokenizer of the model in `folder`; raises ModelError.

        instruction: what is written before each text, and leaves less of it to be read.
        """
        self.tokenizer, limit = load_tokenizer(folder)
        taken = self.tokenizer.num_special_tokens_to_add(is_pair=False)
        if instruction:
            taken += len(self.tokenizer.encode(instruction, add_special_tokens=False).ids)
        self.reads = max(limit - taken, 1) if limit else None
        self.form: Callable[[str], str] = normalise if _is_normalised(folder) else compatible
        self._unknown = _unknown_id(self.tokenizer)
        if not _knows_any(self.tokenizer, self._unknown):
            raise ModelError(
                f"the tokenizer of the embedder in {folder} knows no token of any text", mend="check the model folder"
            )

    def __call__(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        read = [self.form(plain(text)) for text in texts]
        encoded = self.tokenizer.encode_batch_fast(read, add_special_tokens=False)
        return [max(len(one), len(text) // _LONGEST_TOKEN) for one, text in zip(encoded, read, strict=True)]

    def unknown_rate(self, text: str) -> float:
        """Share of tokens of `text` (a sample of a long one) that the tokenizer does not know, 0 to 1.

        An embedder that reads nothing but unknown tokens ranks passages at random.
        """
        read = self.form(_sample(text))
        ids: list[int] = self.tokenizer.encode(read, add_special_tokens=False).ids
        if not ids:
            return 1.0 if any(character.isalnum() for character in read) else 0.0
        if self._unknown is None:
            return 0.0
        return sum(token == self._unknown for token in ids) / len(ids)


def load_tokenizer(folder: Path) -> tuple[Any, int | None]:
    """The tokenizer of the model in `folder`, which neither cuts nor pads, and how much of a text the model reads.

    That is in tokens with the special ones; None if it reads all. Raises ModelError.
    """
    # Imported here: a rebuild without changes counts nothing.
    from tokenizers import Tokenizer

    file = _below(folder, _FILE)
    try:
        tokenizer: Any = Tokenizer.from_file(str(file)) if file else _converted(folder)
        limit = _limit(folder)
    # `tokenizers` raises a bare Exception for a damaged file; nothing narrower is documented.
    except Exception as error:
        raise ModelError(
            f"the tokenizer of the embedder in {folder} cannot be loaded: {error}", mend="check the model folder"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer, limit


def _sample(text: str) -> str:
    """Up to 20,000 characters in ten slices spread over the text."""
    if len(text) <= _SAMPLE_CHARACTERS:
        return text
    step, width = len(text) // 10, _SAMPLE_CHARACTERS // 10
    return "\n".join(text[i * step : i * step + width] for i in range(10))


def _is_normalised(folder: Path) -> bool:
    form = folder / _FORM
    return form.is_file() and bool(json.loads(form.read_text(encoding="utf-8")).get("normalised"))


def _unknown_id(tokenizer: Any) -> int | None:
    model = json.loads(tokenizer.to_str())["model"]
    token = model.get("unk_token")
    unknown = model.get("unk_id") if token is None else tokenizer.token_to_id(token)
    return None if unknown is None else int(unknown)


def _below(folder: Path, name: str) -> Path | None:
    """`name` in the folder or in one of its modules', as 0_StaticEmbedding/."""
    return next((path for path in (folder / name, *sorted(folder.glob(f"[0-9]*/{name}"))) if path.is_file()), None)


def _converted(folder: Path) -> Any:
    """The fast form of a tokenizer that is kept in another form, such as vocab.txt."""
    from transformers import AutoTokenizer

    config = _below(folder, "tokenizer_config.json")
    tokenizer: Any = AutoTokenizer.from_pretrained(
        str(config.parent if config else folder), local_files_only=True, trust_remote_code=False
    )
    return tokenizer.backend_tokenizer


def _knows_any(tokenizer: Any, unknown: int | None) -> bool:
    added = set(tokenizer.get_added_tokens_decoder())
    return any(token != unknown and token not in added for token in range(tokenizer.get_vocab_size()))


def _limit(folder: Path) -> int | None:
    for file, key in (("sentence_bert_config.json", "max_seq_length"), ("tokenizer_config.json", "model_max_length")):
        path = _below(folder, file)
        limit = json.loads(path.read_text(encoding="utf-8")).get(key) if path else None
        if isinstance(limit, int) and limit < _NO_LIMIT:
            return limit
    return None
