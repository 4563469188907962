// The alerts, and the workbook that draws the same figures. queries.json holds the queries of both.

param location string
param tags object
param suffix string
param workspaceName string
param componentName string

@description('Addresses that alerts are sent to; none: alerts are only listed in Azure Monitor.')
param emails string[]

var queries = loadJsonContent('../queries.json')

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = {
  name: workspaceName
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(emails)) {
  name: 'ag-batch-prep-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'batch-prep'
    emailReceivers: [
      for (email, index) in emails: {
        name: 'email ${index + 1}'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

// The tables that the queries name come into being with the first telemetry, so Azure must not check them now.
resource rules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in items(queries.alerts): {
    name: 'batch-prep ${alert.key} ${suffix}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'batch-prep: ${alert.key}'
      description: alert.value.about
      enabled: true
      severity: alert.value.severity
      scopes: [workspace.id]
      skipQueryValidation: true
      evaluationFrequency: alert.value.every
      windowSize: alert.value.window
      autoMitigate: alert.value.resolves
      criteria: {
        allOf: [
          {
            query: alert.value.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: { minFailingPeriodsToAlert: 1, numberOfEvaluationPeriods: 1 }
          }
        ]
      }
      actions: { actionGroups: empty(emails) ? [] : [people.id] }
    }
  }
]

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'batch-prep workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    category: 'workbook'
    displayName: 'batch-prep'
    sourceId: component.id
    version: '1.0'
    serializedData: string({
      version: 'Notebook/1.0'
      items: map(queries.charts, chart => {
        type: 3
        name: chart.title
        content: {
          version: 'KqlItem/1.0'
          query: chart.query
          title: chart.title
          size: 0
          timeContext: { durationMs: 604800000 }
          queryType: 0
          resourceType: 'microsoft.operationalinsights/workspaces'
          crossComponentResources: [workspace.id]
          visualization: chart.visualization
        }
      })
      isLocked: false
      fallbackResourceIds: [component.id]
    })
  }
}
