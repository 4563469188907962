"""Whether the preloaded container images can use the GPUs of an image: their CUDA and its driver.

Only a warning comes of it: who starts a container may switch the toolkit's comparison off.
"""

from __future__ import annotations

from activities import base_image
from shared.base.errors import Problem
from shared.base.wire import replace
from shared.engine.activity import PollState, Services
from shared.model import cuda
from shared.model.plans import ImagePlan

_ASKED_MAX = 20  # images: one costs a registry up to four requests, and Docker Hub counts pulls
_TOO_NEW = "CudaTooNew"


def warnings(services: Services, image: ImagePlan, poll: PollState) -> list[Problem]:
    """A warning for each container image that requires a newer driver, as far as registries say.
    After one that cannot be reached, no other is asked: the network may let the app reach none.
    """
    from azure.core.exceptions import AzureError, ServiceRequestError

    image = _with_kept_driver(services, image)
    found = []
    for index, name in enumerate(image.container_images[:_ASKED_MAX] if image.gpu else ()):
        try:
            environment = _environment(services, name, poll)
        except ServiceRequestError:
            break
        except (AzureError, ValueError, LookupError):
            continue
        if why := cuda.problem(image, name, environment):
            field = f"image.containerImages[{index}]"
            found.append(Problem(field=field, code=_TOO_NEW, message=why))
    return found


def _with_kept_driver(services: Services, image: ImagePlan) -> ImagePlan:
    """A refresh keeps the driver of its base, unless the request names another."""
    if image.driver_version:
        return image
    return replace(image, driver_version=base_image.kept_driver(services, image))


def _environment(services: Services, name: str, poll: PollState) -> list[str]:
    def ask() -> list[str]:
        return services.azure.image_environment(name)

    return services.cache.get(("container image", name), poll.now, ask)
