"""The URLs of the Durable HTTP API, and the JSON that a durable client is made of."""

import json
from dataclasses import dataclass
from urllib.parse import quote, urlencode

RPC_PATH = "/durabletask"
"""For the SDK in the app: on loopback and without a key, as the extension does it."""
WEBHOOK_PATH = "/runtime/webhooks/durabletask"
"""For all others: with the system key, which is part of every link handed out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Links:
    """Where this host is reached, as `http://127.0.0.1:7071`, and what the links carry."""

    origin: str
    hub: str
    system_key: str
    rpc_url: str = ""
    """Where the SDK in the app finds the engine, if not below the origin."""

    def client_binding(self) -> str:
        """What a function with a durable client input gets (`DurableOrchestrationBindings`)."""
        base = f"{self.origin}{WEBHOOK_PATH}"
        start = f"{base}/orchestrators/{{functionName}}[/{{instanceId}}]"
        code = urlencode({"code": self.system_key})
        wait = "timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}"
        return json.dumps(
            {
                "taskHubName": self.hub,
                "rpcBaseUrl": self.rpc_url or f"{self.origin}{RPC_PATH}/",
                "baseUrl": base,
                "requiredQueryStringParameters": code,
                "creationUrls": {
                    "createNewInstancePostUri": f"{start}?{code}",
                    "createAndWaitOnNewInstancePostUri": f"{start}?{wait}&{code}",
                },
                "managementUrls": self.of_instance("INSTANCEID"),
            },
        )

    def of_instance(self, instance_id: str) -> dict[str, str]:
        """The check-status payload: the id and what may be done with it."""
        one = f"{self.origin}{WEBHOOK_PATH}/instances/{quote(instance_id)}"
        code = urlencode({"taskHub": self.hub, "connection": "Storage", "code": self.system_key})
        return {
            "id": instance_id,
            "statusQueryGetUri": f"{one}?{code}",
            "sendEventPostUri": f"{one}/raiseEvent/{{eventName}}?{code}",
            "terminatePostUri": f"{one}/terminate?reason={{text}}&{code}",
            "rewindPostUri": f"{one}/rewind?reason={{text}}&{code}",
            "purgeHistoryDeleteUri": f"{one}?{code}",
            "restartPostUri": f"{one}/restart?{code}",
            "suspendPostUri": f"{one}/suspend?reason={{text}}&{code}",
            "resumePostUri": f"{one}/resume?reason={{text}}&{code}",
        }
