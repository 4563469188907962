// Two user-assigned identities: one that the app acts as, and one with which builders append the logs of their scripts.

param location string
param tags object
param appName string
param logsName string

resource app 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: appName
  location: location
  tags: tags
}

resource logs 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: logsName
  location: location
  tags: tags
}

output appClientId string = app.properties.clientId
output appPrincipalId string = app.properties.principalId
output logsClientId string = logs.properties.clientId
output logsPrincipalId string = logs.properties.principalId
