"""Sentence-transformers models small enough to be made in a test."""

from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = ["死锁", "必要", "条件", "进程", "查询", "：", "query", "passage", ":", "what", "is", "a", "transaction", "the"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

VOCABULARY = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}


def bert(folder: Path, *, prompts: dict[str, str] | None = None, **pooling: Any) -> Path:
    """A BERT of chance, two layers, 16 dimensions, that reads 24 tokens."""
    # Imported here: torch takes seconds, also for those who run other tests.
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertModel

    torch.manual_seed(0)
    source = folder.with_name(f"{folder.name}-bert")
    tokenizer().save_pretrained(source)
    BertModel(small_config()).save_pretrained(source)
    transformer = Transformer(str(source), max_seq_length=24)
    modules = [transformer, Pooling(16, **(pooling or {"pooling_mode": "mean"})), Normalize()]
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save_pretrained(str(folder))
    return folder


def static(folder: Path, words: models.Model, weights: np.ndarray) -> Path:
    """A model that looks each token's vector up."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    tokenizer = Tokenizer(words)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    module = StaticEmbedding(tokenizer, embedding_weights=weights)
    SentenceTransformer(modules=[module], device="cpu").save(str(folder))
    return folder


def cross_encoder(folder: Path) -> Path:
    """A cross-encoder of chance with one score, in the form of sentence-transformers."""
    import torch
    from transformers import BertForSequenceClassification

    torch.manual_seed(0)
    config = small_config()
    config.num_labels = 1
    tokenizer().save_pretrained(folder)
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def tokenizer() -> Any:
    """Words of two languages; reads 24 tokens."""
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation()])
    words.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 2), ("[SEP]", 3)]
    )
    named = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=24, **named)


def small_config() -> Any:
    """Two layers, 16 dimensions."""
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        initializer_range=0.5,
    )
