"""The builder VM: create, restart, deallocate, generalize and remove it."""

from __future__ import annotations

from activities.arm_resource import Resource, is_tagged, removal
from shared.azure import bodies, resource_state, sdk
from shared.azure.sdk import Started
from shared.base import names
from shared.base.errors import Failure, Kind
from shared.engine import decisions
from shared.engine.activity import Json, NoResult, PollState, Reconciler, Services
from shared.engine.decisions import Decision, Done, Fail, Start, Wait
from shared.model.plans import ImagePlan
from shared.model.results import BuilderKept, BuilderReady


def path(plan: ImagePlan) -> tuple[str, str]:
    """Resource group and name."""
    return plan.resource_group, names.builder_vm(plan.build_id)


def observe(services: Services, plan: ImagePlan, _: PollState) -> Json | None:
    """The VM with its instance view, or None."""
    calls = services.azure.compute.virtual_machines
    return sdk.fetch(calls.get, *path(plan), expand="instanceView")


# -- create ---------------------------------------------------------------------------------------


def _create(services: Services, plan: ImagePlan, _: PollState) -> Started:
    key = plan.public_key or services.new_public_key()
    calls = services.azure.compute.virtual_machines
    return sdk.send(calls.begin_create_or_update, *path(plan), bodies.builder_vm(plan, key))


def _delete(services: Services, plan: ImagePlan, _: PollState) -> Started:
    calls = services.azure.compute.virtual_machines
    return sdk.send_delete(calls.begin_delete, *path(plan), force_deletion=True)


def _decide_created(
    plan: ImagePlan, observed: Json | None, poll: PollState
) -> Decision[BuilderReady]:
    """Done when Azure has created the VM; run commands wait for the VM's agent by themselves. A VM
    that failed in another size is deleted before the next size is tried.
    """
    if observed is None:
        return Wait() if poll.started == "create" else Start(action="create")
    if not is_tagged(observed, plan.build_id):
        advice = "Remove the VM: batch-prep needs its name."
        return Fail(failure=decisions.foreign(plan.vm_id, "it is not this build's", advice))
    state = resource_state.provisioning(observed)
    if state == "broken":
        if poll.started == "create":
            return Fail(failure=decisions.broken(plan.vm_id))
        return Wait() if poll.started == "delete" else Start(action="delete")
    if state != "ready":
        return Wait(note="the VM is being created")
    return Done(result=_built(plan, observed))


def _built(plan: ImagePlan, observed: Json) -> BuilderReady:
    assert plan.base is not None
    return BuilderReady(
        size=resource_state.properties(observed)["hardwareProfile"]["vmSize"],
        base=plan.base,
        expires_at=observed["tags"].get(names.TAG_EXPIRES, plan.tags[names.TAG_EXPIRES]),
        identity_client_id=plan.identity_client_id,
    )


def _place(plan: ImagePlan) -> str:
    """Size, region and zone: of several, each try has its own."""
    return f"{plan.size} in {plan.location}" + (f", zone {plan.zone}" if plan.zone else "")


create_builder_vm = Reconciler(
    name="create_builder_vm",
    plan=ImagePlan,
    result=BuilderReady,
    verb="create the builder VM",
    subject=lambda plan: plan.vm_id,
    place=_place,
    observe=observe,
    decide=_decide_created,
    actions={"create": _create, "delete": _delete},
)


# -- restart --------------------------------------------------------------------------------------


def _restart(services: Services, plan: ImagePlan, _: PollState) -> Started:
    return sdk.send(services.azure.compute.virtual_machines.begin_restart, *path(plan))


def _observe_restarted(services: Services, plan: ImagePlan, poll: PollState) -> Json | None:
    """Before the restart, observe nothing: Azure refuses to restart a VM that is gone."""
    return observe(services, plan, poll) if poll.started else {}


def _decide_restarted(
    plan: ImagePlan, observed: Json | None, poll: PollState
) -> Decision[NoResult]:
    """Restart once, then wait until the VM runs. No script runs meanwhile, so a repeated restart
    does no harm.
    """
    if observed is None:
        return Fail(failure=lost(plan))
    if poll.started != "restart":
        return Start(action="restart")
    ready = resource_state.provisioning(observed) == "ready"
    if ready and resource_state.power_state(observed) == "running":
        return Done(result=NoResult())
    return Wait(note="the VM is restarting")


def lost(plan: ImagePlan) -> Failure:
    """The failure of a step whose VM does not exist any more."""
    return Failure(
        code="BuilderLost",
        kind=Kind.MISSING,
        message="The builder VM is gone: it was deleted from outside, or Azure evicted it.",
        resource=plan.vm_id,
        next_action="Start the build again, without spot if it was evicted.",
    )


