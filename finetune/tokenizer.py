"""tokenizer.model (SentencePiece BPE) → tokenizer.json and tokenizer_config.json that transformers reads by itself.

InternLM2's own tokenizer class loses spaces and shifts special ids under transformers 5. The `tokenizers` library
gives the same ids as SentencePiece if every pair of pieces that makes up a third is a merge, ranked by the score of
that third, and if user-defined pieces are cut out of the text before.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, normalizers, processors
from tokenizers.models import BPE

from core.errors import ModelError
from finetune.folder import write_json
from finetune.sentence_pieces import Kind, Piece, SentencePieces, read_sentencepiece
from finetune.tokenizer_proof import prove_tokenizer
from rag.engine.model_files import FETCH, read_json, read_text

TURN_END = "<|im_end|>"
# InternLM2's vocabulary keeps these places for its chat format; the first releases did not name them.
# Source: tokenizer_config.json of internlm2-chat-7b.
CHAT_TOKENS = {
    "[UNUSED_TOKEN_141]": "<|plugin|>",
    "[UNUSED_TOKEN_142]": "<|interpreter|>",
    "[UNUSED_TOKEN_143]": "<|action_end|>",
    "[UNUSED_TOKEN_144]": "<|action_start|>",
    "[UNUSED_TOKEN_145]": TURN_END,
    "[UNUSED_TOKEN_146]": "<|im_start|>",
}
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_SPACE = "▁"


def convert_tokenizer(source: Path, target: Path, vocab_size: int) -> list[int]:
    """Write tokenizer.json and tokenizer_config.json to `target`; returns the ids that end an answer.

    `vocab_size` is the number of rows of the embedding. Raises ModelError naming the file and the fault.
    """
    path = source / "tokenizer.model"
    model = read_sentencepiece(path)
    given = _read_config(source)
    tokens = _given_tokens(given, source / "tokenizer_config.json")
    special = special_tokens(model.pieces, _in_their_places(tokens, model.pieces, vocab_size))
    tokenizer = build_tokenizer(model, special, path)
    if tokenizer.get_vocab_size() > vocab_size:
        raise ModelError(
            f"{path} has {tokenizer.get_vocab_size()} tokens, the model has vocab_size {vocab_size}",
            mend="take tokenizer.model, tokenizer_config.json and config.json from the same model",
        )
    config = tokenizer_config(given, [token.content for _, token in sorted(special.items()) if token.special])
    _start_with_bos(tokenizer, config["bos_token"], path)
    tokenizer.save(str(target / "tokenizer.json"))
    prove_tokenizer(target / "tokenizer.json", model, special, path)
    write_json(target / "tokenizer_config.json", config)
    return sorted({_id(tokenizer, token, path) for token in (config["eos_token"], TURN_END)})


def special_tokens(pieces: tuple[Piece, ...], given: dict[int, AddedToken]) -> dict[int, AddedToken]:
    """Tokens that are cut out of the text whole, by id: `given`, control pieces, and the chat tokens if not given.

    User-defined pieces are cut out too, but are ordinary text: `special` is False.
    """
    named = {token.content for token in given.values()}
    tokens: dict[int, AddedToken] = {}
    for number, piece in enumerate(pieces):
        chat = CHAT_TOKENS.get(piece.text, "")
        if chat and chat not in named:
            tokens[number] = AddedToken(chat, special=True, normalized=False)
        elif piece.kind in {Kind.UNKNOWN, Kind.CONTROL, Kind.USER_DEFINED}:
            tokens[number] = AddedToken(piece.text, special=piece.kind != Kind.USER_DEFINED, normalized=False)
    return tokens | given


def _in_their_places(given: dict[int, AddedToken], pieces: tuple[Piece, ...], vocab_size: int) -> dict[int, AddedToken]:
    """`given` with the chat tokens at the places that the vocabulary keeps for them, under their names of today.

    The first releases, and tools made for them, call the places [UNUSED_TOKEN_145] and so on; a folder that
    transformers 5 saved has the tokens behind the vocabulary, at ids that the embedding has no rows for.
    """
    kept = {CHAT_TOKENS[piece.text] for piece in pieces if piece.text in CHAT_TOKENS}
    placed: dict[int, AddedToken] = {}
    for number, token in given.items():
        if number >= vocab_size and token.content in kept:
            continue
        name = CHAT_TOKENS.get(token.content)
        placed[number] = AddedToken(name, special=True, normalized=False) if name else token
    return placed


def merges_of(pieces: tuple[Piece, ...]) -> list[tuple[str, str]]:
    """Every pair of pieces that makes up a third, the pairs of the best-scored third first.

    SentencePiece joins the neighbours whose union has the highest score; control, byte and user-defined pieces never
    take part. Ties of the score go to the lower id.
    """
    normal = {piece.text: number for number, piece in enumerate(pieces) if piece.kind == Kind.NORMAL}
    ranked = []
    for text, number in normal.items():
        for cut in range(1, len(text)):
            left, right = normal.get(text[:cut]), normal.get(text[cut:])
            if left is not None and right is not None:
                ranked.append((-pieces[number].score, number, left, right))
    return [(pieces[left].text, pieces[right].text) for _, _, left, right in sorted(ranked)]


def build_tokenizer(model: SentencePieces, special: dict[int, AddedToken], path: Path) -> Tokenizer:
    """A tokenizer with the ids of `model`; `path` is named in errors."""
    pieces = tuple(
        replace(piece, text=special[number].content, kind=Kind.CONTROL) if number in special else piece
        for number, piece in enumerate(model.pieces)
    )
    vocabulary = {piece.text: number for number, piece in enumerate(pieces)}
    unknown = next((new.text for new, old in zip(pieces, model.pieces, strict=True) if old.kind == Kind.UNKNOWN), None)
    if len(vocabulary) < len(pieces) or unknown is None:
        raise ModelError(f"{path} has a piece twice, or no unknown piece", mend=FETCH)
    bpe = BPE(vocabulary, merges_of(pieces), unk_token=unknown, fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(bpe)
    spaces: list[normalizers.Normalizer] = [normalizers.Replace(" ", _SPACE)]
    plain: list[decoders.Decoder] = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    if model.dummy_prefix:
        spaces.insert(0, normalizers.Prepend(_SPACE))
        plain.append(decoders.Strip(" ", 1, 0))
    tokenizer.normalizer = normalizers.Sequence(spaces)
    tokenizer.decoder = decoders.Sequence(plain)
    tokenizer.add_tokens([token for _, token in sorted(special.items())])
    for number, token in special.items():
        if _id(tokenizer, token.content, path) != number:
            raise ModelError(
                f"tokenizer_config.json beside {path} gives {token.content} the id {number}, "
                f"the vocabulary has room for it at {tokenizer.token_to_id(token.content)}",
                mend="take both files from the same model",
            )
    return tokenizer


def tokenizer_config(given: dict[str, Any], special: list[str]) -> dict[str, Any]:
    """A tokenizer_config.json that needs no code of the model; the model's own chat template is kept."""
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}
    tokens = {name: _today(_content(given.get(name) or default)) for name, default in names.items()}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **tokens,
        "additional_special_tokens": [token for token in special if token not in tokens.values()],
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "padding_side": given.get("padding_side", "left"),
        "model_max_length": given.get("model_max_length", 10**30),
        "chat_template": _today(given.get("chat_template") or CHAT_TEMPLATE),
    }


