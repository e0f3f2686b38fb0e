"""A merged InternLM2 (or any chat model that transformers reads natively) as a LangChain chat model."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, PrivateAttr

from core.errors import ModelError
from core.settings import LlmSettings

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}
_TURN_END = "<|im_end|>"


class InternLM2Chat(BaseChatModel):
    """Loads a folder with safetensors weights and a chat template; never runs code from it.

    One answer is generated at a time. Options that may be bound or passed with a call:
    max_new_tokens, temperature (0: greedy), top_p, top_k, repetition_penalty, seed, stop.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    folder: Path
    settings: LlmSettings

    _model: Any = PrivateAttr()
    _tokenizer: Any = PrivateAttr()
    _guard: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    def model_post_init(self, context: Any, /) -> None:
        """Load the weights. Raises ModelError naming the folder and the fault."""
        self._model, self._tokenizer = _load(self.folder)

    @property
    def _llm_type(self) -> str:
        return "internlm2-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"folder": str(self.folder)}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text, usage = "", None
        for chunk in self._stream(messages, stop, run_manager, **kwargs):
            assert isinstance(chunk.message, AIMessageChunk)
            text += str(chunk.message.content)
            usage = chunk.message.usage_metadata or usage
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text, usage_metadata=usage))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        from transformers import TextIteratorStreamer

        inputs = self._tokenizer.apply_chat_template(
            _turns(messages), add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        used = int(inputs["input_ids"].shape[1])
        room = self._model.config.max_position_embeddings - used
        options = _options(self.settings, stop, kwargs, room, self._tokenizer)
        if room < 1:
            raise ModelError(
                f"the prompt has {used} tokens, the model takes {self._model.config.max_position_embeddings}",
                mend="ask with a smaller top_k or a shorter history",
            )
        streamer = TextIteratorStreamer(
            self._tokenizer, skip_prompt=True, skip_special_tokens=True, timeout=self.settings.timeout_seconds
        )
        run = _Run(self._model, self._guard, {**inputs, **options, "streamer": streamer}, kwargs.get("seed"))
        run.start()
        try:
            for piece in _until(streamer, stop or ()):
                if run_manager and piece:
                    run_manager.on_llm_new_token(piece)
                yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        except Empty as error:
            raise ModelError(
                f"the model wrote nothing for {self.settings.timeout_seconds:g} seconds",
                mend="raise KEBEN_LLM__TIMEOUT_SECONDS, or ask for fewer tokens",
            ) from error
        run.finish(self.settings.timeout_seconds)
        written = run.length - used
        usage = UsageMetadata(input_tokens=used, output_tokens=written, total_tokens=used + written)
        yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=usage))


class _Run(threading.Thread):
    """One generation in a thread of its own, so that its tokens can be streamed.

    length: tokens of the prompt and the answer, known at the end.
    """

    def __init__(self, model: Any, guard: threading.Lock, arguments: dict[str, Any], seed: int | None) -> None:
        super().__init__(daemon=True)
        self._generate_with, self._guard, self._arguments, self._seed = model, guard, arguments, seed
        self._error: RuntimeError | ValueError | None = None
        self.length = 0

    def run(self) -> None:
        import torch

        try:
            with self._guard, torch.random.fork_rng(enabled=self._seed is not None):
                if self._seed is not None:
                    torch.manual_seed(self._seed)
                self.length = int(self._generate_with.generate(**self._arguments).shape[1])
        except (RuntimeError, ValueError) as error:
            self._error = error
            self._arguments["streamer"].end()

    def finish(self, timeout: float) -> None:
        """Wait for the thread; raises ModelError with what went wrong in it."""
        self.join(timeout)
        if self._error is not None:
            raise ModelError(
                f"the model failed: {self._error}", mend="see the message; try fewer tokens"
            ) from self._error


def _until(pieces: Iterator[str], stop: Sequence[str]) -> Iterator[str]:
    """`pieces` up to the first stop string, which is left out; what may be the start of one is held back."""
    kept = max(map(len, stop), default=1) - 1
    held = ""
    for piece in pieces:
        held += piece
        cuts = [held.index(end) for end in stop if end in held]
        if cuts:
            yield held[: min(cuts)]
            return
        ready = max(0, len(held) - kept)
        yield held[:ready]
        held = held[ready:]
    yield held


def _load(folder: Path) -> tuple[Any, Any]:
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} is not a model folder: it has no config.json", mend="set KEBEN_LLM__MODEL to one")
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"{folder} has no .safetensors weights", mend="save the model with safe serialization")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        loader: Any = AutoModelForCausalLM
        model, info = loader.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype="auto",
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"the model in {folder} cannot be loaded: {error}", mend="check its files") from error
    if info["missing_keys"]:
        # transformers would fill them with random numbers.
        missing = ", ".join(sorted(info["missing_keys"])[:3])
        raise ModelError(f"the weights in {folder} are not whole: {missing} are missing", mend="copy the model again")
    if not tokenizer.chat_template:
        raise ModelError(
            f"the tokenizer in {folder} has no chat template", mend="add chat_template to tokenizer_config.json"
        )
    model.eval()
    return model, tokenizer


def _turns(messages: Sequence[BaseMessage]) -> list[dict[str, str]]:
    return [{"role": _ROLES[message.type], "content": str(message.text)} for message in messages]


def _options(
    settings: LlmSettings, stop: list[str] | None, given: dict[str, Any], room: int, tokenizer: Any
) -> dict[str, Any]:
    temperature = float(given.get("temperature", settings.temperature))
    ends = {tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(_TURN_END)} - {None, tokenizer.unk_token_id}
    options: dict[str, Any] = {
        "max_new_tokens": max(1, min(int(given.get("max_new_tokens", settings.max_new_tokens)), room)),
        "do_sample": temperature > 0,
        "eos_token_id": sorted(ends),
        "pad_token_id": tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
    }
    if temperature > 0:
        options |= {"temperature": temperature, "top_p": float(given.get("top_p", settings.top_p))}
        options |= {"top_k": int(given["top_k"])} if "top_k" in given else {}
    if "repetition_penalty" in given:
        options["repetition_penalty"] = float(given["repetition_penalty"])
    if stop:
        options |= {"stop_strings": stop, "tokenizer": tokenizer}
    return options
