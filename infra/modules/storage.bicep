// The app's storage account, which accepts no key, and every queue, table and container that the app uses. The host and
// Durable make their own.

param location string
param tags object
param name string

@description('The container that the package is stored in.')
param packageContainer string

@description('The container of the scripts\' logs; empty: none are kept.')
param logContainer string

@description('Whether only private endpoints lead to the account.')
param isPrivate bool

var queues = ['pool-requests', 'pool-requests-poison']
var tables = [
  'batchprepBuilds'
  'batchprepBuildList'
  'batchprepSteps'
  'batchprepImages'
  'batchprepPools'
  'batchprepRecipes'
  'batchprepRefused'
  'batchprepReconciled'
  'batchprepPace'
  'batchprepClaims'
  'batchprepChanges'
]
var containers = concat(
  [packageContainer, 'batch-prep-contexts', 'batch-prep-documents'],
  empty(logContainer) ? [] : [logContainer]
)

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: isPrivate ? 'Deny' : 'Allow'
    }
    supportsHttpsTrafficOnly: true
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: { enabled: true, days: 7 }
    }

    resource all 'containers' = [
      for each in containers: {
        name: each
      }
    ]
  }

  resource queueService 'queueServices' = {
    name: 'default'

    resource all 'queues' = [
      for each in queues: {
        name: each
      }
    ]
  }

  resource tableService 'tableServices' = {
    name: 'default'

    resource all 'tables' = [
      for each in tables: {
        name: each
      }
    ]
  }
}
