"""The same prompts without Keben: transformers' own batches, and one `generate` at a time under a lock."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, TextIteratorStreamer
from transformers.generation.configuration_utils import ContinuousBatchingConfig

Messages = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Times:
    """Of one way to write all answers. first, gaps: seconds to the first token and between tokens, of each answer."""

    seconds: float
    tokens: int
    first: tuple[float, ...] = ()
    gaps: tuple[float, ...] = ()

    @property
    def rate(self) -> float:
        """Tokens a second, of all answers together."""
        return self.tokens / self.seconds


class Baseline:
    """A loaded model and its prompts in tokens."""

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self._model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(device).eval()
        self._device = device

    def encode(self, conversations: list[Messages]) -> list[list[int]]:
        """Tokens of each conversation."""
        return [
            self._tokenizer.apply_chat_template(one, add_generation_prompt=True, return_dict=True)["input_ids"]
            for one in conversations
        ]

    def generate_batch(self, prompts: list[list[int]], tokens: int) -> Times:
        """(a) `model.generate_batch` over all prompts, as it is."""
        config = GenerationConfig(do_sample=False, max_new_tokens=tokens, eos_token_id=-1, pad_token_id=2)
        longest = max(map(len, prompts)) + tokens
        batching = ContinuousBatchingConfig(max_batch_tokens=512 if self._device == "cpu" else None)
        if self._device == "cpu":
            # By itself it would take six tenths of the free memory.
            batching.num_blocks = len(prompts) * (longest // batching.page_size + 2)
        self._model.generate_batch(prompts[:1], config, batching, max_new_tokens=4)
        started = time.perf_counter()
        outputs = self._model.generate_batch(prompts, config, batching)
        seconds = time.perf_counter() - started
        return Times(seconds, sum(len(output.generated_tokens) for output in outputs.values()))

    def under_a_lock(self, prompts: list[list[int]], tokens: int, clients: int) -> Times:
        """(b) the tutorials' chat model: clients ask at once, one `model.generate` runs, its tokens are streamed."""
        lock = threading.Lock()
        config = GenerationConfig(do_sample=False, max_new_tokens=tokens, min_new_tokens=tokens, pad_token_id=2)
        started = time.perf_counter()

        def ask(prompt: list[int]) -> tuple[float, list[float]]:
            came: list[float] = []
            streamer = TextIteratorStreamer(self._tokenizer, skip_prompt=True)
            with lock:
                ids = torch.tensor([prompt], device=self._device)
                mask = torch.ones_like(ids)
                arguments = {"generation_config": config, "attention_mask": mask, "streamer": streamer}
                thread = threading.Thread(target=self._model.generate, args=(ids,), kwargs=arguments)
                thread.start()
                for _ in streamer:
                    came.append(time.perf_counter())
                thread.join()
            return came[0] - started, [later - sooner for sooner, later in pairwise(came)]

        with ThreadPoolExecutor(clients) as pool:
            answers = list(pool.map(ask, prompts))
        seconds = time.perf_counter() - started
        gaps = tuple(gap for _, gaps in answers for gap in gaps)
        return Times(seconds, tokens * len(prompts), tuple(first for first, _ in answers), gaps)


def bandwidth(device: str) -> float:
    """Bytes a second that this device reads, by summing up half a gigabyte, the best of five."""
    data = torch.ones(2**27, dtype=torch.float32, device=device)
    best = 0.0
    for _ in range(5):
        _wait(device)
        started = time.perf_counter()
        data.sum()
        _wait(device)
        best = max(best, data.numel() * data.element_size() / (time.perf_counter() - started))
    return best


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
