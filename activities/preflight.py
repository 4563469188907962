"""Everything that can be known before anything is paid for. Each check answers `{"blockers": [...],
...facts}`.
"""

from __future__ import annotations

import difflib

from activities.gallery import definition_conflict
from shared import clients, decisions, grid, names, quotas
from shared.clients import Started
from shared.decisions import Done, Start, Verdict, Wait
from shared.errors import Problem
from shared.operations import Effect, Json, Operation, Services, Tick
from shared.plans import BaseImage, BuildPlan, ImagePlan, ImageRecord, ImageReference, PoolPlan
from shared.quotas import Size
from shared.requests import SecurityType


def _answer(problems: list[Problem], **facts: object) -> Json:
    return {"blockers": [p.to_wire() for p in problems], **facts}


def _subscription(plan: BuildPlan) -> str:
    owner = plan.image or plan.image_ref
    assert owner is not None
    return f"/subscriptions/{owner.subscription_id}"


# -- credentials, subscription, resource providers ------------------------------------------------


def _namespaces(plan: BuildPlan) -> list[str]:
    needed = ["Microsoft.Compute"]
    if plan.image:
        needed.append("Microsoft.Network")
        if plan.image.registry:
            needed += ["Microsoft.ContainerRegistry", "Microsoft.ManagedIdentity"]
    if plan.account:
        needed.append("Microsoft.Batch")
    return needed


def _look_providers(services: Services, plan: BuildPlan, _: Tick) -> Json | None:
    get = services.azure.resources.providers.get
    return {
        namespace: (clients.fetch(get, namespace) or {}).get("registrationState", "NotRegistered")
        for namespace in _namespaces(plan)
    }


def _register(services: Services, plan: BuildPlan, tick: Tick) -> Started:
    for namespace, state in (_look_providers(services, plan, tick) or {}).items():
        if state == "NotRegistered":
            clients.send(services.azure.resources.providers.register, namespace)
    return Started(status=200, body=None, operation=None, retry_after=None)


def _judge_providers(_: BuildPlan, observed: Json | None, tick: Tick) -> Verdict:
    states = observed or {}
    open_ = [n for n, state in states.items() if state != "Registered"]
    if not open_:
        return Done(result=_answer([]))
    if any(states[n] in {"NotRegistered", "Unregistered"} for n in open_) and tick.started is None:
        return Start(action="register")
    return Wait(note=f"registering {', '.join(open_)}")


check_providers = Operation(
    name="check_providers",
    plan=BuildPlan,
    verb="reach the subscription and register its resource providers",
    subject=_subscription,
    look=_look_providers,
    judge=_judge_providers,
    actions={"register": _register},
)


# -- what the image is made from ------------------------------------------------------------------


def _check_source(services: Services, plan: BuildPlan, _: Tick) -> Json:
    """The base image's newest version; whether the definition and the version asked for can take
    the image.
    """
    image = plan.image
    assert image is not None
    base = _find_base(services, image)
    if base is None:
        system = image.system
        message = f"{image.location} offers no image {system.publisher}:{system.offer}:{system.sku}"
        return _answer([Problem(field="image.os", code="BaseImageNotFound", message=message)])
    return _answer(_gallery_problems(services, image, base), base=base.to_wire())


def _find_base(services: Services, image: ImagePlan) -> BaseImage | None:
    calls, system = services.azure.compute.virtual_machine_images, image.system
    path = (image.location, system.publisher, system.offer, system.sku)
    found = calls.list(*path, top=1, orderby="name desc")
    if not found:
        return None
    version = found[0]["name"]
    told = decisions.properties(clients.fetch(calls.get, *path, version))
    return BaseImage(
        publisher=system.publisher,
        offer=system.offer,
        sku=system.sku,
        version=version,
        generation=told.get("hyperVGeneration") or "V2",
        architecture=told.get("architecture") or "x64",
        purchase_plan=told.get("plan"),
    )


def _gallery_problems(services: Services, image: ImagePlan, base: BaseImage) -> list[Problem]:
    compute, problems = services.azure.compute, []
    path = (image.resource_group, image.gallery, image.definition)
    definition = clients.fetch(compute.gallery_images.get, *path)
    if definition is None:
        return []
    if why := definition_conflict(image.model_copy(update={"base": base}), definition):
        message = f"image definition {image.definition} exists and cannot take this image: {why}"
        problems.append(Problem(field="image.name", code="Conflict", message=message))
    if image.version:
        version = clients.fetch(compute.gallery_image_versions.get, *path, image.version)
        if version is not None:
            message = f"version {image.version} exists already, and versions are never overwritten"
            problems.append(Problem(field="image.version", code="VersionExists", message=message))
    return problems


