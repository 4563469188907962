"""What cannot be asked of an image: combinations of its fields, and secrets in them. Pure."""

from __future__ import annotations

import re

from shared.base.errors import Problem
from shared.model import catalogue, fields, own_steps, secrets
from shared.model.catalogue import OperatingSystem
from shared.model.field_problems import impossible, twice
from shared.model.fields import shown
from shared.model.image_request import DriverSource, Image, SecurityType

# git reads URLs with curl, which takes `https:///HOST/` for `https://HOST/`. Python sees no host in
# it, so an allow-list could not judge it: https://everything.curl.dev/cmdline/urls/scheme
_GIT_HOST = re.compile(rf"https://[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.?(?:{fields.PORT})?/")


_WINDOWS = (
    "Windows is not built here: scripts, drivers and the checks of nodes are for Linux. Batch "
    "itself makes Windows pools from images of the marketplace"
)


def problems_of(image: Image) -> list[Problem]:
    """Every combination in an image that cannot work. What a refresh contains is judged when the
    record of its base has completed it.
    """
    base = image.base
    is_refresh = base is not None and base.id is not None
    return [
        *(_base_problems(image) if is_refresh else contents_problems(image)),
        *_image_problems(image),
        *own_steps.problems(image.steps, has_identity=image.identity is not None),
        *_registry_problems(image),
        *_text_problems(image),
        *_argument_problems(image),
        *twice("image.dataDisks", [f"lun {disk.lun}" for disk in image.data_disks]),
    ]


def contents_problems(image: Image, *, has_driver: bool = False) -> list[Problem]:
    """Every combination in what an image contains, its system first, that cannot work. The base
    image `has_driver` that stays.
    """
    return [
        *(_base_problems(image) or _system_problems(image)),
        *_security_problems(image, has_driver),
        *_software_problems(image),
        *_infiniband_problems(image),
    ]


def _system_problems(image: Image) -> list[Problem]:
    if image.os_version == "":
        return [Problem(field="image.osVersion", code="InvalidValue", message="it is empty")]
    name, version = image.system
    if name.lower().startswith("win"):
        return [Problem(field="image.os", code="NotOffered", message=_WINDOWS)]
    system = catalogue.find_system(name, version)
    if system is None:
        successor = catalogue.retired_system(name, version)
        if successor:
            message = f"Batch retired {name} {version}, custom images included; use {successor}"
            return [
                Problem(
                    field="image.osVersion",
                    code="RetiredSystem",
                    message=message,
                    successor=successor,
                )
            ]
        known = ", ".join(catalogue.known_systems())
        message = f"{shown(f'{name} {version}'.strip())} cannot be built; known are: {known}"
        is_known = image.os_version is not None and name in catalogue.DEFAULT_VERSIONS
        field = "image.osVersion" if is_known else "image.os"
        return [Problem(field=field, code="UnknownSystem", message=message)]
    return _driver_problems(image, system)


def _driver_problems(image: Image, system: OperatingSystem) -> list[Problem]:
    """Why the system cannot have the driver."""
    if image.driver_source is DriverSource.CANONICAL and system.name != "ubuntu":
        message = f"Canonical signs modules for Ubuntu's kernels, not for {system.name}"
        return [impossible("image.driverSource", message)]
    if image.gpu and not system.gpu:
        message = f"NVIDIA serves no driver for {system.name} {system.version} here"
        return [impossible("image.gpu", message)]
    return []


def _base_problems(image: Image) -> list[Problem]:
    """What is wrong with the base image, whichever system it has."""
    base = image.base
    if base is None:
        return []
    named = (base.publisher, base.offer, base.sku)
    if (base.id is None) != all(named) or (base.id and any((*named, base.version))):
        message = "give publisher, offer and sku (and version), or id alone"
        return [impossible("image.base", message)]
    if base.id:
        return []
    if base.is_windows:
        return [Problem(field="image.base", code="NotOffered", message=_WINDOWS)]
    derived = base.system
    if derived is None and not image.says_system:
        message = (
            "say which system the base image has, in os and osVersion: "
            f"{', '.join(catalogue.known_systems())}. Its publisher and offer do not say it"
        )
        return [Problem(field="image.os", code="Missing", message=message)]
    if derived and image.says_system and derived != image.system:
        message = f"the base image has {' '.join(derived)}: say that, or leave os and osVersion out"
        return [impossible("image.os", message)]
    return []


