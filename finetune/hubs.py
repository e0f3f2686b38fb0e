"""Uploading a model folder by the clients of Hugging Face and of ModelScope, with their own logins."""

from typing import Literal

from core.errors import ConfigError, ModelError
from finetune.publish import Plan

Hub = Literal["huggingface", "modelscope"]
_MESSAGE = "Model published with Keben"
_LOGIN = {
    "huggingface": "log in with `hf auth login`, or set HF_TOKEN; and look at the connection",
    "modelscope": "log in with `ms login`, or set MODELSCOPE_API_TOKEN; and look at the connection",
}


def upload(plan: Plan, hub: Hub, *, private: bool) -> str:
    """Upload the files of a plan without faults; returns the address. Raises ModelError, ConfigError.

    The repository is made if it is not there. One that is public already gets nothing that shall be private.
    """
    plan.require()
    return _to_huggingface(plan, private) if hub == "huggingface" else _to_modelscope(plan, private)


def _to_huggingface(plan: Plan, private: bool) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError, XetDownloadError  # type: ignore[attr-defined]

    api = HfApi(library_name="keben")
    try:
        api.create_repo(plan.repo, private=private, exist_ok=True)
        if private and not api.model_info(plan.repo).private:
            raise _public(plan)
        api.upload_folder(
            repo_id=plan.repo,
            folder_path=plan.model,
            allow_patterns=_names(plan),
            commit_message=_MESSAGE,
            commit_description=f"Gate: {plan.gate}",
        )
    except (OSError, ValueError, RuntimeError, HTTPError, XetDownloadError) as error:
        raise _failed(plan, "huggingface", error) from error
    return f"{api.endpoint}/{plan.repo}"


def _to_modelscope(plan: Plan, private: bool) -> str:
    try:
        from modelscope_hub import HubApi
        from modelscope_hub.errors import HubError
    except ImportError:
        raise ConfigError(
            "publishing on ModelScope needs its client, which is not installed", mend="pip install 'keben[modelscope]'"
        ) from None
    api = HubApi()
    try:
        if not api.repo_exists(plan.repo, "model"):
            api.create_repo(plan.repo, "model", visibility="private" if private else "public")
        elif private and not api.get_repo(plan.repo, "model").private:
            raise _public(plan)
        api.upload_folder(
            plan.repo,
            "model",
            plan.model,
            allow_patterns=_names(plan),
            commit_message=_MESSAGE,
            commit_description=f"Gate: {plan.gate}",
        )
    except (OSError, ValueError, RuntimeError, HubError) as error:
        raise _failed(plan, "modelscope", error) from error
    return f"https://modelscope.cn/models/{plan.repo}"


def _names(plan: Plan) -> list[str]:
    """The files of the plan alone, also when others have come since."""
    return [file.name for file in plan.files]


def _public(plan: Plan) -> ConfigError:
    return ConfigError(
        f"{plan.repo} is there already, and public", mend="make it private on the hub, name another, or drop --private"
    )


def _failed(plan: Plan, hub: Hub, error: Exception) -> ModelError:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return ModelError(f"{plan.repo} could not be uploaded: {said}", mend=_LOGIN[hub])
