// batch-prep in one resource group of its own, and its rights in the groups that it builds in. docs/deploy.md explains
// each parameter. Only the group of the app is declared here: `azd down` deletes every group that a template declares.

targetScope = 'subscription'

import { settings } from 'modules/settings.bicep'
import { signIn } from 'modules/app.bicep'
import { roleId } from 'modules/role-definitions.bicep'

@description('The azd environment; part of the name of the group.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('The region of the app.')
param location string

@description('The resource group of the app, which this template creates.')
param appResourceGroup string = 'rg-batch-prep-${environmentName}'

@description('The existing resource groups in which the app makes images, registries, Batch accounts and pools.')
param buildResourceGroups string[]

@description('Whether the app may do so in every group of the subscription, and make groups. It can then act as any identity there, because it may give identities to virtual machines on which it runs scripts.')
param wholeSubscription bool = false

@description('The existing resource groups of virtual networks whose subnets requests may name.')
param networkResourceGroups string[] = []

@description('Settings of the app, by their names in docs/settings.md; the others keep their defaults.')
param appSettings settings = {}

@description('Where Durable keeps histories and messages.')
@allowed(['AzureStorage', 'DurableTaskScheduler'])
param durableBackend string = 'AzureStorage'

@description('Whether the app reaches its storage through private endpoints only, from a virtual network of its own.')
param privateNetwork bool = false

@description('The address space of that network; /24 or larger.')
param networkAddressPrefix string = '10.40.0.0/24'

@description('Whether builders append the whole logs of their scripts to the app\'s storage. Where that is private, builders reach it only from subnets with access.')
param stepLogs bool = !privateNetwork

@description('Sign-in with Entra. Absent: callers send a function key.')
param entraSignIn signIn?

@description('Addresses that alerts are sent to.')
param alertEmails string[] = []

@description('For how many days telemetry is kept.')
@minValue(30)
@maxValue(730)
param telemetryDays int = 90

@description('Memory of one instance.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('How many instances there are at most.')
@minValue(40)
@maxValue(1000)
param maximumInstances int = 40

@description('How many instances for orchestrations and activities always run.')
@minValue(0)
param alwaysReadyInstances int = 0

var suffix = take(uniqueString(subscription().id, environmentName, location), 10)
var hasScheduler = durableBackend == 'DurableTaskScheduler'
var tags = { 'azd-env-name': environmentName }
var hubName = loadJsonContent('../host.json').extensions.durableTask.hubName
var names = {
  appIdentity: 'id-batch-prep-app-${suffix}'
  logIdentity: 'id-batch-prep-logs-${suffix}'
  storage: 'stbatchprep${suffix}'
  packageContainer: 'app-package'
  logContainer: stepLogs ? 'step-logs' : ''
  workspace: 'log-batch-prep-${suffix}'
  component: 'appi-batch-prep-${suffix}'
  network: privateNetwork ? 'vnet-batch-prep-${suffix}' : ''
  appSubnet: 'app' // Flex Consumption accepts no underscore here
}
var everywhere = subscription().id
var buildRoles = [roleId(everywhere, 'builds', suffix)]
var grantsRole = roleId(everywhere, 'grants', suffix)

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: appResourceGroup
  location: location
  tags: tags
}

module identities 'modules/identities.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    appName: names.appIdentity
    logsName: names.logIdentity
  }
}

module roles 'modules/role-definitions.bicep' = {
  params: { suffix: suffix }
}

module ofSubscription 'modules/subscription-grants.bicep' = {
  params: {
    principalId: identities.outputs.appPrincipalId
    roleIds: [
      roleId(everywhere, 'subscription', suffix)
      ...(wholeSubscription ? [...buildRoles, roleId(everywhere, 'resourceGroups', suffix)] : [])
    ]
    grantsRoleId: wholeSubscription ? grantsRole : ''
  }
  dependsOn: [roles]
}

module ofGroups 'modules/group-grants.bicep' = [
  for name in wholeSubscription ? [] : buildResourceGroups: {
    scope: resourceGroup(name)
    params: {
      principalId: identities.outputs.appPrincipalId
      roleIds: buildRoles
      grantsRoleId: grantsRole
    }
    dependsOn: [roles]
  }
]

module ofNetworks 'modules/group-grants.bicep' = [
  for name in networkResourceGroups: {
    scope: resourceGroup(name)
    params: {
      principalId: identities.outputs.appPrincipalId
      roleIds: [roleId(everywhere, 'networks', suffix)]
    }
    dependsOn: [roles]
  }
]

module ofLogIdentity 'modules/log-identity-grants.bicep' = if (stepLogs) {
  scope: group
  params: {
    principalId: identities.outputs.appPrincipalId
    roleId: roleId(everywhere, 'logIdentity', suffix)
    logIdentityName: names.logIdentity
  }
  dependsOn: [roles]
}

module storage 'modules/storage.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    name: names.storage
    packageContainer: names.packageContainer
    logContainer: names.logContainer
    isPrivate: privateNetwork
  }
}

module ofStorage 'modules/storage-grants.bicep' = {
  scope: group
  params: {
    storageName: names.storage
    appPrincipalId: identities.outputs.appPrincipalId
    logPrincipalId: identities.outputs.logsPrincipalId
    logContainer: names.logContainer
  }
  dependsOn: [storage]
}

module network 'modules/network.bicep' = if (privateNetwork) {
  scope: group
  params: {
    location: location
    tags: tags
    suffix: suffix
    storageName: names.storage
    networkName: names.network
    appSubnetName: names.appSubnet
    addressPrefix: networkAddressPrefix
  }
  dependsOn: [storage]
}

module scheduler 'modules/scheduler.bicep' = if (hasScheduler) {
  scope: group
  params: {
    location: location
    tags: tags
    suffix: suffix
    appPrincipalId: identities.outputs.appPrincipalId
    appClientId: identities.outputs.appClientId
    hubName: hubName
  }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    workspaceName: names.workspace
    componentName: names.component
    appPrincipalId: identities.outputs.appPrincipalId
    retentionDays: telemetryDays
  }
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    suffix: suffix
    workspaceName: names.workspace
    componentName: names.component
    emails: alertEmails
  }
  dependsOn: [monitoring]
}

module app 'modules/app.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    suffix: suffix
    appIdentityName: names.appIdentity
    appClientId: identities.outputs.appClientId
    logIdentityName: names.logIdentity
    logClientId: identities.outputs.logsClientId
    storageName: names.storage
    packageContainer: names.packageContainer
    logContainer: names.logContainer
    insightsConnectionString: monitoring.outputs.connectionString
    hasScheduler: hasScheduler
    schedulerConnectionString: hasScheduler ? scheduler!.outputs.connectionString : ''
    networkName: names.network
    subnetName: names.appSubnet
    memoryMB: instanceMemoryMB
    maximumInstances: maximumInstances
    alwaysReady: alwaysReadyInstances
    chosen: appSettings
    entra: entraSignIn
  }
  // The app starts as soon as it is there. By then it needs its rights, and a network that leads to its storage.
  dependsOn: [ofStorage, network, ofSubscription, ofGroups, ofNetworks, ofLogIdentity]
}

output AZURE_RESOURCE_GROUP string = group.name
output BATCH_PREP_ENDPOINT string = app.outputs.url
output BATCH_PREP_APP string = app.outputs.name
