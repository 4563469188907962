"""Claims: names that a build holds, such as an image, a pool or a version number.

Two builds never hold one name at a time: a claim's row is inserted, or replaced under its ETag.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.base import names
from shared.model.requests import Mode
from shared.store.builds import Builds
from shared.store.row_checks import BUILDS, CLAIMS, RUNNING

if TYPE_CHECKING:
    from shared.store.tables import Row

_CHANGES = [Mode.RESIZE_POOL.value, Mode.DELETE_POOL.value]
_RACES_MAX = 5  # after losing that many in a row, another build has the name


class Claims(Builds):
    """The claims of builds; a claim ends when its build does."""

    def claim(self, kind: str, key: str, build: str) -> str:
        """Take a name for a build. Returns the build that has it: this one, or one that runs."""
        row_key = names.digest(kind, key, length=32)
        for _ in range(_RACES_MAX):
            if self._tables.insert(CLAIMS, kind, row_key, {"Build": build, "Name": key}):
                return build
            row = self._tables.get(CLAIMS, kind, row_key)
            if row is None:
                continue
            holder = _holder(row)
            if holder == build or self._still_runs(holder):
                return holder
            if self._tables.replace(CLAIMS, row, {"Build": build, "Name": key}):
                return build
        row = self._tables.get(CLAIMS, kind, row_key)
        return _holder(row) if row else build

    def release(self, kind: str, key: str, build: str) -> None:
        """Give up a name that a build has, or had last; one that another build has stays."""
        row = self._tables.get(CLAIMS, kind, names.digest(kind, key, length=32))
        if row is not None and _holder(row) == build:
            self._tables.replace(CLAIMS, row, {"Build": "", "Name": key})

    def holder(self, kind: str, key: str) -> str | None:
        """The build that has a name, or had it last and did not give it up."""
        row = self._tables.get(CLAIMS, kind, names.digest(kind, key, length=32))
        return _holder(row) or None if row else None

    def at_work_on(self, account: str, pool: str, resource: str) -> str | None:
        """A build that runs and has claimed this pool (`resource` is its id), or changes it."""
        holder = self.holder("pool", resource.lower())
        if holder is not None and self._still_runs(holder):
            return holder
        return self._changing().get(pool_key(account, pool))

    def is_change(self, build: str) -> bool:
        """Whether this build resizes or deletes a pool."""
        row = self._tables.get(BUILDS, "build", build, select=["Mode"])
        return row is not None and row.get("Mode") in _CHANGES

    def pools_at_work(self) -> dict[tuple[str, str], str]:
        """`at_work_on` for all pools at once: builds by account and pool, in lower case."""
        running = {row.key for row in self.running()}
        claims = self._tables.query(CLAIMS, "pool")
        claimed = {
            (path[-3], path[-1]): _holder(claim)
            for claim in claims
            if _holder(claim) in running and len(path := str(claim.get("Name")).split("/")) > 2
        }
        return self._changing() | claimed

    def _changing(self) -> dict[tuple[str, str], str]:
        """The pools that running builds resize or delete."""
        changes = {"State": sorted(RUNNING), "Mode": _CHANGES}
        wanted = {
            row.key: row["Request"] for row in self._tables.query(BUILDS, "build", among=changes)
        }
        return {
            pool_key(request["account"], request["pool"]): build
            for build, request in wanted.items()
            if request.keys() == {"account", "pool"}
        }

    def _still_runs(self, build: str) -> bool:
        row = self._tables.get(BUILDS, "build", build, select=["State"])
        return row is not None and row.get("State") in RUNNING

    def claim_version(
        self, image: str, build: str, wanted: str | None, taken: list[str]
    ) -> str | None:
        """Take a version number of an image (its partition), which no other build ever gets.

        Returns None if the wanted one is taken.
        """
        partition = f"version|{image}"
        rows = self._tables.query(CLAIMS, partition)
        own = next((r.key for r in rows if _holder(r) == build), None)
        if own is not None:
            return own
        if wanted is not None:
            free = wanted not in taken
            return wanted if free and self._take(partition, wanted, build) else None
        claimed = [*taken, *(r.key for r in rows)]
        while not self._take(partition, version := names.next_version(claimed), build):
            claimed.append(version)
        return version

    def _take(self, partition: str, version: str, build: str) -> bool:
        return self._tables.insert(CLAIMS, partition, version, {"Build": build}) is not None


def _holder(claim: Row) -> str:
    return str(claim.get("Build") or "")


def pool_key(account: str, pool: str) -> tuple[str, str]:
    """Keys in lower case: Azure ignores the case of names."""
    return account.lower(), pool.lower()
