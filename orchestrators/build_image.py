"""One image version: the steps from an empty resource group to a replicated version.

An image that is copied from a snapshot takes two runs: the first ends with the snapshot, the second
publishes it while the caller removes the builder VM. The caller removes the builder VM in any case.
"""

from __future__ import annotations

from pydantic import Field

from activities import records
from orchestrators import image_steps
from shared.base.errors import Failure, StepFailed
from shared.base.wire import Wire, added
from shared.engine import workflow
from shared.engine.orchestration import orchestration
from shared.engine.polling_loop import Context, Json, StepContext, Workflow
from shared.engine.step_graph import StepsFailed, follow
from shared.model.outcomes import ImageRecord
from shared.model.plans import ImagePlan


class ImageWork(Wire):
    """Input: the image, the context of its steps, and the results of the steps that an earlier run
    has finished, as JSON by step. `publishes`: whether this run goes on to the end.
    """

    image: ImagePlan
    scope: StepContext
    done: dict[str, Json] = {}
    publishes: bool = added(True)


class ImageOutcome(Wire):
    """Output: the image's record, or the error, or the results of a run that does not publish, as
    JSON by step. After an error, whether the builder is sealed, and whether its disk is captured as
    well, so that a resumed build only has to publish it. Both have older names on the wire.
    """

    image: ImageRecord | None = None
    error: Failure | None = None
    is_captured: bool = Field(
        default=False, validation_alias="sealed", serialization_alias="sealed"
    )
    is_sealed: bool = added(False, validation_alias="shut", serialization_alias="shut")
    done: dict[str, Json] = added({})


@orchestration(ImageWork, ImageOutcome)
def build_image(context: Context, work: ImageWork) -> Workflow[ImageOutcome]:
    """Run the steps of an image and record it."""
    steps = image_steps.plan_steps(work.image)
    try:
        to_do = [step for step in steps.all if work.publishes or step is not steps.publish]
        results = yield from follow(context, work.scope, to_do, work.done)
        if not work.publishes:
            return ImageOutcome(done=results.to_wire())
        record = steps.record(results, workflow.now(context))
        yield from workflow.call(context, records.record_image, record)
    except StepsFailed as failed:
        return ImageOutcome(
            error=failed.failure,
            is_captured=steps.captured in failed.results,
            is_sealed=steps.seal in failed.results,
        )
    except StepFailed as failed:
        return ImageOutcome(error=failed.failure)
    return ImageOutcome(image=record)
