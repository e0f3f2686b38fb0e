"""How likely a model in this process holds continuations of a prompt. Deterministic: nothing is drawn."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage

from core.settings import LlmSettings
from rag.engine.folder import inspect_folder

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}
# Tokens of a batch, fillers included, and rows of logits at a time: a vocabulary has 100,000 columns.
_BATCH_TOKENS, _LOGIT_ROWS = 4096, 256

Tokens = tuple[int, ...]


class Scorer:
    """A chat model from `folder`, with its own chat template. Raises ModelError naming the fault.

    limit: longest prompt and continuation together, in tokens.
    """

    def __init__(self, folder: Path, settings: LlmSettings) -> None:
        from transformers import AutoTokenizer

        from rag.engine.loading import best_device, best_dtype, load_model
        from rag.engine.memory import check_memory

        described = inspect_folder(folder, settings)
        self._device = best_device(settings)
        dtype = best_dtype(settings, self._device)
        if self._device.type == "cpu":
            check_memory(described, settings, dtype.itemsize, cache_tokens=0)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        self._tokenizer.chat_template = described.chat_template
        self._model: Any = load_model(folder, settings, self._device, dtype)
        self.limit = min(settings.context_tokens or described.trained_length, described.trained_length)

    def close(self) -> None:
        """Free the model's memory, for another process too."""
        import gc

        import torch

        self._model = None
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def count(self, text: str) -> int:
        """Tokens of `text`, as it stands inside a message."""
        return len(self._ids(text))

    def prompt(self, messages: Sequence[BaseMessage]) -> str:
        """What the model reads before its answer."""
        turns = [{"role": _ROLES[message.type], "content": str(message.text)} for message in messages]
        return str(self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))

    def beginning(self) -> Tokens:
        """What a text begins with that is no conversation: the token for it, if the model has one."""
        number = self._tokenizer.bos_token_id
        return () if number is None else (int(number),)

    def plain(self, text: str) -> Tokens:
        """The tokens of a text that is no conversation."""
        return self._ids(text)

    def split(self, prompt: str, continuation: str) -> tuple[Tokens, Tokens]:
        """The tokens of both together, cut where the continuation begins.

        The two are tokenised as one, as they are when the model reads them: a piece may reach over the border, and
        then counts to the continuation.
        """
        alone, both = self._ids(prompt), self._ids(prompt + continuation)
        at = next((at for at, (one, other) in enumerate(zip(alone, both, strict=False)) if one != other), len(alone))
        at = min(at, len(both) - 1)
        return both[:at], both[at:]

    def log_likelihoods(self, pairs: Sequence[tuple[Tokens, Tokens]]) -> list[float]:
        """Of each continuation after its prompt, neither empty: the summed log-probability of its tokens, in nats.

        Continuations that differ in their last token alone, as letters do, share one pass through the model.
        """
        read = [prompt + continuation[:-1] for prompt, continuation in pairs]
        wanted: dict[Tokens, list[int]] = {}
        for number, tokens in enumerate(read):
            wanted.setdefault(tokens, []).append(number)
        found = [0.0] * len(pairs)
        for batch in _batches(sorted(wanted, key=len, reverse=True)):
            for tokens, hidden in zip(batch, self._hidden(batch), strict=True):
                for number in wanted[tokens]:
                    prompt, continuation = pairs[number]
                    found[number] = self._sum(hidden[len(prompt) - 1 : len(tokens)], continuation)
        return found

    def _ids(self, text: str) -> Tokens:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    def _hidden(self, batch: Sequence[Tokens]) -> Any:
        """The last hidden state of each token, shape (sequences, tokens, width); what follows a sequence is filler."""
        import torch

        width = max(map(len, batch))
        ids = torch.zeros((len(batch), width), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for at, tokens in enumerate(batch):
            ids[at, : len(tokens)] = torch.tensor(tokens)
            mask[at, : len(tokens)] = 1
        with torch.inference_mode():
            output = self._model.base_model(
                input_ids=ids.to(self._device), attention_mask=mask.to(self._device), use_cache=False
            )
        return output.last_hidden_state

    def _sum(self, hidden: Any, continuation: Tokens) -> float:
        import torch

        total = 0.0
        head = self._model.get_output_embeddings()
        with torch.inference_mode():
            for start in range(0, len(continuation), _LOGIT_ROWS):
                some = torch.tensor(continuation[start : start + _LOGIT_ROWS], device=self._device)
                logits = torch.log_softmax(head(hidden[start : start + len(some)]).float(), dim=-1)
                total += float(logits.gather(1, some[:, None]).double().sum())
        return total


def _batches(sequences: Sequence[Tokens]) -> Iterator[list[Tokens]]:
    """Longest first, so that too little memory shows at once."""
    batch: list[Tokens] = []
    for tokens in sequences:
        if batch and (len(batch) + 1) * len(batch[0]) > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(tokens)
    if batch:
        yield batch
