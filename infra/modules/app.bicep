// The function app on Flex Consumption, with every application setting.

import { settings } from 'settings.bicep'

param location string
param tags object
param suffix string
param appIdentityName string
param appClientId string
param logIdentityName string
param logClientId string
param storageName string

@description('The container that the package is stored in.')
param packageContainer string

@description('The container of the scripts\' logs; empty: none are kept.')
param logContainer string

param insightsConnectionString string

@description('Whether Durable uses the Durable Task Scheduler, and not the storage account.')
param hasScheduler bool
param schedulerConnectionString string

@description('The network that the app sends from, and its subnet there; empty: none.')
param networkName string
param subnetName string

param memoryMB int
param maximumInstances int
param alwaysReady int
param chosen settings

@export()
@sealed()
@description('Sign-in with Entra.')
type signIn = {
  @description('The application (client) id of the app registration that stands for batch-prep.')
  clientId: string

  @description('The client ids of the applications whose tokens are accepted. Empty: those of every application of the tenant.')
  allowedApplications: string[]

  @description('Whose users and applications sign in. Absent: those of the subscription\'s tenant.')
  tenantId: string?
}
param entra signIn?

// The addresses in place of the account's name: they are right in every cloud.
var storageSuffix = environment().suffixes.storage
var blobUrl = 'https://${storageName}.blob.${storageSuffix}'
var defaults = {
  PYTHON_THREADPOOL_THREAD_COUNT: '32'
  WEEKLY_REBUILD_SCHEDULE: '0 0 3 * * 0'
  SWEEP_SCHEDULE: '0 */30 * * * *'
}
var chosenSettings = [
  for setting in items(union(defaults, chosen)): {
    name: setting.key
    value: setting.value
  }
]
var logSettings = empty(logContainer)
  ? []
  : [
      { name: 'STEP_LOG_CONTAINER_URL', value: '${blobUrl}/${logContainer}' }
      { name: 'STEP_LOG_IDENTITY_ID', value: logIdentity.id }
      { name: 'STEP_LOG_IDENTITY_CLIENT_ID', value: logClientId }
    ]
// host.json names no storage provider, and an application setting overrides host.json.
var hostPrefix = 'AzureFunctionsJobHost__extensions__durableTask__storageProvider'
var durableSettings = !hasScheduler
  ? []
  : [
      { name: '${hostPrefix}__type', value: 'azureManaged' }
      { name: '${hostPrefix}__connectionStringName', value: 'DURABLE_TASK_SCHEDULER' }
      { name: 'DURABLE_TASK_SCHEDULER', value: schedulerConnectionString }
    ]

resource appIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: appIdentityName
}

resource logIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: logIdentityName
}

resource network 'Microsoft.Network/virtualNetworks@2024-07-01' existing = if (!empty(networkName)) {
  name: networkName

  resource subnet 'subnets' existing = {
    name: subnetName
  }
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-batch-prep-${suffix}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: 'func-batch-prep-${suffix}'
  location: location
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${appIdentity.id}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: empty(networkName) ? null : network::subnet.id
    outboundVnetRouting: empty(networkName) ? null : { allTraffic: true }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobUrl}/${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: appIdentity.id
          }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: memoryMB
        maximumInstanceCount: maximumInstances
        alwaysReady: alwaysReady > 0 ? [{ name: 'durable', instanceCount: alwaysReady }] : []
      }
    }
    // Here and not as a resource of their own, so that the app never starts without them.
    siteConfig: {
      minTlsVersion: '1.2'
      appSettings: [
        { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
        { name: 'AzureWebJobsStorage__clientId', value: appClientId }
        { name: 'AzureWebJobsStorage__blobServiceUri', value: blobUrl }
        { name: 'AzureWebJobsStorage__queueServiceUri', value: 'https://${storageName}.queue.${storageSuffix}' }
        { name: 'AzureWebJobsStorage__tableServiceUri', value: 'https://${storageName}.table.${storageSuffix}' }
        { name: 'AZURE_CLIENT_ID', value: appClientId }
        { name: 'AZURE_TENANT_ID', value: tenant().tenantId }
        { name: 'AZURE_SUBSCRIPTION_ID', value: subscription().subscriptionId }
        {
          name: 'AZURE_RESOURCE_MANAGER_ENDPOINT'
          value: 'https://${split(environment().resourceManager, '/')[2]}'
        }
        { name: 'AZURE_FUNCTIONS_DURABLE_STRICT_TYPING', value: '1' }
        { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: insightsConnectionString }
        { name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING', value: 'ClientId=${appClientId};Authorization=AAD' }
        ...logSettings
        ...durableSettings
        ...chosenSettings
      ]
    }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }

  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }
}

resource authentication 'Microsoft.Web/sites/config@2025-03-01' = if (entra != null) {
  parent: site
  name: 'authsettingsV2'
  properties: {
    platform: { enabled: true }
    globalValidation: {
      requireAuthentication: true
      unauthenticatedClientAction: 'Return401'
      excludedPaths: ['/api/health']
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: entra!.clientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${entra!.?tenantId ?? tenant().tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [entra!.clientId, 'api://${entra!.clientId}']
          defaultAuthorizationPolicy: empty(entra!.allowedApplications)
            ? {}
            : { allowedApplications: entra!.allowedApplications }
        }
      }
    }
    login: { tokenStore: { enabled: false } }
  }
}

output name string = site.name
output url string = 'https://${site.properties.defaultHostName}'
