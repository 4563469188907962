"""One image version: the steps from an empty resource group to a replicated version.

The caller removes the builder VM, whether this succeeds or fails.
"""

from __future__ import annotations

from activities import records
from orchestrators import image_steps
from shared.base.errors import Failure, StepFailed
from shared.base.wire import Wire
from shared.engine import workflow
from shared.engine.orchestration import orchestration
from shared.engine.polling_loop import Context, Json, StepContext, Workflow
from shared.engine.step_graph import StepsFailed, follow
from shared.model.outcomes import ImageRecord
from shared.model.plans import ImagePlan


class ImageWork(Wire):
    """Input: the image, the context of its steps, and the results of the steps that an earlier try
    has finished, as JSON by step.
    """

    image: ImagePlan
    scope: StepContext
    done: dict[str, Json] = {}


class ImageOutcome(Wire):
    """Output: the image's record or the error; after an error, whether the builder is sealed, so
    that a resumed build only has to publish it.
    """

    image: ImageRecord | None = None
    error: Failure | None = None
    sealed: bool = False


@orchestration(ImageWork, ImageOutcome)
def build_image(context: Context, work: ImageWork) -> Workflow[ImageOutcome]:
    """Run the steps of an image and record it."""
    steps = image_steps.plan_steps(work.image)
    try:
        results = yield from follow(context, work.scope, steps.all, work.done)
        record = steps.record(results, workflow.now(context))
        yield from workflow.call(context, records.record_image, record)
    except StepsFailed as failed:
        return ImageOutcome(error=failed.failure, sealed=steps.generalize in failed.results)
    except StepFailed as failed:
        return ImageOutcome(error=failed.failure)
    return ImageOutcome(image=record)
