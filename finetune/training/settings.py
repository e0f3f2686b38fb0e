"""What is trained and how: the few settings of a run. Everything else of XTuner's config follows from them."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Method = Literal["qlora", "lora", "full"]
Stage = Literal["sft", "pretrain"]
# The linear weights of a layer in the Llama layout.
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class TrainSettings(BaseModel):
    """`[train]` of a course file. Defaults are XTuner's own for InternLM2."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: Path = Field(description="Folder of the chat model to start from, in InternLM2's or the Llama layout.")
    method: Method = Field("lora", description="qlora: adapter over 4-bit weights; lora: adapter; full: all weights.")
    stage: Stage = Field("sft", description="sft: questions with answers; pretrain: running text of the books.")
    r: int = Field(64, ge=1, le=1024, description="Rank of the adapter.")
    alpha: int = Field(16, ge=1, le=4096, description="Scale of the adapter: alpha / r.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout of the adapter.")
    target_modules: tuple[str, ...] = Field(LINEAR, min_length=1, description="Weights that get an adapter.")
    max_length: int = Field(2048, ge=16, le=65536, description="Longest row in tokens; what is longer is cut.")
    packing: bool = Field(
        False, description="Put several rows into one of max_length: faster for many rows; XTuner drops the rest."
    )
    batch: int = Field(1, ge=1, le=1024, description="Rows of one step on one GPU.")
    accumulation: int = Field(16, ge=1, le=4096, description="Steps whose gradients are added before an update.")
    lr: float | None = Field(None, gt=0, lt=1, description="Learning rate; unset: 2e-4 for adapters, 2e-5 for full.")
    warmup: float = Field(0.03, ge=0, lt=1, description="Share of the steps in which the rate rises.")
    epochs: int = Field(3, ge=1, le=1000, description="Times that each row is seen.")
    seed: int = Field(0, ge=0, lt=2**31, description="The same seed gives the same order and adapter.")
    evaluation_prompts: tuple[str, ...] = Field((), max_length=20, description="Questions answered while training.")
    evaluation_every: int = Field(100, ge=1, description="Steps between two evaluations and two checkpoints.")
    evaluation_tokens: int = Field(64, ge=1, le=2048, description="Longest answer of an evaluation, in tokens.")
    checkpoints: int = Field(2, ge=1, le=100, description="Checkpoints that are kept.")
    deepspeed: Literal["zero2", "zero3"] | None = Field(None, description="DeepSpeed over several GPUs.")
    gpus: int = Field(1, ge=1, le=64, description="GPUs of each machine.")
    nodes: int = Field(1, ge=1, le=1024, description="Machines; each runs the same command.")
    node_rank: int = Field(0, ge=0, description="Number of this machine, from 0.")
    master: str = Field("127.0.0.1:29500", description="Address and port of machine 0.")
    tensorboard: bool = Field(False, description="Write logs for TensorBoard beside the others.")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        unknown = set(self.target_modules) - set(LINEAR)
        if unknown:
            raise ValueError(f"target_modules {sorted(unknown)}: the choices are {', '.join(LINEAR)}")
        if self.method == "qlora" and self.deepspeed == "zero3":
            raise ValueError("method qlora and deepspeed zero3: ZeRO-3 cannot split 4-bit weights; use zero2 or lora")
        if self.node_rank >= self.nodes:
            raise ValueError(f"node_rank {self.node_rank} with {self.nodes} nodes: it counts from 0")
        if self.deepspeed and self.gpus * self.nodes == 1:
            raise ValueError(f"deepspeed {self.deepspeed} needs several GPUs: set gpus or nodes")
        return self

    @property
    def rate(self) -> float:
        """The learning rate."""
        return self.lr or (2e-5 if self.method == "full" else 2e-4)


# Settings under which a model of that size fits the memory of a card, by card and the model's parameters in billions.
PRESETS: dict[str, dict[str, dict[str, object]]] = {
    "8gb": {
        "1.8b": {"method": "qlora", "batch": 1, "accumulation": 16, "max_length": 1024},
        "7b": {"method": "qlora", "batch": 1, "accumulation": 16, "max_length": 512, "r": 16},
    },
    "24gb": {
        "1.8b": {"method": "lora", "batch": 2, "accumulation": 8, "max_length": 2048},
        "7b": {"method": "qlora", "batch": 1, "accumulation": 16, "max_length": 2048},
        "20b": {"method": "qlora", "batch": 1, "accumulation": 16, "max_length": 512, "r": 16},
    },
}
_SIZES = (("1.8b", 3e9), ("7b", 10e9), ("20b", 25e9))


def preset(card: str, parameters: int) -> dict[str, object]:
    """The settings for a model of so many parameters on a card. Raises ValueError where it does not fit."""
    if card not in PRESETS:
        raise ValueError(f"preset {card!r}: the choices are {', '.join(PRESETS)}")
    size = next((name for name, most in _SIZES if parameters <= most), None)
    if size is None or size not in PRESETS[card]:
        raise ValueError(f"preset {card!r}: a model of {parameters / 1e9:.1f} billion parameters does not fit it")
    return PRESETS[card][size]
