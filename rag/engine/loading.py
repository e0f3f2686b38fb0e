"""A model folder becomes a model in memory: natively by transformers, from safetensors, without code of the model."""

from pathlib import Path
from typing import Any

import torch

from core.errors import ModelError
from core.settings import LlmSettings


def best_device(settings: LlmSettings) -> torch.device:
    """Where the model runs. Raises ModelError for a device that this machine does not have."""
    name = settings.device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"llm.device = {name!r} cannot be used: {error}",
            mend="set KEBEN_LLM__DEVICE to cpu or cuda, or leave it out",
        ) from error
    return device


def best_dtype(settings: LlmSettings, device: torch.device) -> torch.dtype:
    """The format of the weights: bfloat16 where the machine multiplies in it, else what it is exact and quick in."""
    if settings.dtype != "auto":
        chosen: torch.dtype = getattr(torch, settings.dtype)
        return chosen
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    can = torch.cpu.get_capabilities()
    return torch.bfloat16 if can.get("avx512_bf16") or can.get("amx_bf16") else torch.float32


def load_model(folder: Path, settings: LlmSettings, device: torch.device, dtype: torch.dtype) -> Any:
    """The model, on `device`, ready to write. Raises ModelError naming the folder and the fault."""
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {"dtype": dtype, "device_map": {"": device}}
    if settings.bits:
        options["quantization_config"] = _quantization(settings.bits, dtype)
    loader: Any = AutoModelForCausalLM
    try:
        model, info = loader.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            attn_implementation="sdpa",
            **options,
        )
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"the model in {folder} does not fit into the memory of {device}",
            mend="load it in 4 bits (KEBEN_LLM__BITS=4), or take a smaller model",
        ) from error
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelError(f"the model in {folder} cannot be loaded: {error}", mend="check its files") from error
    if info["missing_keys"]:
        # transformers would fill them with random numbers.
        missing = ", ".join(sorted(info["missing_keys"])[:3])
        raise ModelError(f"the weights in {folder} are not whole: {missing} are missing", mend="copy the model again")
    return model.eval()


def _quantization(bits: int, dtype: torch.dtype) -> Any:
    from importlib.util import find_spec

    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise ModelError(
            f"llm.bits = {bits} needs bitsandbytes, which is not installed", mend="pip install 'keben[quantize]'"
        )
    config: Any = BitsAndBytesConfig
    if bits == 8:
        return config(load_in_8bit=True)
    return config(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
