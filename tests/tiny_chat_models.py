"""Chat models of the families that the service loads, real in all but size: two layers, random weights.

tiny_internlm2   InternLM2 with its whole vocabulary of 92544 ids, converted to the Llama layout; 3 million parameters
tiny_internlm3   InternLM3: head_dim named, ChatML after <s>
tiny_qwen2       Qwen2: biases of q, k and v, tied embeddings, ChatML with a system message of its own
tiny_qwen3       Qwen3: norms of queries and keys
tiny_llama3      Llama 3: <|start_header_id|> … <|eot_id|>, frequencies of llama3

Each writes a new folder and returns it. Their tokenizers are BPE trained on the sample books.
"""

import functools
import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import BPE

KNOWLEDGE = Path(__file__).resolve().parent.parent / "knowledge"
INTERNLM2_VOCABULARY = 92544
INTERNLM2_CHAT = 92538  # the first of its six chat tokens, which are the last of the vocabulary but one
CHATML = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_ENOUGH = 30_000  # characters of each book; all of them take seconds
# Qwen writes a system message where none is given, and has no bos_token.
QWEN_CHATML = (
    "{% if messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
) + CHATML.replace("{{ bos_token }}", "")
LLAMA3_TEMPLATE = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + "
    "'<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)


def tiny_internlm2(folder: Path, seed: int = 0) -> Path:
    """In the Llama layout; InternLM2's own is beside it, in `<folder>-internlm2`."""
    from finetune.layout import convert

    convert(write_internlm2(folder.with_name(f"{folder.name}-internlm2"), seed), folder)
    return folder


def write_internlm2(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """InternLM2's own layout, as internlm2_5-1_8b-chat has it; `changes` go into config.json."""
    from tiny_internlm2 import random_weights, tiny_config, write_model

    sizes = {"hidden_size": 16, "intermediate_size": 40, "max_position_embeddings": 1024}
    config = tiny_config(vocab_size=INTERNLM2_VOCABULARY, **sizes | changes)
    return write_model(folder, config, random_weights(config, seed), pieces=list(internlm2_pieces()))


@functools.cache
def internlm2_pieces() -> tuple[tuple[str, float, int], ...]:
    """A vocabulary with InternLM2's ids: <unk> <s> </s>, bytes, what was learnt from the books, then unused places.

    The last six places but one are [UNUSED_TOKEN_141] to [UNUSED_TOKEN_146], the chat tokens.
    """
    from tiny_internlm2 import BYTE, CHAT, CONTROL, NORMAL, UNKNOWN, UNUSED, USER

    pieces = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
    pieces += [(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)]
    trained = Tokenizer(BPE())
    trained.normalizer = normalizers.Replace(" ", "▁")
    trained.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("▁", "merged_with_next"), pre_tokenizers.Split(Regex(r"\w{1,6}"), "isolated")]
    )
    trained.train_from_iterator(_books(), trainers.BpeTrainer(vocab_size=3000, show_progress=False))
    learnt = sorted(trained.get_vocab().items(), key=lambda entry: entry[1])
    pieces += [(text, -float(rank), NORMAL) for text, rank in learnt]
    pieces += [(f"[UNUSED_PLACE_{number}]", 0.0, UNUSED) for number in range(len(pieces), INTERNLM2_CHAT)]
    return tuple(pieces + [(text, 0.0, USER) for text in CHAT])


def tiny_internlm3(folder: Path, seed: int = 0) -> Path:
    """InternLM3."""
    from transformers import InternLM3Config

    special = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    tokenizer = _byte_level(special)
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", None, [("<s>", tokenizer.token_to_id("<s>"))])
    config = InternLM3Config(**_sizes(tokenizer), num_key_value_heads=2, head_dim=16, **_ids(tokenizer, "<s>", "</s>"))
    described = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}
    return _write(folder, config, tokenizer, {**described, "chat_template": CHATML}, seed)


def tiny_qwen2(folder: Path, seed: int = 0) -> Path:
    """Qwen2."""
    from transformers import Qwen2Config

    tokenizer = _byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    config = Qwen2Config(
        **_sizes(tokenizer, spare=20),
        num_key_value_heads=2,
        tie_word_embeddings=True,
        **_ids(tokenizer, "<|endoftext|>", "<|im_end|>"),
    )
    return _write(folder, config, tokenizer, _QWEN, seed, ["<|im_end|>", "<|endoftext|>"])


def tiny_qwen3(folder: Path, seed: int = 0) -> Path:
    """Qwen3."""
    from transformers import Qwen3Config

    tokenizer = _byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    config = Qwen3Config(
        **_sizes(tokenizer, spare=20),
        num_key_value_heads=2,
        head_dim=16,
        **_ids(tokenizer, "<|endoftext|>", "<|im_end|>"),
    )
    return _write(folder, config, tokenizer, _QWEN, seed, ["<|im_end|>", "<|endoftext|>"])


_QWEN = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "chat_template": QWEN_CHATML}


def tiny_llama3(folder: Path, seed: int = 0) -> Path:
    """Llama 3."""
    from transformers import LlamaConfig

    names = ("begin_of_text", "end_of_text", "start_header_id", "end_header_id", "eot_id")
    tokenizer = _byte_level([f"<|{name}|>" for name in names])
    config = LlamaConfig(
        **_sizes(tokenizer),
        num_key_value_heads=1,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 256,
        },
        **_ids(tokenizer, "<|begin_of_text|>", "<|eot_id|>"),
    )
    described = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "chat_template": LLAMA3_TEMPLATE}
    return _write(folder, config, tokenizer, described, seed, ["<|end_of_text|>", "<|eot_id|>"])


@functools.cache
def _books() -> tuple[str, ...]:
    """Beginnings of the sample books."""
    paths = [*KNOWLEDGE.glob("*.md"), *(KNOWLEDGE / "_sources").glob("*.md")]
    return tuple(path.read_text(encoding="utf-8")[:_ENOUGH] for path in sorted(paths))


@functools.cache
def _trained() -> str:
    """A byte-level BPE without special tokens, as JSON."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=3000, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(_books(), trainer)
    return str(tokenizer.to_str())


def _byte_level(special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer.from_str(_trained())
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


def _sizes(tokenizer: Tokenizer, spare: int = 0) -> dict[str, int]:
    """`spare`: rows of the embedding that no token has, as in Qwen."""
    return {
        "vocab_size": tokenizer.get_vocab_size() + spare,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 2048,
    }


def _ids(tokenizer: Tokenizer, begin: str, end: str) -> dict[str, int]:
    ids = {"bos_token_id": begin, "eos_token_id": end, "pad_token_id": end}
    return {name: tokenizer.token_to_id(token) for name, token in ids.items()}


def _write(
    folder: Path,
    config: Any,
    tokenizer: Tokenizer,
    described: dict[str, Any],
    seed: int,
    ends: list[str] | None = None,
) -> Path:
    """Save all; `ends` go into generation_config.json."""
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: Any = AutoModelForCausalLM.from_config(config)
    if ends:
        model.generation_config = GenerationConfig(eos_token_id=[tokenizer.token_to_id(end) for end in ends])
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **described}
    text = json.dumps(settings, ensure_ascii=False, indent=2)
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
    return folder
