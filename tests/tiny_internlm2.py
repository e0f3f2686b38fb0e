"""Small InternLM2 models in their own layout: folders, weights, a tokenizer.model, and the network written down anew.

`reference_logits` computes what modeling_internlm2.py computes (fused wqkv, rotary embedding with dynamic base,
RMSNorm, SwiGLU), in float64 and one head at a time, so that it shares nothing with the code under test.
"""

import json
import math
import struct
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

WORDS = (
    "the process thread deadlock memory def return print \\frac \\sum \\alpha "
    "操作系统 进程 线程 死锁 银行家算法 数据结构 的 是 了 在 中 和"
).split()
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:;()[]{}=+-*/\\$^_<>|'\"\n\t，。？！（）"
USER_DEFINED = ("Ａ", "Ｂ", "[UNUSED_TOKEN_0]")
CHAT = {
    "[UNUSED_TOKEN_141]": "<|plugin|>",
    "[UNUSED_TOKEN_142]": "<|interpreter|>",
    "[UNUSED_TOKEN_143]": "<|action_end|>",
    "[UNUSED_TOKEN_144]": "<|action_start|>",
    "[UNUSED_TOKEN_145]": "<|im_end|>",
    "[UNUSED_TOKEN_146]": "<|im_start|>",
}
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
Pieces = list[tuple[str, float, int]]


def tiny_pieces() -> Pieces:
    """<unk> <s> </s>, 256 bytes, words with all their beginnings and spaces before, letters, user-defined, chat."""
    pieces: Pieces = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
    pieces += [(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)]
    merged = ["▁▁", "▁▁▁▁", "=="]
    for word in WORDS:
        for text in (word, f"▁{word}"):
            merged += [text[:end] for end in range(2, len(text) + 1)]
    letters = dict.fromkeys(letter.replace(" ", "▁") for letter in LETTERS + "".join(WORDS))
    known = dict.fromkeys([*merged, *letters])
    pieces += [(text, -float(rank), NORMAL) for rank, text in enumerate(known)]
    return pieces + [(text, 0.0, USER) for text in (*USER_DEFINED, *CHAT)]


def write_tokenizer_model(
    path: Path, pieces: Pieces, *, kind: int = 2, prefix: bool = False, squeeze: bool = False
) -> None:
    """A ModelProto of SentencePiece: pieces = 1, trainer_spec = 2, normalizer_spec = 3."""
    data = bytearray()
    for text, score, sort in pieces:
        data += _field(1, _field(1, text.encode()) + b"\x15" + struct.pack("<f", score) + _number(3, sort))
    data += _field(2, _number(3, kind) + _number(35, 1))
    data += _field(3, _field(1, b"identity") + _number(3, int(prefix)) + _number(4, int(squeeze)))
    path.write_bytes(data)


def _varint(value: int) -> bytes:
    more = bytearray()
    while value > 0x7F:
        more.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*more, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def tiny_config(**changes: Any) -> dict[str, Any]:
    """config.json as internlm2-chat-1_8b has it, with small sizes."""
    return {
        "architectures": ["InternLM2ForCausalLM"],
        "attn_implementation": "eager",
        "auto_map": {"AutoConfig": "configuration_internlm2.InternLM2Config"},
        "bias": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 64,
        "initializer_range": 0.02,
        "intermediate_size": 96,
        "max_position_embeddings": 256,
        "model_type": "internlm2",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "pad_token_id": 2,
        "rms_norm_eps": 1e-05,
        "rope_scaling": {"type": "dynamic", "factor": 2.0},
        "rope_theta": 1000000,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "transformers_version": "4.41.0",
        "use_cache": True,
        "vocab_size": len(tiny_pieces()) + 5,
    } | changes


def random_weights(config: dict[str, Any], seed: int = 0) -> dict[str, Tensor]:
    """Weights by InternLM2's names, of the config's dtype."""
    generator = torch.Generator().manual_seed(seed)
    dtype = getattr(torch, config["torch_dtype"])
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"] or config["num_attention_heads"]
    fused = (heads + 2 * kv_heads) * hidden // heads

    def matrix(*shape: int, spread: float = 0.15) -> Tensor:
        return (torch.randn(*shape, generator=generator) * spread).to(dtype)

    weights = {"model.tok_embeddings.weight": matrix(config["vocab_size"], hidden, spread=1.0)}
    for number in range(config["num_hidden_layers"]):
        layer = {
            "attention.wqkv.weight": matrix(fused, hidden),
            "attention.wo.weight": matrix(hidden, hidden),
            "feed_forward.w1.weight": matrix(inner, hidden),
            "feed_forward.w3.weight": matrix(inner, hidden),
            "feed_forward.w2.weight": matrix(hidden, inner),
            "attention_norm.weight": 1 + matrix(hidden),
            "ffn_norm.weight": 1 + matrix(hidden),
        }
        if config["bias"]:
            layer |= {"attention.wqkv.bias": matrix(fused), "attention.wo.bias": matrix(hidden)}
        weights |= {f"model.layers.{number}.{name}": weight for name, weight in layer.items()}
    weights["model.norm.weight"] = 1 + matrix(hidden)
    if not config["tie_word_embeddings"]:
        weights["output.weight"] = matrix(config["vocab_size"], hidden)
    return weights


