"""The config of a run: a normal XTuner config, which `xtuner train` takes by hand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from finetune.training.settings import TrainSettings

# Fewer updates than this with a rising rate would round to none, which mmengine refuses, or to one, which stays near 0.
_LEAST_WARMUP = 2
Dtype = Literal["float32", "float16", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Machine:
    """What trains. gpus: there are; memory: bytes of the smallest; bfloat16: whether they compute in it."""

    gpus: int
    memory: int
    bfloat16: bool

    @property
    def dtype(self) -> Dtype:
        """The number format to train in; without a GPU float32, in which nothing overflows."""
        return "float32" if not self.gpus else "bfloat16" if self.bfloat16 else "float16"


def steps_of(settings: TrainSettings, rows: int) -> int:
    """Steps of one machine: batches over all epochs."""
    batches = -(-rows // (settings.batch * (settings.gpus * settings.nodes)))
    return settings.epochs * batches


def render(settings: TrainSettings, base: Path, data: Path, machine: Machine, rows: int) -> str:
    """The text of the config. base: a folder in the Llama layout. data: conversations, JSON Lines, `rows` of them."""
    rising = settings.warmup * steps_of(settings, rows) >= _LEAST_WARMUP
    parts = [
        _HEAD,
        _settings(settings, base, data),
        _model(settings, machine.dtype),
        _data(settings),
        _optimizer(machine.dtype),
        _SCHEDULE_RISING if rising else _SCHEDULE,
        _HOOKS,
        _runtime(settings, "nccl" if machine.gpus else "gloo"),
    ]
    return "\n".join(parts)


_HEAD = '''"""Made by `keben finetune train`; `xtuner train` takes it too."""

import torch
from datasets import load_dataset
from mmengine.dataset import DefaultSampler
from mmengine.hooks import CheckpointHook, DistSamplerSeedHook, IterTimerHook, LoggerHook, ParamSchedulerHook
from mmengine.optim import AmpOptimWrapper, CosineAnnealingLR, LinearLR, OptimWrapper
from mmengine.visualization import TensorboardVisBackend, Visualizer
from peft import LoraConfig
from torch.optim import AdamW
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from xtuner.dataset import process_hf_dataset
from xtuner.dataset.collate_fns import default_collate_fn
from xtuner.dataset.map_fns import template_map_fn_factory
from xtuner.engine.hooks import DatasetInfoHook, EvaluateChatHook
from xtuner.engine.runner import TrainLoop
from xtuner.model import SupervisedFinetune
from xtuner.utils import PROMPT_TEMPLATE
'''


def _settings(settings: TrainSettings, base: Path, data: Path) -> str:
    return f"""
pretrained_model_name_or_path = {str(base)!r}
data_path = {str(data)!r}
prompt_template = PROMPT_TEMPLATE.internlm2_chat
max_length = {settings.max_length}
pack_to_max_length = {settings.packing}
batch_size = {settings.batch}
accumulative_counts = {settings.accumulation}
max_epochs = {settings.epochs}
lr = {settings.rate!r}
warmup_ratio = {settings.warmup!r}
save_steps = {settings.evaluation_every}
save_total_limit = {settings.checkpoints}
evaluation_freq = {settings.evaluation_every}
evaluation_inputs = {list(settings.evaluation_prompts)!r}
"""


def _model(settings: TrainSettings, dtype: Dtype) -> str:
    lines = [
        "tokenizer = dict(",
        "    type=AutoTokenizer.from_pretrained,",
        "    pretrained_model_name_or_path=pretrained_model_name_or_path,",
        "    padding_side='right',",
        ")",
        "model = dict(",
        "    type=SupervisedFinetune,",
        "    use_varlen_attn=False,",
        "    llm=dict(",
        "        type=AutoModelForCausalLM.from_pretrained,",
        "        pretrained_model_name_or_path=pretrained_model_name_or_path,",
        # AdamW keeps all weights in float32 where all are trained; autocast computes in the shorter format.
        f"        torch_dtype=torch.{'float32' if settings.method == 'full' else dtype},",
    ]
    if settings.method == "qlora":
        lines += [
            "        quantization_config=dict(",
            "            type=BitsAndBytesConfig,",
            "            load_in_4bit=True,",
            f"            bnb_4bit_compute_dtype=torch.{dtype},",
            "            bnb_4bit_use_double_quant=True,",
            "            bnb_4bit_quant_type='nf4',",
            "        ),",
        ]
    lines.append("    ),")
    if settings.method != "full":
        lines += [
            "    lora=dict(",
            "        type=LoraConfig,",
            f"        r={settings.r},",
            f"        lora_alpha={settings.alpha},",
            f"        lora_dropout={settings.dropout!r},",
            f"        target_modules={list(settings.target_modules)!r},",
            "        bias='none',",
            "        task_type='CAUSAL_LM',",
            "    ),",
        ]
    return "\n".join([*lines, ")"])


def _data(settings: TrainSettings) -> str:
    # Running text has no turns.
    template = (
        "None" if settings.stage == "pretrain" else "dict(type=template_map_fn_factory, template=prompt_template)"
    )
    return f"""