def _image_problems(image: Image) -> list[Problem]:
    found = []
    if image.builder_vm_size and image.builder_vm_sizes:
        found.append(impossible("image.builderVmSizes", "give builderVmSize or builderVmSizes"))
    if image.registry and image.registry.build:
        made = image.registry.build
        if (made.source is None) == (made.context is None):
            found.append(impossible("image.registry.build", "give source or context, exactly one"))
    regions = [r.name for r in image.target_regions]
    if len(set(regions)) < len(regions):
        found.append(impossible("image.targetRegions", "a region is named twice"))
    return found


def _software_problems(image: Image) -> list[Problem]:
    """Software that an image without a GPU does not have."""
    wanted = {
        "driverVersion": image.driver_version,
        "containerToolkitVersion": image.container_toolkit_version,
        "dcgm": image.dcgm,
        "driverSource": image.driver_source is DriverSource.CANONICAL,
    }
    message = "an image without a GPU has no such software: set gpu, or leave this out"
    named = [name for name, version in wanted.items() if version and not image.gpu]
    return [impossible(f"image.{name}", message) for name in named]


def _infiniband_problems(image: Image) -> list[Problem]:
    """The catalogue of the scripts has a stack for the versions of Ubuntu only."""
    name, _ = image.system
    is_known = catalogue.find_system(*image.system) is not None  # else that alone is the problem
    if not image.infiniband or name == "ubuntu" or not is_known:
        return []
    return [impossible("image.infiniband", f"the stack is for Ubuntu here, not for {shown(name)}")]


def _text_problems(image: Image) -> list[Problem]:
    """No message repeats the source: it may hold a secret."""
    found = []
    registry = image.registry
    source = registry.build.source if registry and registry.build else None
    # Azure logs the URL: https://learn.microsoft.com/azure/container-registry/container-registry-tasks-overview
    if source and "@" in source:
        message = (
            "a source has no user name and no token in its URL: they would be stored and logged. "
            "Upload a private source by POST /api/contexts"
        )
        found.append(
            Problem(field="image.registry.build.source", code="SecretInUrl", message=message)
        )
    elif source and not _GIT_HOST.match(source):
        message = "it must name a host after the two slashes, and a port up to 65535: https://HOST/PATH.git"
        found.append(
            Problem(field="image.registry.build.source", code="InvalidValue", message=message)
        )
    return found


def _argument_problems(image: Image) -> list[Problem]:
    """Build arguments are stored here, by Azure, and often in the image's history."""
    made = image.registry.build if image.registry else None
    message = (
        "it looks like a secret: arguments are stored with the request and shown by Azure, and the "
        "history of a container image keeps them. Upload what the build needs as a context"
    )
    return [
        Problem(field=f"image.registry.build.arguments.{name}", code="Secret", message=message)
        for name, value in (made.arguments if made else {}).items()
        if secrets.looks_secret(name, value)
    ]


def _registry_problems(image: Image) -> list[Problem]:
    found, own = [], f"{image.registry.name}.azurecr.io".lower() if image.registry else None
    for index, registry in enumerate(image.registries):
        field = f"image.registries[{index}]"
        if (registry.identity is None) == (registry.credentials is None):
            found.append(impossible(field, "give identity or credentials, exactly one"))
        if registry.credentials and image.identity is None:
            message = (
                "give image.identity: the builder reads the password as a user-assigned identity "
                "that has the role Key Vault Secrets User"
            )
            found.append(impossible(f"{field}.credentials", message))
        if registry.login_server.lower() == own:
            found.append(impossible(f"{field}.loginServer", "it is that of image.registry"))
    servers = [registry.login_server.lower() for registry in image.registries]
    return [*found, *twice("image.registries", servers)]


def _security_problems(image: Image, has_driver: bool) -> list[Problem]:
    trusted = image.security_type is SecurityType.TRUSTED_LAUNCH
    asked = {"secureBoot": image.secure_boot, "vTpm": image.v_tpm}
    found = [
        impossible(f"image.{name}", "only a securityType of TrustedLaunch has it")
        for name, value in asked.items()
        if value is not None and not trusted
    ]
    if trusted and image.managed_image:
        found.append(impossible("image.managedImage", "Azure makes none of a TrustedLaunch VM"))
    is_signed = image.driver_source is DriverSource.CANONICAL
    if trusted and image.gpu and image.secure_boot and not is_signed:
        message = (
            "it refuses NVIDIA's modules, which are built on the machine and not signed; on "
            "Ubuntu, driverSource canonical has signed ones"
        )
        if has_driver:
            message = (
                "it refuses the modules of the base image's driver, which are not signed, and that "
                "driver stays: leave secureBoot out or false; or build the base again from its "
                "system, on Ubuntu with driverSource canonical, which has signed modules"
            )
        found.append(impossible("image.secureBoot", message))
    return found