def booted(plan: ImagePlan) -> Failure:
    """The failure of a step whose VM runs although it was sealed and shut down."""
    return Failure(
        code="BuilderStarted",
        kind=Kind.CONFLICT,
        message="The builder VM was started from outside after it was sealed: its system has "
        "booted and is no longer fit for an image.",
        resource=plan.vm_id,
        next_action="Nothing was published. Start a new build.",
    )


restart_builder = Reconciler(
    name="restart_builder",
    plan=ImagePlan,
    result=NoResult,
    verb="restart the builder VM",
    subject=lambda plan: plan.vm_id,
    observe=_observe_restarted,
    decide=_decide_restarted,
    actions={"restart": _restart},
)


# -- start ----------------------------------------------------------------------------------------


def _start(services: Services, plan: ImagePlan, _: PollState) -> Started:
    return sdk.send(services.azure.compute.virtual_machines.begin_start, *path(plan))


def _decide_started(plan: ImagePlan, observed: Json | None, poll: PollState) -> Decision[NoResult]:
    if observed is None:
        return Fail(failure=lost(plan))
    match resource_state.power_state(observed):
        case "running" if resource_state.provisioning(observed) == "ready":
            return Done(result=NoResult())
        case "deallocated" | "stopped" if poll.started is None:
            return Start(action="start")
        case "deallocated" if resource_state.provisioning(observed) == "broken":
            return Fail(failure=decisions.broken(plan.vm_id))
        case _:
            return Wait(note="the VM is starting")


start_builder = Reconciler(
    name="start_builder",
    plan=ImagePlan,
    result=NoResult,
    verb="start the builder VM that was kept",
    subject=lambda plan: plan.vm_id,
    observe=observe,
    decide=_decide_started,
    actions={"start": _start},
)


# -- deallocate and generalize --------------------------------------------------------------------


def _deallocate(services: Services, plan: ImagePlan, _: PollState) -> Started:
    return sdk.send(services.azure.compute.virtual_machines.begin_deallocate, *path(plan))


def _generalize(services: Services, plan: ImagePlan, _: PollState) -> Started:
    return sdk.send(services.azure.compute.virtual_machines.generalize, *path(plan))


def _decide_generalized(
    plan: ImagePlan, observed: Json | None, poll: PollState
) -> Decision[NoResult]:
    """Deallocate first (a stopped VM still costs money), then mark the VM as generalized."""
    if observed is None:
        return Fail(failure=lost(plan))
    codes = resource_state.statuses(observed)
    generalized = Done(result=NoResult())
    if "osstate/generalized" in codes:
        return generalized
    match resource_state.power_state(observed):
        case "deallocated" if poll.started == "generalize":  # not every view shows it
            return generalized
        case "deallocated":
            return Start(action="generalize", then=generalized)
        case "stopped" if poll.started is None:
            return Start(action="deallocate")
        case "starting" | "running" if poll.started is None:
            return Fail(failure=booted(plan))
        case _:
            return Wait(note="the VM is being deallocated")


generalize_builder = Reconciler(
    name="generalize_builder",
    plan=ImagePlan,
    result=NoResult,
    verb="deallocate and generalize the builder VM",
    subject=lambda plan: plan.vm_id,
    observe=observe,
    decide=_decide_generalized,
    actions={"deallocate": _deallocate, "generalize": _generalize},
)


def _decide_deallocated(
    _: ImagePlan, observed: Json | None, poll: PollState
) -> Decision[BuilderKept]:
    if observed is None:
        return Done(result=BuilderKept(kept=False))
    if resource_state.power_state(observed) == "deallocated":
        return Done(result=BuilderKept(kept=True))
    return Wait() if poll.started == "deallocate" else Start(action="deallocate")


deallocate_builder = Reconciler(
    name="deallocate_builder",
    plan=ImagePlan,
    result=BuilderKept,
    verb="deallocate the builder VM that is kept",
    subject=lambda plan: plan.vm_id,
    observe=observe,
    decide=_decide_deallocated,
    actions={"deallocate": _deallocate},
)


# -- remove ---------------------------------------------------------------------------------------

_vm = Resource(
    noun="builder VM",
    calls=lambda azure: azure.compute.virtual_machines,
    plan=ImagePlan,
    path=path,
    id=lambda plan: plan.vm_id,
    body=lambda plan: bodies.builder_vm(plan, ""),
    delete_options={"force_deletion": True},  # its disk holds nothing worth keeping
)
remove_builder_vm = removal("remove_builder_vm", _vm, lambda plan: plan.build_id)
