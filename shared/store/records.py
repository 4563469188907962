"""The records in Azure Table Storage: what is kept, and under which keys.

    table               partition             row                what
    batchprepBuilds     build                 build id           request, state, outcome, cancel
    batchprepBuildList  build                 inverted time|id   what a list shows; newest first
    batchprepSteps      build id              [pool|]step        state, times, error
    batchprepClaims     image, pool           digest of a name   the build that has it: a lock
    batchprepClaims     version|group|...     a version number   the build that has it, for ever
    batchprepClaims     purged                build id           a build whose record is gone
    batchprepClaims     pushed                digest of a tag    the builds that pushed it last
    batchprepImages     group|gallery|image   inverted version   an ImageRecord; newest first
    batchprepPools      account               pool id            a PoolRecord
    batchprepPace       pace                  all                what steps took, seconds by step
    batchprepReconciled reconciled            at                 of the last comparison with Azure
    batchprepRecipes    recipe                name               what the weekly rebuild builds
    batchprepRefused    pool-requests         message id         messages that could not be taken
    batchprepChanges    change                inverted time|id   who asked for what; newest first

Every row carries `Schema`, the version of this layout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.base import names
from shared.model import recipes, secrets
from shared.model.outcomes import ImageRecord, PoolRecord
from shared.store.build_list import inverted
from shared.store.claims import Claims, pool_key
from shared.store.row_checks import (
    BUILDS,
    CHANGES,
    CLAIMS,
    IMAGES,
    POOLS,
    RECIPES,
    RECONCILED,
    REFUSED,
    STEPS,
)

if TYPE_CHECKING:
    from shared.model.image_parts import RegistryPlan
    from shared.model.queries import Place
    from shared.store.tables import Row

Json = dict[str, Any]

_RACES_MAX = 5  # after losing that many in a row, another build has noted its push
_PUSHES_KEPT = 10  # builds of a tag; the last one may have failed before it pushed
_MESSAGE_MAX = 15_000  # characters kept of a refused message: at most 30,000 UTF-16 units


class Records(Claims):
    """All records: builds and their claims, images, pools, recipes, refused messages."""

    # -- images, pools, recipes --------------------------------------------------------------------

    def put_image(self, image: ImageRecord) -> None:
        """Record a published image version."""
        self._tables.put(IMAGES, *_image_key(image), {"Image": image.to_wire()})

    def change_image(
        self, image: ImageRecord, change: Callable[[ImageRecord], ImageRecord]
    ) -> None:
        """Change the record of an image version as it is now."""

        def changed(row: Row) -> Json:
            return {"Image": change(ImageRecord.from_wire(row["Image"])).to_wire()}

        self._tables.update(IMAGES, *_image_key(image), changed)

    def list_images(
        self, limit: int, after: Place | None = None
    ) -> tuple[list[ImageRecord], Place | None]:
        """A page of `images`, and where the next one begins."""
        rows, last = self._tables.page(IMAGES, limit=limit, after=after)
        return [ImageRecord.from_wire(r["Image"]) for r in rows], last

    def images(self) -> list[ImageRecord]:
        """Every recorded image version, newest first within an image."""
        return [ImageRecord.from_wire(r["Image"]) for r in self._tables.scan(IMAGES)]

    def image(
        self,
        gallery: str,
        name: str,
        version: str,
        group: str | None = None,
        *,
        excluded: bool = False,
    ) -> ImageRecord | None:
        """One version, or the newest for `latest`. With `excluded`, that may be a version that is
        excluded from latest. Without a group, galleries of that name in all groups are searched.
        """
        if group is not None:
            rows = self._tables.query(IMAGES, names.image_partition(group, gallery, name))
        else:
            suffix = f"|{gallery.lower()}|{name.lower()}"
            found = self._tables.scan(IMAGES)
            rows = [r for r in found if str(r["PartitionKey"]).endswith(suffix)]
            rows.sort(key=lambda r: r.key)
        images = [ImageRecord.from_wire(r["Image"]) for r in rows]
        if version != "latest":
            return next((i for i in images if i.version == version), None)
        usable = (i for i in images if not i.gone_at and (excluded or not i.excluded_from_latest))
        return next(usable, None)

    def put_pool(self, pool: PoolRecord) -> None:
        """Record what became of a pool."""
        key = pool_key(pool.batch_account, pool.pool_id)
        self._tables.put(POOLS, *key, {"Pool": pool.to_wire()})

    def pool(self, account: str, pool: str) -> PoolRecord | None:
        """One pool's record, or None."""
        row = self._tables.get(POOLS, *pool_key(account, pool))
        return None if row is None else PoolRecord.from_wire(row["Pool"])

    def pools(self) -> list[PoolRecord]:
        """The recorded pools."""
        return [PoolRecord.from_wire(r["Pool"]) for r in self._tables.scan(POOLS)]

    def list_pools(
        self, account: str | None, limit: int, after: Place | None = None
    ) -> tuple[list[PoolRecord], Place | None]:
        """A page of the recorded pools, of one account or of all; and where the next one begins."""
        own = account.lower() if account else None
        rows, last = self._tables.page(POOLS, own, limit=limit, after=after)
        return [PoolRecord.from_wire(r["Pool"]) for r in rows], last

    def change_pool(
        self, account: str, pool: str, change: Callable[[PoolRecord], PoolRecord]
    ) -> None:
        """Change a pool's record; nothing happens where another writer is first."""
        row = self._tables.get(POOLS, *pool_key(account, pool))
        if row is not None:
            changed = change(PoolRecord.from_wire(row["Pool"]))
            self._tables.replace(POOLS, row, {"Pool": changed.to_wire()})

    def remove_pool(self, account: str, pool: str) -> None:
        """Forget a pool that was deleted."""
        self._tables.remove(POOLS, *pool_key(account, pool))

    def recipes(self) -> dict[str, Json]:
        """Every recipe by name, each as its owner wrote it."""
        return {r.key: recipes.from_row(r["Recipe"]) for r in self._tables.query(RECIPES, "recipe")}

    def put_recipe(self, name: str, recipe: Json) -> None:
        """Store a recipe, whose request is as its owner wrote it."""
        self._tables.put(RECIPES, "recipe", name, {"Recipe": recipes.to_row(recipe)})

    def remove_recipe(self, name: str) -> None:
        """Forget a recipe."""
        self._tables.remove(RECIPES, "recipe", name)

    # -- container images --------------------------------------------------------------------------

    def note_push(self, plan: RegistryPlan, build: str) -> None:
        """Record that a build pushes its tag into the registry."""
        key = _tag_key(plan)
        for _ in range(_RACES_MAX):
            row = self._tables.get(CLAIMS, *key)
            before = [other for other in _builds_of(row) if other != build]
            values = {"Builds": [build, *before][:_PUSHES_KEPT]}
            if row is None:
                if self._tables.insert(CLAIMS, *key, values):
                    return
            elif self._tables.replace(CLAIMS, row, values):
                return

    def pushed_digests(self, plan: RegistryPlan) -> set[str]:
        """What the builds that are on record pushed under this tag, most recently."""
        builds = _builds_of(self._tables.get(CLAIMS, *_tag_key(plan)))
        steps = [self._tables.get(STEPS, build, "push_image") for build in builds]
        results = [step.get("Result") or {} for step in steps if step is not None]
        return {str(found["digest"]) for found in results if found.get("digest")}

    # -- agreement with Azure ----------------------------------------------------------------------

    def reconciled_at(self) -> str | None:
        """When the records were last compared with what is on Azure."""
        row = self._tables.get(RECONCILED, "reconciled", "at")
        return str(row["At"]) if row else None

    def put_reconciled(self, now: str) -> None:
        """Record that they were compared `now`."""
        self._tables.put(RECONCILED, "reconciled", "at", {"At": now})

    # -- messages that could not be taken ----------------------------------------------------------

    def put_refused(self, message_id: str, text: str, problems: Iterable[Json], now: str) -> None:
        """Store a refused queue message without values that may be secret, and its problems."""
        kept = secrets.storable(text)[:_MESSAGE_MAX]
        values = {"Message": kept, "Problems": list(problems), "At": now}
        self._tables.put(REFUSED, names.POOL_REQUESTS_QUEUE, message_id, values)

    def list_refused(
        self, limit: int, after: Place | None = None
    ) -> tuple[list[Row], Place | None]:
        """A page of the refused messages, and where the next one begins."""
        return self._tables.page(REFUSED, names.POOL_REQUESTS_QUEUE, limit=limit, after=after)

    # -- who changed what --------------------------------------------------------------------------

    def note_change(
        self, now: str, id_: str, what: str, *, caller: str | None, build: str | None
    ) -> None:
        """Record a request that changed something; `caller` is None for one with a function key."""
        values = {"At": now, "What": what, "By": caller or "", "Build": build or ""}
        self._tables.put(CHANGES, "change", f"{inverted(now)}|{id_}", values)

    def list_changes(
        self, limit: int, after: Place | None = None
    ) -> tuple[list[Row], Place | None]:
        """A page of the changes, the newest first, and where the next one begins."""
        return self._tables.page(CHANGES, "change", limit=limit, after=after)

    def purge_changes(self, before: datetime, limit: int) -> int:
        """Forget at most so many changes that are older; returns how many."""
        rows = self._tables.query(CHANGES, "change", select=["At"])
        old = [row for row in rows if datetime.fromisoformat(row["At"]) < before][:limit]
        for row in old:
            self._tables.remove(CHANGES, "change", row.key)
        return len(old)

    # -- what is too old ---------------------------------------------------------------------------

    def purge_build(self, row: Row) -> None:
        """Forget an ended build with its steps. Its id is never given again: resources and version
        numbers that carry it may still be there. The build's own row goes last: as long as it is
        there, a purge that was cut off is repeated.
        """
        self._tables.put(CLAIMS, "purged", row.key, {"Build": row.key})
        self._list.remove(row)
        for step in self._tables.query(STEPS, row.key, select=["State"]):
            self._tables.remove(STEPS, row.key, step.key)
        self._tables.remove(BUILDS, "build", row.key)

    def was_purged(self, build: str) -> bool:
        """Whether the build's record was removed for its age."""
        return self._tables.get(CLAIMS, "purged", build, select=["Build"]) is not None

    def purge_refused(self, before: datetime, now: str, limit: int) -> int:
        """Forget at most so many refused messages that are older; returns how many. Those of 0.1.0,
        which kept no time, are as old as their first purge.
        """
        partition, removed = names.POOL_REQUESTS_QUEUE, 0
        for row in self._tables.query(REFUSED, partition, select=["At"]):
            if not row.get("At"):
                self._tables.replace(REFUSED, row, {"At": now})
            elif removed < limit and datetime.fromisoformat(row["At"]) < before:
                self._tables.remove(REFUSED, partition, row.key)
                removed += 1
        return removed

    def check_reachable(self) -> None:
        """One cheap request. Raises what the storage raises."""
        self._tables.get(RECIPES, "recipe", "health")

    def unreadable(self) -> list[str]:
        """The rows that this process met last and could not read, each with the reason."""
        return self._tables.unreadable()


def _tag_key(plan: RegistryPlan) -> tuple[str, str]:
    tag = ":".join(plan.pushed_tag)
    return "pushed", names.digest(plan.registry_id.lower(), tag, length=32)


def _builds_of(pushed: Row | None) -> list[str]:
    return list(pushed["Builds"]) if pushed else []


def _image_key(image: ImageRecord) -> tuple[str, str]:
    place = (image.resource_group, image.gallery_name, image.image_name)
    return names.image_partition(*place), names.version_row(image.version)
