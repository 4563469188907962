# shellcheck shell=bash
# What Docker says about itself; each fails if the daemon does not answer.

docker_version() { docker info --format '{{.ServerVersion}}'; }

docker_root() { docker info --format '{{.DockerRootDir}}'; }

docker_runtimes() { docker info --format '{{range $name, $runtime := .Runtimes}}{{$name}} {{end}}'; }
