"""`import`: templates and pool definitions of other tools as request files.

| module | what it does |
|---|---|
| `kinds` | recognises a file by its content, reads it, and calls one of the mappings |
| `draft` | the request that is made, and the name of every field that is not part of it |
| `tables` | follows a table of fields: field of the source -> field of a request |
| `packer`, `packer_steps` | builders and provisioners of Packer's azure-arm |
| `packer_json`, `packer_hcl` | the two forms of a Packer template |
| `pools`, `pool_parts` | pools as Resource Manager and the Batch service write them |
| `arm`, `arm_expressions` | Resource Manager templates |
| `terraform` | azurerm_batch_pool |
| `systems` | marketplace images -> systems that images are built from |
| `hcl` | HCL2 with its variables, locals and references filled in |
| `written` | the request file as text |
| `command` | the command itself |
"""