def _today(text: str) -> str:
    """`text` with the chat tokens under their names of today."""
    for old, name in CHAT_TOKENS.items():
        text = text.replace(old, name)
    return text


def _content(token: str | dict[str, Any]) -> str:
    return token if isinstance(token, str) else str(token.get("content"))


def _id(tokenizer: Tokenizer, token: str, path: Path) -> int:
    number = tokenizer.token_to_id(token)
    if number is None:
        raise ModelError(f"the vocabulary of {path} has no {token}", mend="convert an InternLM2 model")
    return number


def _start_with_bos(tokenizer: Tokenizer, bos: str, path: Path) -> None:
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos}:0 $A:0",
        pair=f"{bos}:0 $A:0 {bos}:1 $B:1",
        special_tokens=[(bos, _id(tokenizer, bos, path))],
    )


def _read_config(source: Path) -> dict[str, Any]:
    """tokenizer_config.json, empty if there is none; transformers 5 keeps the chat template in a file beside it."""
    path, template = source / "tokenizer_config.json", source / "chat_template.jinja"
    config = read_json(path) if path.is_file() else {}
    if template.is_file():
        config["chat_template"] = read_text(template)
    if not isinstance(config.get("chat_template") or "", str):
        raise ModelError(f"{path}: chat_template is no text", mend="keep one template, as text")
    return config


def _given_tokens(config: dict[str, Any], path: Path) -> dict[int, AddedToken]:
    try:
        return {
            int(number): AddedToken(
                token["content"],
                special=bool(token.get("special", True)),
                lstrip=bool(token.get("lstrip")),
                rstrip=bool(token.get("rstrip")),
                single_word=bool(token.get("single_word")),
                normalized=False,
            )
            for number, token in config.get("added_tokens_decoder", {}).items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: added_tokens_decoder cannot be read: {error!r}", mend=FETCH) from error
