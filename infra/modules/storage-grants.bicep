// Who may open the storage account: the app all of it, the builders' identity the container of logs.

param storageName string
param appPrincipalId string
param logPrincipalId string

@description('The container of logs; empty: there is none.')
param logContainer string

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage
var appRoles = {
  // The host's keys and timers, the package, Durable's leases and large messages, contexts, documents and logs.
  blobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  // Durable's queues, the trigger of pool requests, and its poison queue.
  queueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  // Durable's histories, and the app's records.
  tableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource logs 'containers' existing = {
      name: empty(logContainer) ? 'step-logs' : logContainer
    }
  }
}

resource ofApp 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in items(appRoles): {
    name: guid(account.id, appPrincipalId, role.value)
    scope: account
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.value)
    }
  }
]

resource ofLogs 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(logContainer)) {
  name: guid(account::blobs::logs.id, logPrincipalId, blobDataContributor)
  scope: account::blobs::logs
  properties: {
    principalId: logPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}
