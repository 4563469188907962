// The right to give builders the identity with which they append logs, and no other identity of this group.

param principalId string
param roleId string
param logIdentityName string

resource logs 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: logIdentityName
}

resource assigns 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(logs.id, principalId, roleId)
  scope: logs
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: roleId
  }
}
