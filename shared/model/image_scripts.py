"""The scripts that run on the builder VM, and their parameters. Pure.

A parameter becomes an environment variable of the script, never a part of its text.
"""

from __future__ import annotations

import base64

from shared.base import names, timing
from shared.model import catalogue, grid_driver, image_record
from shared.model.image_parts import GridDriver
from shared.model.image_request import DriverSource, PulledRegistry
from shared.model.own_steps import ImageStep
from shared.model.plans import ImagePlan, ScriptPlan
from shared.model.results import PullIdentity, RegistryReady, ScriptResult


def install(plan: ImagePlan) -> ScriptPlan:
    """Install all packages in one script: each script costs half a minute besides its work."""
    parameters = {"BUILDER_USER": names.BUILDER_USER, "GPU": "true" if plan.gpu else ""}
    kept = plan.base.kept if plan.base else {}
    parameters |= _given(INFINIBAND="true" if plan.infiniband else None)
    toolkit = plan.container_toolkit_version or kept.get("containerToolkit")
    parameters |= _given(
        DOCKER_VERSION=plan.docker_version or kept.get("docker"), CONTAINER_TOOLKIT_VERSION=toolkit
    )
    variant = "install-gpu" if plan.gpu else "install"
    if plan.gpu and not builds_driver_alone(plan):
        variant = "install-gpu-driver"
        parameters |= _driver_parameters(plan)
    return _script(plan, "install", parameters, script=variant)


def builds_driver_alone(plan: ImagePlan) -> bool:
    """Whether the driver is built by a script of its own, after a restart into its kernel."""
    driver = plan.driver
    return driver is not None and catalogue.driver_needs_its_kernel(plan.system, driver)


def driver(plan: ImagePlan) -> ScriptPlan:
    """Build the driver for the running kernel."""
    return _script(plan, "driver", _driver_parameters(plan))


def has_features(plan: ImagePlan) -> bool:
    """Whether the image has something that most images do not have."""
    return plan.scratch or plan.dcgm


def features(plan: ImagePlan) -> ScriptPlan:
    """Install what few images ask for, in a script of its own: that of `install` has no room."""
    parameters = _given(SCRATCH="true" if plan.scratch else None)
    if plan.dcgm:
        known = _driver_parameters(plan)
        parameters |= {"DCGM": "true", "DRIVER_KIND": known["DRIVER_KIND"]}
        parameters |= _given(DRIVER_VERSION=known.get("DRIVER_VERSION"))
    return _script(plan, "features", parameters)


def _driver_parameters(plan: ImagePlan) -> dict[str, str]:
    kept = plan.base.kept.get("driver") if plan.base else None
    usual, source = plan.grid_driver or GridDriver(), plan.driver_source
    version = plan.driver_version or kept or usual.version
    file = grid_driver.file_of(plan, version)
    return {
        "DRIVER_KIND": plan.driver.value if plan.driver else "",
        "FABRIC_MANAGER": "true" if plan.fabric_manager else "",
        **_given(
            DRIVER_VERSION=version,
            DRIVER_URL=file.url,
            DRIVER_SHA256=file.sha256,
            LAST_GOOD_KERNEL=plan.last_good_kernel,
            DRIVER_SOURCE=source.value if source is not DriverSource.NVIDIA else None,
        ),
    }


def _given(**parameters: str | None) -> dict[str, str]:
    """Those that have a value; a script uses its own for the others."""
    return {name: value for name, value in parameters.items() if value}


def preloads(plan: ImagePlan) -> bool:
    """Whether the image contains container images."""
    return bool(plan.container_images or (plan.registry and plan.registry.build_image))


def preload(
    plan: ImagePlan, registry: RegistryReady | None, identity: PullIdentity | None
) -> ScriptPlan:
    """Pull the container images, those of the registry with the pull identity."""
    server = registry.login_server if registry else ""
    signed = any(each.credentials for each in plan.registries)
    parameters = {
        "IMAGES": "\n".join(_images_to_preload(plan, server)),
        "REGISTRY_LOGIN_SERVER": server,
        "IDENTITY_CLIENT_ID": identity.client_id if identity else "",
        "TENANT_ID": plan.tenant_id or "" if registry or plan.registries else "",
        **_given(
            REGISTRIES="\n".join(_login(registry) for registry in plan.registries),
            VAULT_CLIENT_ID=plan.identity_client_id if signed else None,
        ),
    }
    return _script(plan, "preload", parameters)


