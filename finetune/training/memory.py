"""How much memory a run will take, estimated before it starts.

Weights, gradients and AdamW's two moments are counted; activations are those of one layer at a time, as with activation
checkpointing, and the inputs of all (Korthikanti et al., "Reducing Activation Recomputation", 2022), and the logits.
"""

from dataclasses import dataclass

from core.errors import TrainingError
from finetune.training.config import Machine
from finetune.training.settings import TrainSettings
from rag.engine.folder import ModelFolder
from rag.engine.memory import free_memory
from rag.engine.model_files import read_json

_BITS4 = 0.53  # bytes of a weight in nf4, with its doubly quantised scales
_TRAINED = 16  # bytes for a trained weight in float32: itself, its gradient, two moments
_LAYER = 34  # bytes of activations of one layer, for a token and a unit of width, in 16 bits
_LOGIT = 10  # bytes for a token and an entry of the vocabulary: 16 bits, float32, its gradient
_OVERHEAD = 1.1e9  # CUDA context, fragments
_SAFE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes. trained: weights that are trained, with what the optimizer keeps. there: memory of the machine."""

    weights: float
    trained: float
    activations: float
    there: float

    @property
    def total(self) -> float:
        """All together."""
        return self.weights + self.trained + self.activations


def estimate(settings: TrainSettings, model: ModelFolder, machine: Machine) -> Estimate:
    """For one GPU, or for the processor."""
    width = 4 if machine.dtype == "float32" else 2
    config = read_json(model.path / "config.json")
    hidden, inner = int(config["hidden_size"]), int(config["intermediate_size"])
    tokens = settings.batch * settings.max_length
    if settings.method == "full":
        share = settings.gpus * settings.nodes if settings.deepspeed == "zero3" else 1
        weights, trained = 0.0, model.parameters * _TRAINED / share
    else:
        rows = {
            "gate_proj": inner + hidden,
            "up_proj": inner + hidden,
            "down_proj": inner + hidden,
            "q_proj": 2 * hidden,
            "o_proj": 2 * hidden,
            "k_proj": hidden + model.kv_heads * model.head_dim,
            "v_proj": hidden + model.kv_heads * model.head_dim,
        }
        adapter = model.layers * settings.r * sum(rows[name] for name in settings.target_modules)
        trained = float(adapter * _TRAINED)
        inside = model.layer_parameters * (_BITS4 if settings.method == "qlora" else width)
        weights = inside + (model.parameters - model.layer_parameters) * width
    inputs = model.layers * tokens * hidden * width
    activations = inputs + tokens * (hidden * _LAYER + inner * 4) * width / 2 + tokens * model.vocab_size * _LOGIT
    if machine.gpus:
        activations += _OVERHEAD
    return Estimate(weights, trained, activations, float(machine.memory or free_memory()))


def check_memory(settings: TrainSettings, model: ModelFolder, machine: Machine) -> Estimate:
    """The estimate. Raises TrainingError when that will not fit."""
    found = estimate(settings, model, machine)
    if found.total > found.there * _SAFE:
        raise TrainingError(
            f"training would take about {found.total / 1e9:.1f} GB (weights {found.weights / 1e9:.1f}, what is trained "
            f"{found.trained / 1e9:.1f}, activations {found.activations / 1e9:.1f}); there are {found.there / 1e9:.1f}",
            mend="lower max_length, batch or r; take method qlora, a preset, or a smaller base model",
        )
    return found
