"""The form of every HTTP function: a call in, an answer out, and perhaps an orchestration to start.

Handlers are plain functions of a `Call`: `triggers/answering.py` calls them, and
`triggers/beginning.py` starts what an answer begins.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from shared.base.errors import Problem, RequestRefused
from shared.base.wire import Wire
from shared.engine.activity import Services
from shared.model import parsing
from shared.model.documents import Error, ErrorDetail
from shared.model.queries import PageQuery, Place, Query

Json = dict[str, Any]
QueryT = TypeVar("QueryT", bound=Query)
BODY_BYTES_MAX = 1024 * 1024  # of a JSON request


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request, free of the framework."""

    method: str = "GET"
    params: dict[str, str] = field(default_factory=dict)  # from the route
    body: bytes = b""
    url: str = ""  # of the request itself
    caller: str | None = None  # whom the platform has signed in
    services: Services

    def json(self) -> object:
        """The body as JSON. Raises RequestRefused."""
        if len(self.body) > BODY_BYTES_MAX:
            message = f"the body has {len(self.body)} bytes; {BODY_BYTES_MAX} are allowed"
            raise RequestRefused([Problem(field="$", code="TooLarge", message=message)])
        return parsing.parse_json(self.body, "body")

    def asked(self, model: type[QueryT]) -> QueryT:
        """The parameters of the URL. Raises RequestRefused."""
        return parsing.parse_query(model, self.url)

    def next_link(self, query: PageQuery, last: Place | None) -> Json:
        """The field of a list's answer that leads to the next page, if there is one."""
        if last is None:
            return {}
        asked = query.model_dump(mode="json", by_alias=True, exclude_unset=True)
        more = urlencode({**asked, "after": query.token_of(last)})
        return {"next_link": f"{self.origin}{urlsplit(self.url).path}?{more}"}

    def link(self, path: str) -> str:
        """The URL of a path of the API."""
        return f"{self.origin}/api/{path}"

    @property
    def origin(self) -> str:
        """`https://host` for links. The host of the request, which its sender chooses, counts only
        where no setting names the app's.
        """
        scheme, _, rest = self.url.partition("://")
        return self.services.azure.config.origin or f"{scheme}://{rest.split('/', 1)[0]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Begin:
    """An orchestration to start under a deterministic id. With `again`, an earlier one of that id
    has ended, or is about to: its record says so before Durable does.
    """

    orchestrator: str
    instance: str
    plan: Wire
    again: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Status and document; `begin` is started before the answer is sent. Where that depends on
    what runs, `begin` is a function of the durable client. `note` records, once it has begun, that
    the request changed something; `undo` withdraws what was recorded where it cannot begin.
    """

    document: Wire
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    begin: Begin | Callable[[Any], Awaitable[None]] | None = None
    note: Callable[[], None] | None = None
    undo: Callable[[], None] | None = None

    @property
    def body(self) -> Json:
        """The document as plain JSON."""
        return self.document.to_wire()


Handler = Callable[[Call], Answer]


def error(status: int, code: str, message: str, build_id: str | None = None) -> Answer:
    """An error in the form of the contract; `build_id` is the build in the way, if one is."""
    in_the_way = {} if build_id is None else {"build_id": build_id}
    detail = ErrorDetail(code=code, message=message, details=[], **in_the_way)
    return Answer(status=status, document=Error(error=detail))


def refused(error_: RequestRefused) -> Answer:
    """400, with every problem."""
    detail = ErrorDetail(code="RequestRefused", message=str(error_), details=error_.problems)
    return Answer(status=400, document=Error(error=detail))


def again(status: int, code: str, message: str, seconds: int) -> Answer:
    """An error that time cures, and after how many seconds to send the request again."""
    return replace(error(status, code, message), headers={"Retry-After": str(seconds)})


def unavailable(code: str, message: str) -> Answer:
    """503: what the app depends on cannot be reached."""
    return again(503, code, message, 10)
