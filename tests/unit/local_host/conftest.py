"""Some tests are of one version of the Durable SDK: whichever is installed decides."""

from local.functions_host import protocols

collect_ignore = [
    "test_durable_sdk_defects.py" if protocols.IS_PROTOBUF else "test_durable_sdk_2.py"
]
