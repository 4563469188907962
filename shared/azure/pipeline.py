"""The policies that every client's requests pass through. A client that is given policies uses
these only, so three of the SDKs' default policies are absent:

- The one that retries. It sleeps between its attempts, and an activity never sleeps: it returns the
  failure, and the orchestration waits by durable timer for as long as Retry-After asks.
- The one that registers a missing resource provider (`ARMAutoResourceProviderRegistrationPolicy`).
  It sleeps until the provider is registered, without a limit. `activities/preflight.py` registers
  providers.
- The one that numbers requests (`RequestIdPolicy`). A failure names the request id that Azure
  gives, and making one of our own takes a tenth of a small call's CPU.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from azure.core.pipeline import PipelineRequest, policies

from shared.azure import tracing
from shared.base import endpoints

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline import PipelineResponse
    from azure.core.pipeline.transport import HttpTransport

Options = dict[str, Any]

# Azure answers most requests within a second; what takes longer is a long-running operation.
_CONNECT_SECONDS = 10
_READ_SECONDS = 30
_USER_AGENT = "batch-prep"
_SPAN = "batch-prep.span"  # in the context of a request


class LoopbackBearerPolicy(policies.BearerTokenCredentialPolicy[Any, Any]):
    """Sends the managed identity's token, over plain http only if the server is on this machine."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Authorize one request."""
        if endpoints.is_loopback(request.http_request.url):
            request.context.options["enforce_https"] = False
        super().on_request(request)


class RequestSpans(policies.SansIOHTTPPolicy[Any, Any]):
    """Gives each request of a traced call a span. azure-core's own policy would take the tracer of
    the whole process, and keeps user names in URLs.
    """

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """The span begins."""
        if call := tracing.current_call():
            sent = request.http_request
            request.context[_SPAN] = call, call.start_request(sent.method, sent.url)

    def on_response(
        self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]
    ) -> None:
        """Azure has answered."""
        self._end(request, response=response.http_response)

    def on_exception(self, request: PipelineRequest[Any]) -> None:
        """There is no answer. The exception goes on to the caller, who names its reason."""
        error = sys.exc_info()[0]
        self._end(request, error=error.__name__ if error else "unknown")

    def _end(self, request: PipelineRequest[Any], **how: Any) -> None:
        if begun := request.context.pop(_SPAN, None):
            call, span = begun
            call.end_request(span, **how)


def authorized(
    credential: TokenCredential, scope: str, transport: HttpTransport[Any, Any] | None
) -> Options:
    """Options of a client whose requests carry a token for `scope`. `transport` replaces the
    network. The hook may give the policies before it, and the SDK, another answer than Azure's
    (`shared/azure/sdk.py` does); the spans, after it, have Azure's.
    """
    steps = [
        policies.HeadersPolicy(),
        policies.UserAgentPolicy(_USER_AGENT),
        policies.ContentDecodePolicy(),
        LoopbackBearerPolicy(credential, scope),
        policies.CustomHookPolicy(),
        RequestSpans(),
    ]
    return _options(steps, transport)


def unauthorized(transport: HttpTransport[Any, Any] | None) -> Options:
    """Options of a client for URLs that carry their own signature."""
    steps = [policies.HeadersPolicy(), policies.UserAgentPolicy(_USER_AGENT), RequestSpans()]
    return _options(steps, transport)


def _options(steps: list[Any], transport: HttpTransport[Any, Any] | None) -> Options:
    options: Options = {
        "policies": steps,
        "connection_timeout": _CONNECT_SECONDS,
        "read_timeout": _READ_SECONDS,
    }
    return options if transport is None else {**options, "transport": transport}