check_image_source = Effect(
    name="check_image_source",
    plan=BuildPlan,
    verb="look up the base image",
    subject=_subscription,
    act=_check_source,
)


# -- the builder's size and quota -----------------------------------------------------------------


def _check_builder(services: Services, plan: BuildPlan, _: Tick) -> Json:
    """At least one of the builder's sizes must be offered and fit the quotas; the others are
    dropped.
    """
    image = plan.image
    assert image is not None
    compute = services.azure.compute
    listed = clients.listed(compute.resource_skus.list(filter=f"location eq '{image.location}'"))
    skus, usages = quotas.sizes_by_name(listed), clients.listed(compute.usage.list(image.location))
    problems, usable = [], []
    for name in [image.size, *image.other_sizes]:
        problem = _builder_problem(image, name, skus.get(name.lower()), usages)
        if problem:
            problems.append(problem)
        else:
            usable.append(name)
    missing = [p] if (p := grid.problem(image)) else []
    return _answer(missing + ([] if usable else problems), sizes=usable)


def _builder_problem(
    image: ImagePlan, name: str, sku: Json | None, usages: list[Json]
) -> Problem | None:
    field = "image.builderVmSize"
    if sku is None or not quotas.offered(sku, image.location):
        message = f"{name} is not offered to this subscription in {image.location}"
        return Problem(field=field, code="SizeNotOffered", message=message)
    size = quotas.read_size(sku)
    if mismatch := _size_mismatch(size, image.security_type):
        return Problem(field=field, code="SizeUnsuitable", message=mismatch)
    return quotas.compute_shortage(field, size, usages, spot=image.spot, location=image.location)


def _size_mismatch(size: Size, security: SecurityType) -> str | None:
    if "V2" not in size.generations:
        return f"{size.name} does not run generation 2 images"
    if size.architecture != "x64":
        return f"{size.name} is {size.architecture}; images are built for x64"
    if security is SecurityType.TRUSTED_LAUNCH and not size.trusted_launch:
        return f"{size.name} does not support TrustedLaunch"
    return None


check_builder = Effect(
    name="check_builder",
    plan=BuildPlan,
    verb="look up sizes and compute quotas",
    subject=_subscription,
    act=_check_builder,
)


# -- the Batch account ----------------------------------------------------------------------------


def _check_batch(services: Services, plan: BuildPlan, _: Tick) -> Json:
    """Sizes that Batch takes and, once there is an account, its quotas and the systems that it
    supports.
    """
    account = plan.account
    assert account is not None
    calls = services.azure.batch
    listed = clients.listed(calls.location.list_supported_virtual_machine_skus(account.location))
    sizes = {s["name"].lower(): quotas.read_size(s) for s in listed}
    problems = [p for i, pool in enumerate(plan.pools) if (p := _pool_problem(i, pool, sizes))]
    found = clients.fetch(calls.batch_account.get, account.resource_group, account.name)
    if found is not None and not problems:
        problems += _quota_problems(services, plan, found, sizes)
        problems += _agent_problems(services, plan, found)
    return _answer(problems, exists=found is not None)


def _pool_problem(index: int, pool: PoolPlan, sizes: dict[str, Size]) -> Problem | None:
    """None where at least one of the pool's sizes can be had."""
    reasons = []
    for name in [pool.size, *pool.other_sizes]:
        size = sizes.get(name.lower())
        if size is None:
            reasons.append(
                ("SizeNotOffered", f"Batch does not take {name} in {pool.account.location}")
            )
        elif mismatch := _size_mismatch(size, pool.security_type):
            reasons.append(("SizeUnsuitable", mismatch))
        else:
            return None
    code, _ = reasons[0]
    message = "; ".join(text for _, text in reasons)
    return Problem(field=f"pools[{index}].vmSize", code=code, message=message)


def _quota_problems(
    services: Services, plan: BuildPlan, account: Json, sizes: dict[str, Size]
) -> list[Problem]:
    assert plan.account is not None
    path = (plan.account.resource_group, plan.account.name)
    pools = clients.listed(services.azure.batch.pool.list_by_batch_account(*path))
    asked = {p.pool_id.lower() for p in plan.pools}
    needs = [
        (f"pools[{i}].nodes", sizes[p.size.lower()], p.pool.nodes)
        for i, p in enumerate(plan.pools)
        if not p.pool.autoscale_formula and p.size.lower() in sizes
    ]
    problems = quotas.batch_shortages(account, needs, quotas.used_cores(pools, sizes, asked))
    limit = int(decisions.properties(account).get("poolQuota") or 0)
    new = asked - {p["name"].lower() for p in pools}
    if len(pools) + len(new) > limit:
        message = f"the account may have {limit} pools, has {len(pools)}, and would get {len(new)}"
        problems.append(Problem(field="pools", code="QuotaExceeded", message=message))
    return problems


