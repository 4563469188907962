"""What a sweep would do now, without doing it."""

from __future__ import annotations

from activities import expired_pools, giving_up, left_pools, leftovers, made
from activities.leftovers import Finding, Survey
from shared.base.wire import replace
from shared.engine.activity import Services


def of(services: Services) -> Survey:
    """Every temporary resource of a build, the pools whose nodes outlived a failure or that have an
    end, and what goes along because nothing came of its build.
    """
    found = leftovers.survey(services)
    everything = [*_pools(services, found), *found.leftovers, *_lasting(services, found)]
    return replace(found, leftovers=everything)


def _pools(services: Services, found: Survey) -> list[Finding]:
    """Each once: what is deleted is not shrunk before, and what is shrunk is not kept as it is."""
    timed = {each.id: each for each in expired_pools.findings(services, found.at or "")}
    left = {each.id: each for each in _left_pools(services, found)}
    deleted = {id_: each for id_, each in timed.items() if each.verdict == "remove"}
    return list({**timed, **left, **deleted}.values())


def _left_pools(services: Services, found: Survey) -> list[Finding]:
    return [
        Finding(
            id=standing.plan.resource,
            type=left_pools.TYPE,
            build_id=standing.plan.build_id,
            verdict="shrink" if standing.shrinks else "keep",
            why=standing.why,
            until=found.at if standing.shrinks else None,
        )
        for standing in left_pools.standings(services)
    ]


def _lasting(services: Services, found: Survey) -> list[Finding]:
    going = []
    for build in leftovers.by_build(services, found):
        where = None if build.keeps else giving_up.made_in(services, build.build_id)
        removals = made.removals(services, where, cleared=False) if where else []
        going += [
            Finding(
                id=removal.plan.id,
                type=removal.plan.type,
                build_id=build.build_id,
                verdict="remove",
                why="nothing came of its build, and nobody else needs it",
                until=found.at,
            )
            for removal in removals
        ]
    return going
