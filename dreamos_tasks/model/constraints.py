"""What the values of a task must be: the constraints that the model's annotations name.

Imported only by the doors, which validate: `annotated_types` costs a hot verb more than all of the model. The modules of the
model name these under TYPE_CHECKING and find them here, as soon as somebody asks for their meaning.
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Le, MaxLen, MinLen

from dreamos_tasks.model import mail, plan, retry, task

YEAR_SECONDS = 31_536_000  # longer is a slip of the hand; and every instant computed from it still exists

Title = Annotated[str, MaxLen(task.TITLE_MAX_LENGTH)]
StepName = Annotated[str, MinLen(1), MaxLen(100)]
Steps = Annotated[tuple[plan.Step, ...], MinLen(1)]
PositiveSeconds = Annotated[float, Gt(0), Le(YEAR_SECONDS)]
Seconds = Annotated[float, Ge(0), Le(YEAR_SECONDS)]
Percent = Annotated[float, Ge(0), Le(100)]
Attempts = Annotated[int, Ge(1), Le(1000)]
StepCount = Annotated[int, Ge(1), Le(100)]
Count = Annotated[int, Ge(0)]
Subject = Annotated[str, MinLen(1), MaxLen(mail.SUBJECT_MAX_LENGTH)]
AgentName = Annotated[str, MinLen(1), MaxLen(100)]
Factor = Annotated[float, Ge(1), Le(100)]

# Both pydantic and `get_type_hints` look names up in the module that a class was written in.
_DEFINED = {name: value for name, value in dict(vars()).items() if getattr(value, "__metadata__", None)}
for _module in (mail, plan, retry, task):
    vars(_module).update(_DEFINED)
