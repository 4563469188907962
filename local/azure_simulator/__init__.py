"""A simulator that behaves like Azure, for development, demonstration and tests.

It keeps resources, takes time for long operations, refuses what Azure refuses, and answers in
Azure's forms. It is driven by a clock alone: no threads, no sleeps, no chance that a seed does not
repeat. `core.Simulator.handle(request)` is all of it; `server.py` puts HTTP in front of it,
`transport.py` puts it below the Azure SDK's clients in the same process.

In process:

    clock = clock.VirtualClock(1_790_000_000)
    azure = core.Simulator(clock=clock, seed=7)
    wire = transport.SimulatorTransport(azure)
    credential = transport.SimulatorCredential(azure)
    client = ComputeManagementClient(credential, azure.subscription, transport=wire)

`wire.sleep`, which the SDK's pollers and retries call, moves a virtual clock forward.

The map:

    core            routes, events, settling, the order of checks     model     requests, responses
    store           resources, due events, SQLite                     router    paths to handlers
    operations      long-running operations and their monitors        arm       what handlers share
    durations       how long everything takes, by seed                faults    what tests inject
    throttling      token buckets                                     tokens    managed identity
    providers       the list of modules; add yours there              control   /_simulator/…
    resources/ identity/ network/ compute/ machine/ data/             batch/ container_registry/

A resource type is a module with `register(azure)`:

    TYPE = "Microsoft.Example/kettles"

    def register(azure: core.Simulator) -> None:
        arm.register_reads(azure, TYPE)                          # GET, and the two lists
        azure.durations.add({"kettles.write": durations.Duration(typical=30, source="estimate")})
        azure.route("PUT", arm.path_of(TYPE), put, operation="kettles.write")
        azure.route("POST", arm.path_of(TYPE) + "/boil", boil, operation="kettles.boil")
        azure.route("DELETE", arm.path_of(TYPE), arm.delete("kettles.delete"))
        azure.operations.register("kettles.write", arm.succeed)  # what its end does
        azure.on(TYPE, "cold", grow_cold)                        # an event of its own

    def put(azure: core.Simulator, request: model.Request) -> model.Response:
        body, existing = arm.prepare_put(azure, request)         # the refusals all types share
        if body["properties"].get("litres", 0) > 2:
            model.refuse(400, "InvalidParameter", "A kettle holds two litres.", target="litres")
        kettle = arm.file(azure, request, TYPE, body, existing)  # or updates the existing one
        kettle.properties["provisioningState"] = "Updating" if existing else "Creating"
        operation = azure.operations.begin("kettles.write", kettle, retry_after=(10,))
        return operations.put_started(azure, request, kettle, operation, created=not existing)

    def boil(azure: core.Simulator, request: model.Request) -> model.Response:
        kettle = arm.require(azure, resource_ids.without_action(request.resource_id))
        azure.schedule(kettle, "cold", 600)                      # seconds of simulated time
        return model.empty_response(200)

    def grow_cold(azure: core.Simulator, kettle: store.Resource, data: model.JsonObject) -> None:
        kettle.properties["temperature"] = "cold"

Rules for handlers: refuse before changing anything; keep only JSON values in `document` (shown) and
`state` (hidden); set `cost_per_hour` when what is paid for changes. Records that are not ARM
resources (Batch tasks, say) are filed in the same store under a type that does not begin with
`Microsoft.`, so they persist too but are not listed among the resources.

Another service at the same address (Batch's data plane) is another `model.Plane`: its own audience
of tokens and its own error envelope, given to `azure.route(…, plane=…)`.
"""
