// Every option that infra/main.bicepparam leaves off. tests/infra compares what it would create with what the app needs.

using '../../infra/main.bicep'

param environmentName = 'everything'
param location = 'swedencentral'
param buildResourceGroups = []
param wholeSubscription = true
param networkResourceGroups = ['team-network-rg']
param appSettings = { KEEP_HOURS: '8', ALLOWED_LOCATIONS: 'sweden*', PYTHON_THREADPOOL_THREAD_COUNT: '48' }
param durableBackend = 'DurableTaskScheduler'
param privateNetwork = true
param stepLogs = true
param entraSignIn = {
  clientId: '00000000-0000-0000-0000-0000000000c1'
  allowedApplications: ['00000000-0000-0000-0000-0000000000c2']
}
param alertEmails = ['operator@example.org']
param instanceMemoryMB = 4096
param alwaysReadyInstances = 1