def write_weights(folder: Path, weights: dict[str, Tensor], shards: int = 1, *, pickled: bool = False) -> None:
    """One file, or several with an index; safetensors, or pickled as in the first releases."""
    stem, ending = ("pytorch_model", "bin") if pickled else ("model", "safetensors")
    places: dict[str, str] = {}
    for number in range(shards):
        name = f"{stem}.{ending}" if shards == 1 else f"{stem}-{number + 1:05}-of-{shards:05}.{ending}"
        part = dict(list(weights.items())[number::shards])
        if pickled:
            torch.save(part, folder / name)
        else:
            save_file(part, folder / name, metadata={"format": "pt"})
        places |= dict.fromkeys(part, name)
    if shards > 1:
        write_json(folder / f"{stem}.{ending}.index.json", {"metadata": {}, "weight_map": places})


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2), encoding="utf-8")


def write_model(
    folder: Path,
    config: dict[str, Any],
    weights: dict[str, Tensor],
    shards: int = 1,
    *,
    pickled: bool = False,
    pieces: Pieces | None = None,
) -> Path:
    """A whole InternLM2 folder; returns it."""
    folder.mkdir(parents=True)
    pieces = pieces or tiny_pieces()
    write_json(folder / "config.json", config)
    write_weights(folder, weights, shards, pickled=pickled)
    write_tokenizer_model(folder / "tokenizer.model", pieces)
    named = {text: CHAT.get(text, text) for text in ("<unk>", "<s>", "</s>", *CHAT)}
    added = {
        str(number): {"content": named[text], "lstrip": False, "normalized": False, "special": True}
        for number, (text, *_) in enumerate(pieces)
        if text in named
    }
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}
    write_json(
        folder / "tokenizer_config.json",
        {
            "added_tokens_decoder": added,
            "additional_special_tokens": list(CHAT.values())[::-1],
            "auto_map": {"AutoTokenizer": ["tokenization_internlm2.InternLM2Tokenizer", None]},
            "tokenizer_class": "InternLM2Tokenizer",
            "chat_template": "{{ bos_token }}{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
            "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
            **tokens,
        },
    )
    return folder


def reference_logits(config: dict[str, Any], weights: dict[str, Tensor], ids: list[int]) -> Tensor:
    """Logits of InternLM2, shape (tokens, vocabulary)."""
    weights = {name: weight.double() for name, weight in weights.items()}
    state = weights["model.tok_embeddings.weight"][torch.tensor(ids)]
    for number in range(config["num_hidden_layers"]):
        layer = {
            name.removeprefix(f"model.layers.{number}."): weight
            for name, weight in weights.items()
            if name.startswith(f"model.layers.{number}.")
        }
        state = state + _attention(config, layer, _norm(config, state, layer["attention_norm.weight"]))
        inner = _norm(config, state, layer["ffn_norm.weight"])
        gate = inner @ layer["feed_forward.w1.weight"].T
        gate = gate * torch.sigmoid(gate)
        state = state + (gate * (inner @ layer["feed_forward.w3.weight"].T)) @ layer["feed_forward.w2.weight"].T
    head = weights["model.tok_embeddings.weight" if config["tie_word_embeddings"] else "output.weight"]
    return _norm(config, state, weights["model.norm.weight"]) @ head.T


def _norm(config: dict[str, Any], state: Tensor, weight: Tensor) -> Tensor:
    return weight * state / (state.pow(2).mean(-1, keepdim=True) + config["rms_norm_eps"]).sqrt()


def _attention(config: dict[str, Any], layer: dict[str, Tensor], state: Tensor) -> Tensor:
    """Row by row of wqkv: for each key-value head its query heads, then its key, then its value."""
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"] or config["num_attention_heads"]
    size, group, count = config["hidden_size"] // heads, heads // kv_heads, len(state)
    fused = state @ layer["attention.wqkv.weight"].T + layer.get("attention.wqkv.bias", torch.zeros(()))
    later = torch.ones(count, count).triu(1).bool()
    done = []
    for kv_head in range(kv_heads):
        start = kv_head * (group + 2) * size
        rows = [fused[:, start + place * size : start + (place + 1) * size] for place in range(group + 2)]
        key, value = _rotate(config, rows[group]), rows[group + 1]
        for query in rows[:group]:
            scores = (_rotate(config, query) @ key.T / math.sqrt(size)).masked_fill(later, -math.inf)
            done.append(scores.softmax(-1) @ value)
    return torch.cat(done, dim=-1) @ layer["attention.wo.weight"].T + layer.get("attention.wo.bias", torch.zeros(()))


def _rotate(config: dict[str, Any], vectors: Tensor) -> Tensor:
    """Rotary embedding, the two halves of a vector being the pairs; the base grows past the trained length."""
    count, size = vectors.shape
    base, scaling, limit = config["rope_theta"], config["rope_scaling"], config["max_position_embeddings"]
    places = torch.arange(count, dtype=torch.float64)
    if scaling and scaling["type"] == "linear":
        places = places / scaling["factor"]
    elif scaling and count > limit:
        base = base * (scaling["factor"] * count / limit - (scaling["factor"] - 1)) ** (size / (size - 2))
    angles = places[:, None] * base ** -(torch.arange(0, size, 2, dtype=torch.float64) / size)
    first, second = vectors.chunk(2, dim=-1)
    return torch.cat(
        (first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()), dim=-1
    )
