"""Terms of marketplace images that have a purchase plan: a subscription accepts them once.

The setting `unacceptedTerms` lists those that are not accepted, each as publisher:offer:plan; all
others are. https://learn.microsoft.com/rest/api/marketplaceordering/marketplace-agreements/get
"""

from __future__ import annotations

from local.azure_simulator import context, model

_PATH = (
    "/subscriptions/{subscription}/providers/Microsoft.MarketplaceOrdering/offerTypes"
    "/virtualmachine/publishers/{publisher}/offers/{offer}/plans/{plan}/agreements/current"
)


def register(azure: context.Azure) -> None:
    azure.route("GET", _PATH, get)


def get(azure: context.Azure, request: model.Request) -> model.Response:
    publisher, offer, plan = (request.parameters[name] for name in ("publisher", "offer", "plan"))
    properties = {
        "publisher": publisher,
        "product": offer,
        "plan": plan,
        "licenseTextLink": "https://example.org/license",
        "accepted": is_accepted(azure, publisher, offer, plan),
    }
    document = {
        "id": request.resource_id,
        "name": plan,
        "type": "Microsoft.MarketplaceOrdering/offertypes",
        "properties": properties,
    }
    return model.json_response(200, document)


def is_accepted(azure: context.Azure, publisher: str, offer: str, plan: str) -> bool:
    missing = {str(item).lower() for item in azure.setting("unacceptedTerms", [])}
    return f"{publisher}:{offer}:{plan}".lower() not in missing


def check(azure: context.Azure, plan: model.JsonObject | None) -> None:
    """Refuse a machine whose plan the subscription has not agreed to. Recorded:
    https://github.com/Azure/azure-sdk-for-python/issues/15258
    """
    if plan is None:
        return
    publisher, offer, name = (str(plan.get(key)) for key in ("publisher", "product", "name"))
    if not is_accepted(azure, publisher, offer, name):
        model.refuse(
            400,
            "ResourcePurchaseValidationFailed",
            "User failed validation to purchase resources. Error message: 'You have not accepted "
            f"the legal terms on this subscription: '{azure.subscription}' for this plan. Before "
            "the subscription can be used, you need to accept the legal terms of the image.'",
        )
