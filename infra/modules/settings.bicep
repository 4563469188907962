// The application settings that an operator may choose. docs/settings.md says what each means; one that is absent keeps
// the app's default. What follows from the deployment itself is not here: app.bicep sets it.

@export()
@sealed()
@description('Application settings of batch-prep, by their names in docs/settings.md.')
type settings = {
  ALLOWED_RESOURCE_GROUPS: string?
  ALLOWED_LOCATIONS: string?
  ALLOWED_VM_SIZES: string?
  ALLOWED_REGISTRIES: string?
  ALLOWED_GIT_HOSTS: string?
  ALLOWED_SCRIPT_HOSTS: string?
  ALLOWED_SUBNETS: string?
  ALLOWED_IDENTITIES: string?
  AZURE_RETAIL_PRICES_ENDPOINT: string?
  PUBLIC_REGISTRIES_ENDPOINT: string?
  DEFAULT_RESOURCE_GROUP: string?
  DEFAULT_LOCATION: string?
  DEFAULT_GALLERY: string?
  DEFAULT_IMAGE_NAME: string?
  DEFAULT_POOL_ID: string?
  DEFAULT_BATCH_ACCOUNT: string?
  DEFAULT_VM_SIZE: string?
  DEFAULT_GPU_VM_SIZE: string?
  VERIFY_IMAGE: string?
  KEEP_HOURS: string?
  BUILD_RETENTION_DAYS: string?
  CONTEXT_RETENTION_DAYS: string?
  HISTORY_RETENTION_DAYS: string?
  MAX_RUNNING_BUILDS: string?
  MAX_RUNNING_BUILDS_PER_CALLER: string?
  POOL_WIDTH: string?
  REBUILD_WIDTH: string?
  GRID_DRIVER_VERSION: string?
  GRID_DRIVER_URL: string?
  GRID_DRIVER_SHA256: string?
  WEEKLY_REBUILD_SCHEDULE: string?
  SWEEP_SCHEDULE: string?
  PYTHON_THREADPOOL_THREAD_COUNT: string?
}