def _agent_problems(services: Services, plan: BuildPlan, account: Json) -> list[Problem]:
    """Whether Batch still supports the node agent of the system."""
    agent = plan.image.system.node_agent if plan.image else None
    if agent is None and plan.image_ref:
        agent = plan.image_ref.node_agent
    service = services.azure.batch_service(decisions.properties(account)["accountEndpoint"])
    known = {i["nodeAgentSKUId"] for i in clients.listed(service.list_supported_images())}
    if agent in known:
        return []
    there = ", ".join(sorted(known))
    message = f"Batch supports no system with node agent {agent!r} any more; it has: {there}"
    return [Problem(field="image.os", code="SystemNotSupported", message=message)]


check_batch = Effect(
    name="check_batch",
    plan=BuildPlan,
    verb="look up the Batch account and its quotas",
    subject=lambda plan: plan.account.account_id if plan.account else "",
    act=_check_batch,
)


# -- an existing image (batch-only) ---------------------------------------------------------------


def _check_image(services: Services, plan: BuildPlan, _: Tick) -> Json:
    """The image to use: from Azure what it is, from the records what is inside it."""
    wanted, account = plan.image_ref, plan.account
    assert wanted is not None
    assert account is not None
    versions = _versions(services, wanted)
    found = _newest(versions) if wanted.version == "latest" else None
    if wanted.version != "latest":
        found = next((v for v in versions if v["name"] == wanted.version), None)
    if found is None:
        return _answer([_not_found(services, wanted, versions)])
    regions = [
        str(r.get("name", "")).replace(" ", "").lower()
        for r in (decisions.properties(found).get("publishingProfile") or {}).get("targetRegions")
        or []
    ]
    if account.location not in regions:
        message = (
            f"version {found['name']} has no replica in {account.location}, where the account is; "
            f"it is in {', '.join(regions)}"
        )
        return _answer([Problem(field="image", code="ImageNotInRegion", message=message)])
    return _answer([], image=_describe(services, wanted, found, regions).to_wire())


def _versions(services: Services, wanted: ImageReference) -> list[Json]:
    calls = services.azure.compute.gallery_image_versions
    path = (wanted.resource_group, wanted.gallery, wanted.definition)
    if clients.fetch(services.azure.compute.gallery_images.get, *path) is None:
        return []
    return clients.listed(calls.list_by_gallery_image(*path))


def _newest(versions: list[Json]) -> Json | None:
    """The highest number that is finished and not excluded, as Azure itself understands
    `latest`.
    """
    usable = [
        v
        for v in versions
        if decisions.provisioning(v) == "ready"
        and not (decisions.properties(v).get("publishingProfile") or {}).get("excludeFromLatest")
    ]
    return max(usable, key=lambda v: names.parse_version(v["name"]) or (0, 0, 0), default=None)


def _not_found(services: Services, wanted: ImageReference, versions: list[Json]) -> Problem:
    """Which images there are, the nearest names first."""
    if versions:
        there = ", ".join(sorted(v["name"] for v in versions))
        message = f"{wanted.definition} has no usable version {wanted.version}; it has: {there}"
        return Problem(field="image.version", code="ImageNotFound", message=message)
    known = {f"{i.gallery_name}/{i.image_name}" for i in services.records.images()}
    name = f"{wanted.gallery}/{wanted.definition}"
    near = difflib.get_close_matches(name, known, n=5, cutoff=0.0)
    there = f"known images are: {', '.join(near)}" if near else "no image has been built yet"
    message = f"there is no image {name} in resource group {wanted.resource_group}; {there}"
    return Problem(field="image.name", code="ImageNotFound", message=message)


def _describe(
    services: Services, wanted: ImageReference, found: Json, regions: list[str]
) -> ImageRecord:
    group = wanted.resource_group
    version = found["name"]
    record = services.records.image(wanted.gallery, wanted.definition, version, group)
    if record is not None:
        return record
    return ImageRecord(  # made by someone else: what the request says is all that is known
        image_id=found["id"],
        node_agent_sku=wanted.node_agent,
        gallery_name=wanted.gallery,
        image_name=wanted.definition,
        version=version,
        vm_size="",
        location=found["location"],
        base_os=wanted.os,
        gpu_enabled=wanted.gpu,
        resource_group=group,
        build_id="",
        created_at="",
        target_regions=regions,
    )


check_image = Effect(
    name="check_image",
    plan=BuildPlan,
    verb="find the image",
    subject=lambda plan: plan.image_ref.definition if plan.image_ref else "",
    act=_check_image,
)
