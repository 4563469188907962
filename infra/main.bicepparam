// What `azd up` deploys. azd sets the environment variables: `azd env set NAME value`.

using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'dev')
param location = readEnvironmentVariable('AZURE_LOCATION', 'swedencentral')
param buildResourceGroups = split(readEnvironmentVariable('BUILD_RESOURCE_GROUPS', 'batch-images-rg'), ',')
