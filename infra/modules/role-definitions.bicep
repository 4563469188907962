// The custom roles of infra/role.json, one for each kind of scope. role.json says which activity needs which permission.

targetScope = 'subscription'

@description('Distinguishes the names of roles, which are unique in a tenant.')
param suffix string

@export()
@description('The id of a role of role.json in a subscription.')
func roleId(subscriptionId string, role string, suffix string) string =>
  '${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${guid(subscriptionId, 'batch-prep', role, suffix)}'

@export()
@description('What the role `grants` is limited to: AcrPull, and Container Registry Repository Reader for registries that ignore AcrPull, given to identities.')
var condition = loadTextContent('../grants-condition.txt')

resource definitions 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [
  for role in items(loadJsonContent('../role.json')): {
    name: last(split(roleId(subscription().id, role.key, suffix), '/'))
    properties: {
      roleName: 'batch-prep ${role.key} ${suffix}'
      description: role.value.about
      type: 'CustomRole'
      assignableScopes: [subscription().id]
      permissions: [
        {
          actions: objectKeys(role.value.actions)
          dataActions: objectKeys(role.value.dataActions)
          notActions: []
          notDataActions: []
        }
      ]
    }
  }
]
