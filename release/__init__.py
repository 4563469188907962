"""Makes what is released: the deployment package, its bill of materials, and a new version."""