def _login(registry: PulledRegistry) -> str:
    if credentials := registry.credentials:
        return f"{registry.login_server} vault {credentials.username} {credentials.password}"
    return f"{registry.login_server} identity {registry.identity}"


def _images_to_preload(plan: ImagePlan, login_server: str) -> list[str]:
    """The request's images, then the image that is built for it."""
    images = list(plan.container_images)
    if plan.registry and plan.registry.build_image and login_server:
        built = f"{login_server}/{plan.registry.build_image}"
        if built not in images:
            images.append(built)
    return images


def seal(
    plan: ImagePlan,
    *,
    gpus: int,
    installed: ScriptResult,
    driver: ScriptResult | None,
    preloaded: ScriptResult | None,
) -> ScriptPlan:
    """Check that what runs after the restart is what was installed, then seal the system.

    `gpus` is how many the builder's size has. What a builder without a GPU cannot prove is left
    to the verification of each pool.
    """
    images = preloaded.images if preloaded else []
    expected = str(gpus) if gpus > 0 else "driver-only"
    parameters = {
        "BUILDER_USER": names.BUILDER_USER,
        "EXPECT_GPU": expected if plan.gpu else "none",
        "SIZE_HAS_GPU": "true" if gpus else "",
        "EXPECT_DOCKER": installed.docker_version or "",
        "EXPECT_TOOLKIT": installed.toolkit_version or "",
        "EXPECT_DRIVER": image_record.driver_version(installed, driver) or "",
        "EXPECT_IMAGES": "\n".join(image.name for image in images),
        "EXPECT_DIGESTS": "\n".join(f"{i.name} {i.digest}" for i in images if i.digest),
        "VERIFY_IMAGE": images[0].name if images else "",
    }
    parameters |= _given(EXPECT_INFINIBAND="true" if plan.infiniband else None)
    return _script(plan, "seal", parameters)


# Beside the time of the owner's own script: for the download, the secrets and the result.
_AROUND_OWN_MINUTES = 10
AFTER_OWN_MINUTES = 15  # until Azure ends the run command


def own(plan: ImagePlan, step: ImageStep) -> ScriptPlan:
    """Run a step of the owner's. Its text and the address of its upload are no parameters here: the
    activity adds them when it starts the script.
    """
    variables = "\0".join(f"{name}={value}" for name, value in step.environment.items())
    parameters = {
        "BUILD_ID": plan.build_id,
        "NONCE": names.digest(plan.build_id, step.record),
        "DEADLINE_SECONDS": str((step.timeout_minutes + _AROUND_OWN_MINUTES) * 60),
        "OWN_NAME": step.name,
        "OWN_SHA256": step.checksum,
        "OWN_URL": step.url or "",
        "OWN_ARCHIVE": "true" if step.is_archive else "",
        "OWN_RUN": step.run or "",
        "OWN_DESTINATION": step.destination or "",
        "OWN_ENVIRONMENT": base64.b64encode(variables.encode()).decode(),
        "OWN_SECRETS": "\n".join(f"{name} {secret}" for name, secret in step.secrets.items()),
        "IDENTITY_CLIENT_ID": plan.identity_client_id or "" if step.secrets else "",
        "OWN_SECONDS": str(step.timeout_minutes * 60),
        "OWN_EXIT_CODES": " ".join(str(code) for code in step.exit_codes),
        "OWN_USER": "" if step.elevated else names.BUILDER_USER,
    }
    minutes = step.timeout_minutes + AFTER_OWN_MINUTES
    return ScriptPlan(
        image=plan, step=step.record, parameters=parameters, timeout_minutes=minutes, own=step
    )


def check(plan: ImagePlan) -> ScriptPlan:
    """The plan by which the output of the `seal` script is found."""
    return _script(plan, "seal", {})


def _script(
    plan: ImagePlan, step: str, parameters: dict[str, str], script: str | None = None
) -> ScriptPlan:
    """The plan of a script, with a nonce of its own and a deadline minutes before Azure's."""
    minutes = int(timing.of_step(step).limit_minutes)
    common = {
        "BUILD_ID": plan.build_id,
        "NONCE": names.digest(plan.build_id, step),
        "DEADLINE_SECONDS": str((minutes - 5) * 60),
    }
    return ScriptPlan(
        image=plan, step=script or step, parameters=common | parameters, timeout_minutes=minutes
    )
