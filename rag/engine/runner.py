"""The model and its continuous batching: prompts go in at any time, tokens of all answers come out step by step.

transformers' paged cache and scheduler, with attention and sampling of our own (`attention.py`, `sampling.py`).
"""

import time
from pathlib import Path
from queue import Empty
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.generation.configuration_utils import CompileConfig, ContinuousBatchingConfig
from transformers.generation.continuous_batching.requests import GenerationOutput

from core.errors import ModelError
from core.settings import LlmSettings
from rag.engine.attention import use_ragged_attention
from rag.engine.folder import ModelFolder, inspect_folder
from rag.engine.loading import best_device, best_dtype, load_model
from rag.engine.memory import check_memory, free_memory, weight_bytes
from rag.engine.messages import Add, Beat
from rag.engine.sampling import processors

# Tokens of the cache that are given out, shared and freed together: a shared beginning is found by whole pages.
_PAGE = 64
# Tokens that one step takes in: the more, the longer those wait who are in the middle of an answer.
_STEP_SECONDS, _LEAST_STEP, _LONGEST_STEP = 0.5, 64, 512
_STEP_ON_GPU = 2048
_USUAL_TOKENS, _LONG_TOKENS = 3072, 8192
_WARM_UP = "warm-up"


class Runner:
    """A loaded model that writes many answers at once. limit: longest prompt and answer together, in tokens.

    Raises ModelError for a folder that cannot be loaded, and for a model that does not fit into memory.
    """

    def __init__(self, folder: Path, settings: LlmSettings) -> None:
        described = inspect_folder(folder, settings)
        self.device = best_device(settings)
        self.dtype = best_dtype(settings, self.device)
        pages = _pages(described, settings, self.dtype, self.device)
        model = load_model(folder, settings, self.device, self.dtype)
        step = _step_tokens(model)
        use_ragged_attention(model)
        # Not what rope scaling may stretch it to: the longest answer of a step would change the angles of all others,
        # whose keys are in the cache already.
        self.limit = min(settings.context_tokens or 2**20, described.trained_length, (pages - 1) * _PAGE)
        self._ends = list(described.end_ids)
        generation: Any = GenerationConfig
        self._manager = model.init_continuous_batching(
            generation(do_sample=False, max_new_tokens=settings.max_new_tokens, eos_token_id=self._ends),
            ContinuousBatchingConfig(
                page_size=_PAGE,
                num_blocks=pages,
                max_batch_tokens=max(step, 2 * settings.max_running),
                max_requests_per_batch=settings.max_running,
                # Prompts wait when less of the cache is free: by default 0.15, with which the last of many would.
                safety_margin=0.05,
                # The chooser looks at the options of each step: a replayed graph would not.
                use_cuda_graph=False,
                use_async_batching=False,
                varlen_compile_config=CompileConfig(fullgraph=False, dynamic=True) if settings.compile else None,
                per_request_processors=True,
            ),
        )
        self._manager.logit_processor = processors()

    def warm_up(self) -> None:
        """Start, and write two tokens: what is made at the first use is made now. Raises ModelError if that fails."""
        self._manager.start()
        self._manager.add_request([self._ends[0]] * 8, request_id=_WARM_UP, max_new_tokens=2, eos_token_id=-1)
        while True:
            for output in self.outputs(timeout=1):
                if output.error:
                    raise ModelError(f"the model cannot write: {output.error}", mend="see the message; check its files")
                if output.is_finished():
                    return
            if not self.alive:
                raise ModelError(f"the model cannot write: {self.fault}", mend="see the message; check its files")

    def add(self, request: Add) -> None:
        """Begin an answer; its tokens come out of `outputs`."""
        self._manager.add_request(
            request.prompt,
            request_id=request.id,
            max_new_tokens=request.max_new_tokens,
            streaming=True,
            eos_token_id=self._ends,
            **request.options,
        )

    def cancel(self, request: str) -> None:
        """Free what the answer holds; nothing more comes of it."""
        self._manager.cancel_request(request)

    def outputs(self, timeout: float) -> list[GenerationOutput]:
        """All that has been written since the last call; waits `timeout` seconds at most for the first."""
        found = self._manager.get_result(timeout=timeout)
        outputs: list[GenerationOutput] = []
        while found is not None:
            outputs.append(found)
            try:
                found = self._manager.output_router.output_queue.get_nowait()
            except Empty:
                break
        return outputs

    def stop(self) -> None:
        """End the thread of the model; what is being written is lost."""
        self._manager.stop(block=True, hard_stop=True)

    @property
    def alive(self) -> bool:
        """Whether the thread of the model still runs."""
        return bool(self._manager.is_running())

    @property
    def fault(self) -> str:
        """What ended the thread."""
        return str(self._manager.background_thread_status.fatal_error or "its thread has ended")

    def beat(self) -> Beat:
        """How far the model is."""
        processor: Any = self._manager.batch_processor
        if processor is None:
            return Beat(0, 0, 1.0)
        held = {
            request
            for allocator in processor.cache.cache_allocators.values()
            for request in list(allocator.block_table)
        }
        return Beat(self._manager.current_batch, len(held), float(processor.cache.compute_free_capacity()))


@torch.no_grad()
def _step_tokens(model: Any) -> int:
    """As many tokens as a processor takes in while a reader hardly notices; a GPU takes them all at once."""
    if model.device.type != "cpu":
        return _STEP_ON_GPU
    tokens = torch.zeros(1, 2 * _LEAST_STEP, dtype=torch.long)
    took = []
    for _ in range(4):  # the first makes what is made once; others may be held up by what else runs
        started = time.perf_counter()
        model(tokens, logits_to_keep=1)
        took.append(time.perf_counter() - started)
    fitting = int(tokens.numel() * _STEP_SECONDS / min(took))
    return min(max(fitting, _LEAST_STEP), _LONGEST_STEP)


def _pages(described: ModelFolder, settings: LlmSettings, dtype: torch.dtype, device: torch.device) -> int:
    """Pages of the cache: what the settings ask for, or what is usual within half of the memory left by the weights."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()
    tokens = settings.cache_tokens
    if tokens is None:
        left = max(0, free - weight_bytes(described, settings, dtype.itemsize)) // 2
        room = left // described.cache_bytes(dtype.itemsize)
        tokens = max(_PAGE * 8, min(max(settings.max_running * _USUAL_TOKENS, _LONG_TOKENS), room))
    check_memory(described, settings, dtype.itemsize, tokens, free)
    return tokens // _PAGE + 2
