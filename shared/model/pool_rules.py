"""What each field of a pool's request allows by itself, but not beside the others. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from shared.base.errors import Problem
from shared.model import pool_hardware_rules, secrets
from shared.model.autoscale import OffHours, PendingTasks
from shared.model.field_problems import impossible, twice
from shared.model.pool_parts import ResourceFile, StartTask
from shared.model.pool_request import Pool

# Pools with inter-node communication, in an account where Batch allocates the nodes:
# https://learn.microsoft.com/azure/batch/batch-quota-limit#pool-size-limits
_COMMUNICATING_NODES_MAX = 100


def problems_of(pool: Pool, field: str) -> list[Problem]:
    """Every combination in the pool at `field` that cannot work."""
    return [
        *_size_problems(pool, field),
        *_scale_problems(pool, field),
        *_verification_problems(pool, field),
        *_start_task_problems(pool, field),
        *_name_problems(pool, field),
        *_text_problems(pool, field),
        *pool_hardware_rules.problems_of(pool, field),
    ]


def _size_problems(pool: Pool, field: str) -> Iterator[Problem]:
    if pool.vm_size and pool.vm_sizes:
        yield impossible(f"{field}.vmSizes", "give vmSize or vmSizes")
    nodes = sum(pool.most_nodes)
    if pool.inter_node_communication and nodes > _COMMUNICATING_NODES_MAX:
        message = f"Batch allows it for {_COMMUNICATING_NODES_MAX} nodes at most, not {nodes}"
        yield impossible(f"{field}.interNodeCommunication", message)
    # https://github.com/Azure/aztk/issues/226 quotes the service.
    if pool.inter_node_communication and all(pool.most_nodes):
        message = "Batch allows it for dedicated nodes or for spot nodes, not for both in one pool"
        yield impossible(f"{field}.interNodeCommunication", message)


def _scale_problems(pool: Pool, field: str) -> Iterator[Problem]:
    """A formula decides the nodes, or the request does; each has settings of its own."""
    if pool.autoscale and pool.autoscale_formula:
        yield impossible(f"{field}.autoscale", "give autoscale or autoscaleFormula")
    if pool.formula:
        if {"nodes", "low_priority_nodes"} & pool.model_fields_set:
            message = (
                "the formula decides the number of nodes: leave nodes and lowPriorityNodes out"
            )
            own = "autoscale" if pool.autoscale else "autoscaleFormula"
            yield impossible(f"{field}.{own}", message)
        if pool.node_deallocation_option:
            message = "a formula sets $NodeDeallocationOption itself"
            yield impossible(f"{field}.nodeDeallocationOption", message)
        if pool.resize_timeout:
            message = "only a pool with a fixed number of nodes has one"
            yield impossible(f"{field}.resizeTimeout", message)
    elif pool.autoscale_evaluation_interval:
        message = "there is no formula to evaluate: give autoscale or autoscaleFormula"
        yield impossible(f"{field}.autoscaleEvaluationInterval", message)
    yield from _preset_problems(pool, f"{field}.autoscale")


def _preset_problems(pool: Pool, field: str) -> Iterator[Problem]:
    preset = pool.autoscale
    if isinstance(preset, OffHours) and preset.from_hour == preset.to_hour % 24:
        yield impossible(f"{field}.toHour", "it is the hour of fromHour: there is no other time")
    if isinstance(preset, PendingTasks) and preset.min_nodes > preset.max_nodes:
        yield impossible(f"{field}.minNodes", f"it is more than maxNodes, {preset.max_nodes}")


def _verification_problems(pool: Pool, field: str) -> Iterator[Problem]:
    if pool.checks and not pool.verify and "verify" in pool.model_fields_set:
        message = "own checks are part of the verification: leave verify out, or say true"
        yield impossible(f"{field}.checks", message)


def _start_task_problems(pool: Pool, field: str) -> Iterator[Problem]:
    task = pool.start_task
    if task is None:
        return
    field = f"{field}.startTask"
    if not task.wait_for_success:
        message = (
            "batch-prep's checks of the node are part of the start task, and Batch must wait for "
            "them. Let the command itself ignore its failures: COMMAND || true"
        )
        yield impossible(f"{field}.waitForSuccess", message)
    yield from _user_problems(pool, task, f"{field}.userIdentity")
    for index, file in enumerate(task.resource_files):
        yield from _file_problems(file, f"{field}.resourceFiles[{index}]")
    yield from _environment_problems(task, f"{field}.environmentSettings")


def _user_problems(pool: Pool, task: StartTask, field: str) -> Iterator[Problem]:
    user = task.user_identity
    if user is None:
        return
    if (user.auto_user is None) == (user.user_name is None):
        yield impossible(field, "give autoUser or userName, exactly one")
    elif user.auto_user and user.auto_user.elevation_level != "Admin":
        message = (
            "a pool has one start task, and batch-prep's checks in it need an administrator. "
            "Batch does not document the name of its other auto-user, so nothing can be run as "
            "that. Give userName, the name of an account in userAccounts that is no administrator"
        )
        yield impossible(f"{field}.autoUser.elevationLevel", message)
    elif user.user_name and user.user_name not in {a.name for a in pool.user_accounts}:
        message = f"there is no {user.user_name} among userAccounts"
        yield impossible(f"{field}.userName", message)


def _file_problems(file: ResourceFile, field: str) -> Iterator[Problem]:
    if (file.http_url is None) == (file.storage_container_url is None):
        yield impossible(field, "give httpUrl or storageContainerUrl, exactly one")
    elif file.http_url and not file.file_path:
        message = "Batch needs a path for the file of httpUrl"
        yield Problem(field=f"{field}.filePath", code="Missing", message=message)
    elif file.http_url and file.blob_prefix:
        yield impossible(f"{field}.blobPrefix", "it selects blobs of storageContainerUrl only")


def _environment_problems(task: StartTask, field: str) -> Iterator[Problem]:
    yield from twice(field, [each.name for each in task.environment_settings])
    for index, each in enumerate(task.environment_settings):
        if secrets.looks_secret(each.name, each.value):
            message = (
                "name or value look like a secret, which Azure, the app's tables and its histories "
                "would show. Give the address of a Key Vault secret under another name, and let "
                "the command read it as an identity of the pool"
            )
            yield Problem(field=f"{field}[{index}].value", code="Secret", message=message)
        elif "\0" in each.value:
            message = "it has a NUL character in it"
            yield Problem(field=f"{field}[{index}].value", code="InvalidValue", message=message)


def _name_problems(pool: Pool, field: str) -> Iterator[Problem]:
    """Names that Batch takes only once."""
    yield from twice(f"{field}.metadata", [each.name for each in pool.metadata])
    yield from twice(f"{field}.userAccounts", [each.name for each in pool.user_accounts])
    packages = [f"{each.id} {each.version or ''}".strip() for each in pool.application_packages]
    yield from twice(f"{field}.applicationPackages", packages)
    yield from twice(f"{field}.tags", [name.lower() for name in pool.tags])
    if pool.container_configuration:
        servers = [r.registry_server for r in pool.container_configuration.container_registries]
        where = f"{field}.containerConfiguration.containerRegistries"
        yield from twice(where, [server.lower() for server in servers])


def _text_problems(pool: Pool, field: str) -> Iterator[Problem]:
    """No message repeats these texts: they may hold a secret."""
    texts = {f"checks[{i}].command": check.command for i, check in enumerate(pool.checks)}
    if pool.start_task:
        texts["startTask.commandLine"] = pool.start_task.command_line
    if pool.autoscale_formula:
        texts["autoscaleFormula"] = pool.autoscale_formula.replace("\r\n", "\n")
    for name, text in texts.items():
        if not text.strip() or "\0" in text or "\r" in text:
            message = "it is blank, or has a NUL character or a carriage return in it"
            yield Problem(field=f"{field}.{name}", code="InvalidValue", message=message)
