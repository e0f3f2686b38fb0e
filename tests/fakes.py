"""Fakes for the language model, the one part that most tests do not run for real; and a served application."""

import asyncio
import json
import shutil
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from fastapi.testclient import TestClient
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from core.errors import KebenError
from core.settings import Settings
from core.types import Citation
from rag.draft import cite
from rag.writers import Draft, Task
from server.app import create_app
from server.service import Startup

T = TypeVar("T")


class ScriptedChat(BaseChatModel):
    """A chat model that says `reply`, cut into `pieces` characters at a time, and remembers what it was asked."""

    reply: str
    piece: int = 3

    _calls: list[tuple[list[BaseMessage], dict[str, Any]]] = PrivateAttr(default_factory=list)

    @property
    def calls(self) -> list[tuple[list[BaseMessage], dict[str, Any]]]:
        """Messages and options of each call, in order; `stop` is among the options."""
        return self._calls

    def get_num_tokens(self, text: str) -> int:
        """A token a character."""
        return len(text)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self._calls.append((messages, {**kwargs, "stop": stop}))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.reply))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        self._calls.append((messages, {**kwargs, "stop": stop}))
        for start in range(0, len(self.reply), self.piece):
            yield ChatGenerationChunk(message=AIMessageChunk(self.reply[start : start + self.piece]))


@dataclass
class LyingWriter:
    """A writer that cites the first passage truly as [1], and as [2], [3], … whatever `lies` make of that citation.

    Each lie is a set of changed fields, such as `{"quote": "…"}`.
    """

    lies: Sequence[dict[str, Any]]
    model: str = "liar"
    tasks: list[Task] = field(default_factory=list)

    def check(self) -> None:
        """Always ready."""

    async def stream(self, task: Task) -> AsyncIterator[str | Draft]:
        """One piece, then the draft."""
        self.tasks.append(task)
        passage = task.passages[0]
        truth = cite(1, passage, 0, len(passage.chunk.text))
        told = [replace(truth, id=number, **lie) for number, lie in enumerate(self.lies, 2)]
        citations: tuple[Citation, ...] = (truth, *told)
        text = " ".join(f"A claim.[{citation.id}]" for citation in citations)
        yield text
        yield Draft(text, citations)


@dataclass
class SilentWriter:
    """A writer that finds no words."""

    model: str = "silent"

    def check(self) -> None:
        """Always ready."""

    async def stream(self, task: Task) -> AsyncIterator[str | Draft]:
        """An empty draft."""
        yield Draft("", ())


def gathered(stream: AsyncIterator[T]) -> list[T]:
    """All that comes out of `stream`."""

    async def collect() -> list[T]:
        return [item async for item in stream]

    return asyncio.run(collect())


def copy_knowledge_bases(settings: Settings, data_dir: Path) -> None:
    """Those of `settings`, without the service's state: what other tests have asked, counted and made keys for."""
    shutil.copytree(settings.data_dir, data_dir, ignore=shutil.ignore_patterns(".service"))


@contextmanager
def serving(settings: Settings) -> Iterator[TestClient]:
    """A client of the real application, once it can answer questions."""
    done = threading.Event()
    failures: list[KebenError] = []

    def fail(error: KebenError) -> None:
        failures.append(error)
        done.set()

    app = create_app(settings, Startup(on_ready=done.set, on_failure=fail))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert done.wait(300), "neither ready nor failed"
        assert not failures, failures
        yield client


_SPECIAL = ("<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")
_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# What the tiny model says, token by token. 锁 is three tokens, one a byte, as rare characters are in real models.
_SAYS = (
    "死",
    "<0xE9>",
    "<0x94>",
    "<0x81>",
    "是指",
    "进程",
    "互相",
    "等待",
    "。",
    "[",
    "1",
    "]",
    "▁It",
    "▁is",
    "▁a",
    "▁cycle",
)
TINY_REPLY = "死锁是指进程互相等待。[1] It is a cycle"
TINY_TOKENS = len(_SAYS) + 1


def write_tiny_model(folder: Path, *, positions: int = 4096, endless: bool = False) -> None:
    """Save a real Llama of two layers with a byte tokenizer and a chat template into `folder`.

    Its output layer is set by hand so that the likeliest token after each token of `_SAYS` is the next one: greedy, it
    says TINY_REPLY and ends its turn (TINY_TOKENS tokens), or begins again if `endless`; sampling strays from that.
    """
    names = write_tokenizer(folder)
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(names),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        bos_token_id=names.index("<s>"),
        eos_token_id=names.index("</s>"),
        pad_token_id=names.index("</s>"),
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
        embeddings = torch.nn.functional.normalize(torch.randn(len(names), config.hidden_size), dim=1)
        model.model.embed_tokens.weight.copy_(embeddings)
        model.lm_head.weight.zero_()
        for token, following in pairwise(("<0x0A>", *_SAYS, _SAYS[0] if endless else "<|im_end|>")):
            model.lm_head.weight[names.index(following)] += embeddings[names.index(token)]
        model.save_pretrained(folder)


def write_tokenizer(folder: Path) -> list[str]:
    """Save the tokenizer; the names of its tokens by id."""
    from tokenizers import AddedToken, Tokenizer, decoders, normalizers
    from tokenizers.models import BPE

    names = [*_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    names += [name for name in _SAYS if name not in names]
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in _SPECIAL])
    folder.mkdir(parents=True)
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
    return names
