// Roles of the app in the whole subscription.

targetScope = 'subscription'

import { condition } from 'role-definitions.bicep'

param principalId string

@description('Ids of roles.')
param roleIds string[]

@description('The id of the role that lets the app assign roles; empty: none. It comes with a condition.')
param grantsRoleId string = ''

resource plain 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for roleId in roleIds: {
    name: guid(subscription().id, principalId, roleId)
    properties: {
      principalId: principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: roleId
    }
  }
]

resource limited 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(grantsRoleId)) {
  name: guid(subscription().id, principalId, grantsRoleId)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: grantsRoleId
    condition: condition
    conditionVersion: '2.0'
  }
}
