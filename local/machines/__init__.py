"""Real Debian machines on one Linux computer: systemd, apt and Docker in a container.

A machine (`machine.Machine`) is a directory with a root file system and a process tree that boots
it: systemd-nspawn in namespaces of its own, where its only network is a set of servers that stand
in for Azure and for the package and image sources (`servers`). Nothing of it touches the computer's
network, and when its first process ends the kernel ends all of it.

    python -m local.machines DIR     makes what machines are made from (once; needs Debian's mirror)

| module | what it holds |
|---|---|
| features | what of this computer's abilities is missing |
| kit, base_root, packages, container_images | what is made once: root, repositories, images |
| driver_root, volume_root | a root where drivers are built, a disk with logical volumes |
| el_root, el_packages, rpms | a root with dnf and rpm, and repositories for them |
| machine, run_command | a machine from outside: start, power off, run a command |
| keeper, cgroups, network | the process that holds a machine and its namespaces |
| servers, image_registry | what the machine can reach |
| stand_ins | everything that is not the real thing, in words, for reports |
| guest | files that are put into the machine |
"""
