// The Durable Task Scheduler, in place of the storage account, for Durable's histories and messages.

param location string
param tags object
param suffix string
param appPrincipalId string
param appClientId string

@description('The name of Durable\'s task hub: that of host.json.')
param hubName string

var dataContributor = '0ad04412-c4d5-4796-b79c-f76d14c8d402'

resource scheduler 'Microsoft.DurableTask/schedulers@2026-02-01' = {
  name: 'dts-batch-prep-${suffix}'
  location: location
  tags: tags
  properties: {
    ipAllowlist: ['0.0.0.0/0'] // an empty list lets no address in; what lets a caller in is the role below
    sku: { name: 'Consumption' }
  }

  resource hub 'taskHubs' = {
    name: hubName
  }
}

resource works 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(scheduler.id, appPrincipalId, dataContributor)
  scope: scheduler
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', dataContributor)
  }
}

output connectionString string = 'Endpoint=${scheduler.properties.endpoint};TaskHub=${hubName};Authentication=ManagedIdentity;ClientID=${appClientId}'
