"""A simulator that behaves like Azure, for development, demonstration and tests.

It stores resources, takes simulated time for long operations, refuses what Azure refuses, and
answers in Azure's forms. Only its clock moves it: it has no threads and does not sleep, and every
chance comes from its seed. `core.Simulator.handle(request)` answers every request; `server.py`
serves that over HTTP, `transport.py` to the Azure SDK's clients in the same process.

In process:

    clock = clock.VirtualClock(1_790_000_000)
    azure = core.Simulator(clock=clock, seed=7)
    wire = transport.SimulatorTransport(azure)
    credential = transport.SimulatorCredential(azure)
    client = ComputeManagementClient(credential, azure.subscription, transport=wire)

`wire.sleep`, which the SDK's pollers and retries call, moves a virtual clock forward.

The map:

    core            routes, events, settling, the order of checks
    context         the core's type, for the modules that the core imports
    model           requests, responses             router          paths to handlers
    store           resources, due events, SQLite   resource_types  registers a resource type
    operations      long operations, their URLs     arm             what handlers share
    durations       samples durations, by seed      faults          what tests inject
    throttling      token buckets                   tokens          issues and checks tokens
    shapes          forms of bodies                 entra           endpoints, login
    server          http and https                  proxy           registries by their own names
    providers       the list of modules             control         /_simulator/…
    resources/ identity/ network/ compute/ batch/ container_registry/   resource types
    machine/        what scripts do in a VM         data/           regions, sizes, images

docs/simulator.md shows how to add a resource type, and has the rules for its handlers.
"""
