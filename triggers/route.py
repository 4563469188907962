"""What one HTTP route is."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triggers.roles import Role

if TYPE_CHECKING:
    from shared.base.wire import Request, Wire
    from shared.model.queries import Query
    from triggers.http import Handler


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """One method of one path.

    `handler` is a function of a module beside this one; the first line of its docstring is the
    summary that the API's users read.
    """

    method: str
    path: str  # below `/api/`
    handler: str
    role: Role | None  # the app role that a caller needs; None: no sign-in
    answers: dict[int, str]  # status: a model of `shared.model.documents`
    errors: tuple[int, ...] = ()  # the statuses with which the handler itself refuses
    query: str | None = None  # a model of `shared.model.queries` for the URL's parameters
    body: str | None = None  # a model of `shared.model.requests` for the request's JSON
    uploads: str | None = None  # the media type of a request body that is not JSON
    starts: bool = False  # whether it may begin an orchestration

    @property
    def changes(self) -> bool:
        """Whether it changes anything: what a reader may use does not."""
        return self.method != "GET" and self.role is not Role.READER

    @property
    def name(self) -> str:
        """Of the handler, without its module."""
        return self.handler.rpartition(".")[2]

    def find_handler(self) -> Handler:
        """The function that answers."""
        handler: Handler = pkgutil.resolve_name(f"triggers.{self.handler}")
        return handler

    def find_body(self) -> type[Request] | None:
        """What the request's JSON is parsed into, if it has any."""
        if self.body is None:
            return None
        model: type[Request] = pkgutil.resolve_name(f"shared.model.requests:{self.body}")
        return model

    def find_query(self) -> type[Query] | None:
        """What the URL's parameters are parsed into, if it has any."""
        if self.query is None:
            return None
        model: type[Query] = pkgutil.resolve_name(f"shared.model.queries:{self.query}")
        return model

    def find_answers(self) -> dict[int, type[Wire]]:
        """The model of the answer for each status of success."""
        return {
            status: pkgutil.resolve_name(f"shared.model.documents:{name}")
            for status, name in self.answers.items()
        }
