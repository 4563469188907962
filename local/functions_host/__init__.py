"""The local Functions host: runs a function app on one machine, for development and tests.

From the rule to the process, each file on those before it:

    history · replay        what an orchestrator's actions mean, given its history; pure
    store · work            what is kept, and what could be done
    episodes                what an orchestrator is asked and answers
    json_protocol · protobuf_protocol · protocols  how that is said to versions 1 and 2 of the SDK
    hub · engine            the rules of the task hub
    inline                  the engine in one thread on a virtual clock, for tests
    scheduler               the engine in the host
    adapters · functions · worker           the app's functions, called as the Python worker does
    views · links · durable_api · local_client  the Durable HTTP API, of version 1's client
    task_hub                the service that version 2's client calls
    routes · http · timers · queue_triggers     what starts functions
    host · __main__         the whole

Left out, and refused where an app uses them: entities, durable HTTP calls, other triggers and
bindings.
"""
