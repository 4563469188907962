"""Azure Batch: accounts and pools (resource manager), and the service each account offers.

accounts account_keys locations pools   routes of Resource Manager
service_pools service_creation service_nodes jobs tasks files   routes of an account's data plane
pool_body pool_checks images    what a pool may say
scaling resizing autoscaling autoscale          how many nodes it gets
nodes node_life start_tasks containers          what becomes of a node
verification                    batch-prep's own start task, judged from the image's contents
scheduling task_runs task_states commands       what becomes of a task
planes odata problems iso8601   forms of requests, answers and refusals
quotas supported_images timing  data
"""

from __future__ import annotations

from local.azure_simulator import context
from local.azure_simulator.batch import (
    account_keys,
    accounts,
    applications,
    autoscaling,
    jobs,
    locations,
    node_life,
    planes,
    pools,
    scaling,
    service_creation,
    service_nodes,
    service_pools,
    task_runs,
    tasks,
    timing,
)

_PROVIDERS = (
    timing,
    accounts,
    account_keys,
    applications,
    locations,
    pools,
    scaling,
    autoscaling,
    node_life,
    jobs,
    task_runs,
)
_SERVICES = (service_pools, service_creation, service_nodes, jobs, tasks)


def register(azure: context.Azure) -> None:
    for module in _PROVIDERS:
        module.register(azure)
    plane = planes.DataPlane(azure)
    for service in _SERVICES:
        service.serve(plane)
