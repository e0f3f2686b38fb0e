"""Models of InternLM2's sizes with random weights: they write nonsense, at the speed of real ones."""

import json
from pathlib import Path
from typing import Any

# Layers, width, inner width, heads, heads of keys and values, vocabulary. 1.8b, 7b: config.json of internlm2-chat.
SIZES: dict[str, tuple[int, int, int, int, int, int]] = {
    "20m": (8, 256, 768, 8, 4, 24_000),
    "1.8b": (24, 2048, 8192, 16, 8, 92_544),
    "7b": (32, 4096, 14_336, 32, 8, 92_544),
}
CONTEXT = 8192
_SPECIAL = ("<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")
_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_random_model(folder: Path, size: str, texts: list[str], device: str) -> None:
    """A model of `size` in the Llama layout, bfloat16; its tokenizer is trained on `texts`."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    layers, width, inner, heads, kv_heads, vocabulary = SIZES[size]
    folder.mkdir(parents=True)
    known = _write_tokenizer(folder, texts)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=CONTEXT,
        rope_theta=1e6,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        tie_word_embeddings=False,
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("meta"):
            model: Any = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    model.to_empty(device=device)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 1:
                weight.fill_(1.0)
            else:
                weight.normal_(0, 0.02)
            if name == "lm_head.weight":
                # An answer that ends by chance would be cheaper than the others, one of no known token has no text.
                weight[: len(_SPECIAL)] = weight[known:] = 0
    model.save_pretrained(folder, max_shard_size="2GB")


def _write_tokenizer(folder: Path, texts: list[str]) -> int:
    """The number of its tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=8000,
        special_tokens=list(_SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    described = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "</s>",
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
        "clean_up_tokenization_spaces": False,
        "chat_template": _TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(described, ensure_ascii=False), encoding="utf-8")
    return int(tokenizer.get_vocab_size())