train_dataset = dict(
    type=process_hf_dataset,
    dataset=dict(type=load_dataset, path='json', data_files=dict(train=data_path)),
    tokenizer=tokenizer,
    max_length=max_length,
    dataset_map_fn=None,
    template_map_fn={template},
    remove_unused_columns=True,
    shuffle_before_pack=True,
    pack_to_max_length=pack_to_max_length,
    use_varlen_attn=False,
    map_num_proc=1,  # each process drops the rest of its last pack
)
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=0,
    dataset=train_dataset,
    sampler=dict(type=DefaultSampler, shuffle=True),
    collate_fn=dict(type=default_collate_fn, use_varlen_attn=False),
)"""


def _optimizer(dtype: Dtype) -> str:
    scale = "'dynamic'" if dtype == "float16" else "1.0"
    kind = "OptimWrapper" if dtype == "float32" else "AmpOptimWrapper"
    amp = "" if dtype == "float32" else f"\n    loss_scale={scale},\n    dtype='{dtype}',"
    return f"""
optim_wrapper = dict(
    type={kind},
    optimizer=dict(type=AdamW, lr=lr, betas=(0.9, 0.999), weight_decay=0),
    clip_grad=dict(max_norm=1, error_if_nonfinite=False),
    accumulative_counts=accumulative_counts,{amp}
)"""


_SCHEDULE = """
param_scheduler = [
    dict(type=CosineAnnealingLR, eta_min=0.0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(type=TrainLoop, max_epochs=max_epochs)"""
_SCHEDULE_RISING = """
param_scheduler = [
    dict(
        type=LinearLR,
        start_factor=1e-5,
        by_epoch=True,
        begin=0,
        end=warmup_ratio * max_epochs,
        convert_to_iter_based=True,
    ),
    dict(
        type=CosineAnnealingLR,
        eta_min=0.0,
        by_epoch=True,
        begin=warmup_ratio * max_epochs,
        end=max_epochs,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(type=TrainLoop, max_epochs=max_epochs)"""
_HOOKS = """
custom_hooks = [dict(type=DatasetInfoHook, tokenizer=tokenizer)]
default_hooks = dict(
    timer=dict(type=IterTimerHook),
    logger=dict(type=LoggerHook, log_metric_by_epoch=False, interval=10),
    param_scheduler=dict(type=ParamSchedulerHook),
    checkpoint=dict(type=CheckpointHook, by_epoch=False, interval=save_steps, max_keep_ckpts=save_total_limit),
    sampler_seed=dict(type=DistSamplerSeedHook),
)"""


def _runtime(settings: TrainSettings, backend: str) -> str:
    evaluation = f"""
custom_hooks.append(
    dict(
        type=EvaluateChatHook,
        tokenizer=tokenizer,
        every_n_iters=evaluation_freq,
        max_new_tokens={settings.evaluation_tokens},
        evaluation_inputs=evaluation_inputs,
        prompt_template=prompt_template,
    )
)"""
    board = "dict(type=Visualizer, vis_backends=[dict(type=TensorboardVisBackend)])"
    return f"""{evaluation if settings.evaluation_prompts else ""}
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='{backend}'),
)
visualizer = {board if settings.tensorboard else "None"}
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed={settings.seed}, deterministic=False)
log_processor = dict(by_epoch=False)
"""
