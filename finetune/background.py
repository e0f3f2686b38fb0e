"""What a server may have done to a course: the only module of `finetune` that it imports.

Nothing here trains, or loads a model, in the process that calls: each call starts a process of its own, or reads what
one has left. Importing it loads neither models nor XTuner.

Courses         the course files of a folder: started, stopped, looked at and followed by any process
CourseState, CourseDetail, Training, Model, Step, Fault     what they tell
"""

from finetune.course_state import STEPS, CourseDetail, CourseState, Fault, Model, Status, StepStatus, Training
from finetune.courses import Courses, Follower
from finetune.training.progress import Step
from finetune.tuning_job import Kind

__all__ = [
    "STEPS",
    "CourseDetail",
    "CourseState",
    "Courses",
    "Fault",
    "Follower",
    "Kind",
    "Model",
    "Status",
    "Step",
    "StepStatus",
    "Training",
]
