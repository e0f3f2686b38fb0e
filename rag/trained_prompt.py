"""What a fine-tuned model was shown while training, kept beside its weights, so that it is shown the same again."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from core.errors import ModelError
from rag.engine.model_files import read_json

TRAINED_PROMPT = "keben.json"
Form = Literal["passages", "question"]


@dataclass(frozen=True, slots=True)
class TrainedPrompt:
    """form: `passages` with the question, by Keben's rules, or the bare `question` after `system`, empty for none."""

    form: Form = "passages"
    system: str = ""

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {"prompt": asdict(self)}


KEBENS_OWN = TrainedPrompt()


def read_trained_prompt(folder: Path) -> TrainedPrompt:
    """Of the model in `folder`; Keben's own for a model that Keben did not tune. Raises ModelError for a bad file."""
    path = folder / TRAINED_PROMPT
    if not path.is_file():
        return KEBENS_OWN
    prompt = read_json(path).get("prompt")
    form, system = (prompt.get("form"), prompt.get("system", "")) if isinstance(prompt, dict) else (None, "")
    if form not in ("passages", "question") or not isinstance(system, str):
        raise ModelError(f"{path}: prompt {prompt!r} is none", mend="merge the model again, or delete the file")
    return TrainedPrompt(form, system)
